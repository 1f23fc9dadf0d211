"""BERTScore as the published evaluation has it: roberta-large, layer 17, plain F1.

Each token of one text is paired with the token of the other whose state is nearest by cosine;
the means over either text give precision and recall. No rescaling, no weights by rarity; the
first and the last special token can be paired with, and count for nothing.

The model (1.4 GB) is no part of this program: it is used where it lies in the local cache
of Hugging Face or in a folder that is named, and the results say so where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NAME = "roberta-large"
LAYER = 17
_LONGEST = 512


class BertMissingError(Exception):
    """BERTScore's model is not here; the message says where it was looked for."""


@dataclass(frozen=True, eq=False)
class _States:
    """States of a text's tokens, unit length, shape (tokens, width), and which tokens count."""

    rows: Tensor
    counts: Tensor


class BertScore:
    """The model, loaded.

    Raises
    ------
    BertMissingError
        Where the folder holds no model of RoBERTa's kind with at least 17 layers.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.folder = folder
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, add_prefix_space=True
            )
            self._model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, add_pooling_layer=False
            ).eval()
        except (OSError, TypeError, ValueError) as error:
            raise BertMissingError(f"{folder} holds no model for BERTScore: {error}") from error
        layers = len(self._model.encoder.layer)
        if layers < LAYER:
            raise BertMissingError(f"The model in {folder} has {layers} layers, not {LAYER}.")
        # What lies above is not looked at.
        self._model.encoder.layer = self._model.encoder.layer[:LAYER]
        self._states = lru_cache(maxsize=4096)(self._compute)

    @classmethod
    def local(cls, folder: Path | None = None) -> BertScore:
        """Load from a folder, or from the local cache of Hugging Face; nothing is fetched.

        Raises
        ------
        BertMissingError
        """
        if folder is not None:
            return cls(folder)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        for name in (NAME, f"FacebookAI/{NAME}"):
            try:
                return cls(Path(snapshot_download(name, local_files_only=True)))
            except LocalEntryNotFoundError:
                continue
        raise BertMissingError(f"{NAME} is not in the local cache of Hugging Face.")

    def f1(self, written: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
        """Score each text against its reference, shape (N,); an empty one scores 0."""
        return np.array(
            [
                _pair_f1(self._states(told.strip()), self._states(asked.strip()))
                for told, asked in zip(written, wanted, strict=True)
            ]
        )

    @torch.inference_mode()
    def _compute(self, text: str) -> _States:
        ids = self._tokenizer(
            text, truncation=True, max_length=_LONGEST, return_tensors="pt"
        ).input_ids
        states = self._model(input_ids=ids, attention_mask=torch.ones_like(ids))
        ends = (self._tokenizer.cls_token_id, self._tokenizer.sep_token_id)
        counts = ~torch.isin(ids[0], torch.tensor(ends))
        rows = torch.nn.functional.normalize(states.last_hidden_state[0].float(), dim=-1)
        return _States(rows, counts)


def _pair_f1(told: _States, asked: _States) -> float:
    if not told.counts.any() or not asked.counts.any():
        return 0.0
    near = told.rows @ asked.rows.T
    precision = float(near.max(dim=1).values[told.counts].mean())
    recall = float(near.max(dim=0).values[asked.counts].mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
