"""All that is said and asked about a case in one row, behind its image once.

Each text sees the image and itself, never the other texts, and stands at the positions that
it would have alone: the decoder computes what it would compute for the texts one by one,
without computing the image for each of them and without a row's padding for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from model_runtime.config import PromptConfig
from model_runtime.training.texts import Example, token_rows
from model_runtime.vlm import IGNORED_LABEL, Vlm

_PADDING = -1


@dataclass(frozen=True, eq=False)
class Packed:
    """Texts of a batch of cases, each B × length.

    Attributes
    ----------
    ids : Tensor of int64
    labels : Tensor of int64
        The token itself in answers and at their end, :data:`IGNORED_LABEL` elsewhere.
    part : Tensor of int64
        Which text of the row a token belongs to; the report is 0, padding is −1.
    place : Tensor of int64
        The token's place in its text.
    asks : bool
        Whether there is a text beside the reports.
    """

    ids: Tensor
    labels: Tensor
    part: Tensor
    place: Tensor
    asks: bool

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        prompt: PromptConfig,
        texts: Sequence[Sequence[Example]],
        asking: Tokenizer | None = None,
    ) -> Packed:
        """Lay out a report and questions, in this order, of every case.

        ``asking`` cuts the prompts of the questions where the answers' tokenizer does not.
        """
        rows = [
            _row(token_rows(tokenizer, mine[:1], prompt.eos_token))
            + _row(token_rows(tokenizer, mine[1:], prompt.eos_token, asking), first=1)
            for mine in texts
        ]
        width = max(map(len, rows))
        blank = (prompt.pad_token, IGNORED_LABEL, _PADDING, 0)
        table = torch.tensor([row + [blank] * (width - len(row)) for row in rows])
        ids, labels, part, place = table.unbind(-1)
        return cls(ids, labels, part, place, any(len(mine) > 1 for mine in texts))

    def to(self, device: torch.device) -> Packed:
        """Move to where the model lies."""
        tables = (self.ids, self.labels, self.part, self.place)
        ids, labels, part, place = (table.to(device) for table in tables)
        return Packed(ids, labels, part, place, self.asks)

    def seen(self, image_tokens: int) -> Tensor:
        """Tell which tokens (columns) each token (rows) attends to: bool, B × 1 × S × S.

        ``S`` is the number of image tokens and the length. Padding sees the image alone.
        """
        part = functional.pad(self.part, (image_tokens, 0), value=_PADDING)
        length = part.shape[1]
        before = torch.ones(length, length, dtype=torch.bool, device=part.device).tril()
        same = (part[:, :, None] == part[:, None, :]) & (part != _PADDING)[:, None, :]
        image = torch.arange(length, device=part.device) < image_tokens
        return ((same | image) & before)[:, None]

    def losses(self, vlm: Vlm, image: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the reports and of the answers, and their sum, which is minimised.

        ``image`` is B × image tokens × hidden size, in the order of the cases. The model must
        lay out image and text plainly, one behind the other.
        """
        front = image.shape[1]
        positions = functional.pad(self.place + front, (front, 0))
        positions[:, :front] = torch.arange(front, device=image.device)
        state = vlm.model(
            inputs_embeds=vlm.prompt_embeddings(image, self.ids),
            attention_mask=self.seen(front),
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state[:, front - 1 : -1]
        # A text begins with its prompt, so before a learnt token stands one of its own text.
        each = functional.cross_entropy(
            vlm.lm_head(state).flatten(0, 1),
            self.labels.flatten(),
            ignore_index=IGNORED_LABEL,
            reduction="none",
        )
        learnt, told = (self.labels != IGNORED_LABEL).flatten(), (self.part == 0).flatten()
        written = (each * told).sum() / (learnt & told).sum()
        if not self.asks:
            return {"loss": written, "report": written}
        answered = (each * ~told).sum() / (learnt & ~told).sum()
        return {"loss": written + answered, "report": written, "answer": answered}


def _row(texts: Sequence[tuple[list[int], int]], first: int = 0) -> list[tuple[int, int, int, int]]:
    """Lay texts behind each other: id, label, part and place of every token."""
    return [
        (token, token if place >= start else IGNORED_LABEL, part, place)
        for part, (ids, start) in enumerate(texts, first)
        for place, token in enumerate(ids)
    ]
