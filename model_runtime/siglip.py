"""The contrastive model: volumes and texts as unit vectors in one space (SigLIP)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.config import SiglipConfig, TextConfig
from model_runtime.dcformer import DCFormer


def _text_tower(config: TextConfig) -> nn.Module:
    from transformers import DistilBertConfig, DistilBertModel

    tower: nn.Module = DistilBertModel(
        DistilBertConfig(
            vocab_size=config.vocab_size,
            dim=config.dim,
            hidden_dim=config.hidden_dim,
            n_layers=config.n_layers,
            n_heads=config.n_heads,
            max_position_embeddings=config.max_position_embeddings,
        )
    )
    return tower


class Siglip(nn.Module):
    """DCFormer and DistilBERT, each projected to a common width and normalised."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_encoder = DCFormer(config.encoder)
        self.language_encoder = _text_tower(config.text)
        self.mm_vision_proj = nn.Linear(config.encoder.channels[-1], config.width)
        self.mm_language_proj = nn.Linear(config.text.dim, config.width)
        self.t_prime = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def project_volume(self, last_state: Tensor) -> Tensor:
        """Turn the encoder's last hidden state (B × tokens × channels) into unit vectors."""
        return functional.normalize(self.mm_vision_proj(last_state.mean(dim=1)), dim=-1)

    def embed_volume(self, volume: Tensor) -> Tensor:
        """Map B × 1 × D × H × W in [0, 1] to unit vectors B × width."""
        return self.project_volume(self.vision_encoder(volume)[-1])

    def embed_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids and mask (B × length) to unit vectors B × width, by the first token."""
        state = self.language_encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        return functional.normalize(self.mm_language_proj(state), dim=-1)


def sigmoid_loss(image: Tensor, text: Tensor, t_prime: Tensor, bias: Tensor) -> Tensor:
    """Pairwise sigmoid loss of arXiv 2303.15343, averaged over the batch.

    Parameters
    ----------
    image, text : Tensor, shape (B, width)
        Unit vectors; row i of both belong together.
    t_prime, bias : Tensor, scalar
        Log temperature and bias.
    """
    logits = image @ text.T * t_prime.exp() + bias
    signs = 2 * torch.eye(len(image), device=image.device) - 1
    return -functional.logsigmoid(signs * logits).sum() / len(image)
