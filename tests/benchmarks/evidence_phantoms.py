"""Phantoms whose findings are known to the voxel, encoded by both of a model's encoders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.api import VolumeInput
from model_runtime.evidence_maps import grid_of, stride_of
from model_runtime.phantom.case import Case, Finding, kinds_of, sample_case
from model_runtime.phantom.language import finding_sentences, technique
from model_runtime.phantom.render import render
from model_runtime.preprocess import ModelInput, prepare
from model_runtime.similarity import FINEST
from model_runtime.weights import LoadedModel

SHAPE = (64, 128, 128)
DIFFUSE = {"emphysema", "coronary calcification", "steatosis", "hydrocephalus", "ascites",
           "pericardial effusion", "hepatic metastases"}  # fmt: skip
# Their texture is drawn at random, so the noise behind them differs too.
_TEXTURED = {"consolidation", "ground glass"}


@dataclass(frozen=True, eq=False)
class Specimen:
    """A case, its scan, and what the encoders make of it."""

    case: Case
    voxels: NDArray[np.int16]
    matrix: NDArray[np.float64]
    ready: ModelInput
    states: tuple[Tensor, Tensor]
    similar: Tensor
    vector: NDArray[np.float32]

    @property
    def volume(self) -> VolumeInput:
        return VolumeInput(str(self.case.seed), self.voxels, self.matrix, "CT")

    @property
    def head(self) -> str:
        """A report up to its findings."""
        return f"Technique: {technique(self.case)}\nFindings:"

    def told(self) -> list[tuple[Finding | None, str, str]]:
        """True sentences: the finding (None for what is absent), the text, what stands before."""
        sentences = finding_sentences(self.case, np.random.default_rng(self.case.seed))
        order = kinds_of(self.case.region)
        present = sorted(self.case.findings, key=lambda f: order.index(f.kind))
        owners = [*present, *[None] * (len(sentences) - len(present))]
        before = [self.head + "".join(f" {s}" for s in sentences[:n])
                  for n in range(len(sentences))]  # fmt: skip
        return list(zip(owners, sentences, before, strict=True))

    def others(self) -> list[tuple[str, str]]:
        """Sentences of another case of the region on findings that are not here; and context."""
        seed = self.case.seed + 1_000_000
        while sample_case(seed).region != self.case.region or not sample_case(seed).findings:
            seed += 1
        other = sample_case(seed)
        order = kinds_of(other.region)
        findings = sorted(other.findings, key=lambda f: order.index(f.kind))
        texts = finding_sentences(other, np.random.default_rng(seed))
        told = zip(findings, texts, strict=False)
        return [(text, self.head) for f, text in told if self.case.find(f.kind) is None]


def specimens(model: LoadedModel, first: int, count: int) -> Iterator[Specimen]:
    """Scan and encode ``count`` cases with findings from the seed ``first`` on."""
    seed = first - 1
    while count:
        seed += 1
        case = sample_case(seed)
        if not case.findings:
            continue
        count -= 1
        voxels, matrix = render(case, SHAPE)
        scan = VolumeInput(str(seed), voxels, matrix, "CT", case.region.value.upper())
        ready = prepare(scan, model.config.input, None)
        grey = torch.from_numpy(ready.grey)[None, None]
        with torch.no_grad():
            states = model.vlm.encoder(grey)
            similar = model.siglip.vision_encoder(grey)
            vector = model.siglip.project_volume(similar[-1])[0].numpy()
        low, high = states[-2:]
        yield Specimen(case, voxels, matrix, ready, (low, high), similar[FINEST], vector)


def cells_on(
    specimen: Specimen, finding: Finding, stage: int, shift: float = 0.0
) -> NDArray[np.bool_] | None:
    """Cells (z, y, x) of a stage within or touching the finding's box.

    The box holds the voxels that differ from a scan of the same patient without the finding.
    ``shift`` in cells moves the centres from where the receptive field's are.
    """
    if finding.kind in DIFFUSE:
        return None
    case = specimen.case
    left = tuple(other for other in case.findings if other is not finding)
    without, _ = render(replace(case, findings=left), SHAPE)
    change = np.abs(specimen.voxels.astype(np.int32) - without)
    found = np.argwhere(change > (200 if finding.kind in _TEXTURED else 8))
    if not len(found):
        return None
    corners = np.stack([found.min(axis=0)[::-1] - 0.5, found.max(axis=0)[::-1] + 0.5])
    to_model = np.linalg.inv(specimen.ready.index_to_lps) @ specimen.matrix
    low, high = np.sort(corners @ to_model[:3, :3].T + to_model[:3, 3], axis=0)
    step = stride_of(stage)
    z, y, x = np.indices(grid_of(specimen.ready.grey.shape, stage))
    centre = np.stack([x, y, z], axis=-1) * step + shift * step
    touching = (centre - step / 2 <= high) & (centre + step / 2 >= low)
    return np.asarray(touching.all(axis=-1))
