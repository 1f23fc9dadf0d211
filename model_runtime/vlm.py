"""The vision-language model: encoder, projector and decoder under the published key names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.config import VlmConfig
from model_runtime.dcformer import DCFormer
from model_runtime.language import build_decoder
from model_runtime.projector import DualStreamProjector

IGNORED_LABEL = -100


class _VisionTower(nn.Module):
    """One more level, for the published name ``vision_tower.vision_tower``."""

    def __init__(self, encoder: DCFormer) -> None:
        super().__init__()
        self.vision_tower = encoder


class _Head(nn.Linear):
    """The decoder's head. Its states may be narrower than its matrix; its logits never are."""

    def forward(self, states: Tensor) -> Tensor:
        return super().forward(states.to(self.weight.dtype)).float()


def _in_own_type(decoder: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Hand the decoder embeddings of its own type, whatever the projector computes in."""
    embeddings = kwargs.get("inputs_embeds")
    if embeddings is not None:
        kwargs["inputs_embeds"] = embeddings.to(decoder.embed_tokens.weight.dtype)  # type: ignore[union-attr]
    return args, kwargs


class Vlm(nn.Module):
    """A volume and a text in, the logits of the next tokens out."""

    def __init__(self, config: VlmConfig) -> None:
        super().__init__()
        self.config = config
        self.model = build_decoder(config.language)
        self.model.vision_tower = _VisionTower(DCFormer(config.encoder))
        self.model.mm_projector = DualStreamProjector(
            config.projector, config.language.hidden_size
        )
        self.model.register_forward_pre_hook(_in_own_type, with_kwargs=True)
        self.lm_head = _Head(config.language.hidden_size, config.language.vocab_size, bias=False)

    @property
    def encoder(self) -> DCFormer:
        """The volume encoder."""
        encoder: DCFormer = self.model.vision_tower.vision_tower  # type: ignore[union-attr,assignment]
        return encoder

    @property
    def projector(self) -> DualStreamProjector:
        """The projector."""
        projector: DualStreamProjector = self.model.mm_projector  # type: ignore[assignment]
        return projector

    def image_tokens(self, volume: Tensor) -> Tensor:
        """Map B × 1 × D × H × W in [0, 1] to B × image tokens × hidden size."""
        states = self.encoder(volume)
        tokens: Tensor = self.projector(states[-2], states[-1])
        return tokens

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings of ids (B × length)."""
        embedded: Tensor = self.model.embed_tokens(ids)  # type: ignore[operator]
        return embedded

    def embed_ids(self, ids: list[int]) -> Tensor:
        """Token embeddings (1, length, hidden) of one row of ids, where the decoder lies."""
        weight: Tensor = self.model.embed_tokens.weight  # type: ignore[union-attr,assignment]
        return self.embed(torch.tensor([ids], device=weight.device))

    def project(self, low: Tensor, high: Tensor) -> Tensor:
        """Turn the encoder's last two hidden states into image tokens in the decoder's precision.

        With the published quirk the embedding of ``<im_patch>`` stands before them, as in
        :meth:`prompt_embeddings`.
        """
        weight = next(self.projector.parameters())
        image: Tensor = self.projector(low.to(weight), high.to(weight))
        first = self.embed_ids([self.config.prompt.patch_token])
        if not self.config.prompt.drops_first_text_token:
            return image.to(first)
        return torch.cat((first.expand(len(image), -1, -1), image.to(first)), dim=1)

    def prompt_embeddings(self, image: Tensor, ids: Tensor) -> Tensor:
        """Lay out image and text for the decoder.

        Parameters
        ----------
        image : Tensor, shape (B, image tokens, hidden)
        ids : Tensor, shape (B, text tokens)
            The text behind the image, without placeholders.

        Returns
        -------
        Tensor, shape (B, image tokens + text tokens, hidden)
            In the published layout the embedding of ``<im_patch>`` stands first and
            the first text token is lost, so the length is the same.
        """
        text = self.embed(ids)
        if not self.config.prompt.drops_first_text_token:
            return torch.cat((image, text), dim=1)
        patch = torch.full((len(ids), 1), self.config.prompt.patch_token, device=ids.device)
        return torch.cat((self.embed(patch), image, text[:, 1:]), dim=1)

    def logits(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits B × length × vocabulary of a whole sequence of embeddings."""
        state = self.model(inputs_embeds=embeddings, attention_mask=mask, use_cache=False)
        out: Tensor = self.lm_head(state.last_hidden_state)
        return out

    def loss(self, image: Tensor, ids: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Mean cross-entropy of the labelled tokens.

        ``ids``, ``labels`` and ``mask`` are B × text tokens; ``labels`` is
        :data:`IGNORED_LABEL` on the prompt and on padding.
        """
        embeddings = self.prompt_embeddings(image, ids)
        front = embeddings.shape[1] - ids.shape[1]
        whole = functional.pad(mask, (front, 0), value=1)
        text_logits = self.logits(embeddings, whole)[:, front - 1 : -1]
        return functional.cross_entropy(
            text_logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED_LABEL
        )
