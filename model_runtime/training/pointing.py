"""Right for the right reasons: evidence maps are trained to lie on what a sentence tells.

The program shows as evidence of a sentence where the similarity of sentence and volume comes
from (:mod:`model_runtime.similarity`): activation times gradient, cell by cell. Here that map is
itself a term of the loss, by a gradient of the gradient, after the idea of Ross, Hughes and
Doshi-Velez (arXiv 1703.03717) of constraining explanations in training. The truth of where a
finding lies is the phantom's; data without such truth have no such term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from model_runtime.evidence_maps import hires_cam
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.language import finding_sentence
from model_runtime.siglip import Siglip
from model_runtime.similarity import FINEST, NORMAL
from model_runtime.training.places import Cells
from model_runtime.training.tokenizer import encode_texts
from model_runtime.training.training_form import tokens_of

_COARSER = 0.5
"""Weight of the map of the stage behind :data:`FINEST`, which the program multiplies by it."""
_LEAST = 1e-3
"""Share that is added: a map with nothing on the finding still has a finite loss."""


@dataclass(frozen=True, eq=False)
class Pointed:
    """One finding of each case that shows any: a sentence, and the cells that it is about.

    Attributes
    ----------
    rows : Tensor of int64, shape (N,)
        Places of the cases in the batch.
    ids, mask : Tensor, shapes (N + normal, length)
        The sentences, and behind them :data:`NORMAL`.
    cells : Tensor, shape (N, 1, z, y, x)
        1 in the cells of stage :data:`FINEST` that the finding touches, 0 elsewhere.
    """

    rows: Tensor
    ids: Tensor
    mask: Tensor
    cells: Tensor


def draw_pointed(
    cases: Sequence[Case], places: Sequence[Cells], tokenizer: Tokenizer, random: Random
) -> Pointed:
    """Draw a finding of each case, and a sentence that tells it."""
    rows, told, cells = [], [], []
    for row, (case, marked) in enumerate(zip(cases, places, strict=True)):
        shown = np.flatnonzero(marked.any(axis=(1, 2, 3)))
        if len(shown):
            one = int(random.choice(shown))
            rows.append(row)
            told.append(finding_sentence(case, case.findings[one], random))
            cells.append(marked[one])
    marks = np.array(cells, np.float32).reshape(-1, 1, *places[0].shape[1:])
    ids, mask = encode_texts(tokenizer, [*told, *NORMAL])
    return Pointed(torch.tensor(rows, dtype=torch.int64), ids, mask, torch.from_numpy(marks))


def pointing_loss(
    siglip: Siglip, maps: Sequence[Tensor], image: Tensor, pointed: Pointed
) -> Tensor:
    """Mean −log of the share of a sentence's evidence map that lies on its finding.

    Parameters
    ----------
    siglip : Siglip
    maps : sequence of Tensor, shapes (B, H, W, D, C)
        The encoder's hidden states, from which ``image`` was computed.
    image : Tensor, shape (B, width)
        Unit vectors of the volumes.
    pointed : Pointed

    Returns
    -------
    Tensor, scalar
        0 where no case of the batch shows a finding.
    """
    device = image.device
    if not len(pointed.rows):
        return torch.zeros((), device=device)
    rows, cells = pointed.rows.to(device), pointed.cells.to(device)
    with torch.no_grad():
        words = siglip.embed_text(pointed.ids.to(device), pointed.mask.to(device)).float()
    count = len(rows)
    sought = words[:count] - words[count:].mean(dim=0)
    seen = (maps[FINEST], maps[FINEST + 1])
    slopes = torch.autograd.grad((image[rows] * sought).sum(), seen, create_graph=True)
    finer, coarser = (
        hires_cam(tokens_of(state)[rows], tokens_of(slope)[rows])
        for state, slope in zip(seen, slopes, strict=True)
    )
    larger = functional.max_pool3d(cells, 2, ceil_mode=True)
    return _off(finer, cells) + _COARSER * _off(coarser, larger)


def _off(values: Tensor, cells: Tensor) -> Tensor:
    share = (values * cells.flatten(1)).sum(dim=1) / (values.sum(dim=1) + 1e-8)
    loss: Tensor = -(share + _LEAST).log().mean()
    return loss
