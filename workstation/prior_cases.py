"""The local index of prior cases, and their volumes when one is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_runtime.retrieval.index import (
    PRIOR_SHAPE,
    CaseIndex,
    IndexFaultError,
    Neighbour,
    Vectors,
)
from workstation.core.display import Window
from workstation.core.errors import ModelError
from workstation.core.geometry import Geometry
from workstation.core.similar import SimilarCase
from workstation.core.study import Patient, Series
from workstation.core.volume import Volume

_SHOWN = 10


class PriorCases:
    """Searches the index; the model's weights must be those that built it.

    Raises
    ------
    ModelError
        Where the index cannot be used, or belongs to other weights.
    """

    def __init__(self, folder: Path, weights_sha256: str) -> None:
        try:
            self._index = CaseIndex.load(folder)
        except IndexFaultError as error:
            raise ModelError(str(error)) from error
        if self._index.weights_sha256 != weights_sha256:
            raise ModelError(
                f"The index of prior cases in {folder} was built with another model, so its "
                "scores would mean nothing. Build it again with this model."
            )

    def __len__(self) -> int:
        return len(self._index.records)

    def search(self, vector: Vectors, count: int = _SHOWN) -> list[SimilarCase]:
        """Find the nearest cases to a unit vector of a volume or a text."""
        try:
            return [self._shown(hit) for hit in self._index.search(vector, count)]
        except IndexFaultError as error:
            raise ModelError(str(error)) from error

    def _shown(self, hit: Neighbour) -> SimilarCase:
        record = hit.record
        return SimilarCase(
            case_id=str(record["id"]),
            score=hit.score,
            description=f"Synthetic CT {record['region']}",
            date=str(record["date"]),
            age=f"{record['age']} y",
            sex=str(record["sex"]),
            region=str(record["region"]),
            findings=tuple(record["findings"]),
            report=str(record["report"]),
            thumbnail=self._index.thumbnails[hit.row],
            synthetic=True,
        )

    def volume(self, case_id: str) -> Volume:
        """Render a synthetic case from its seed; takes some seconds.

        Raises
        ------
        ModelError
            For an unknown case.
        """
        from model_runtime.phantom.case import sample_case
        from model_runtime.phantom.render import render

        for record in self._index.records:
            if record["id"] == case_id:
                case = sample_case(int(record["seed"]))
                voxels, matrix = render(case, PRIOR_SHAPE)
                geometry = Geometry.from_matrix(PRIOR_SHAPE, matrix)
                return _as_volume(record, voxels, geometry)
        raise ModelError(f"The index holds no case {case_id}.")


def _as_volume(
    record: Mapping[str, Any], voxels: NDArray[np.int16], geometry: Geometry
) -> Volume:
    series = Series(
        key=f"prior-{record['id']}",
        study_key=str(record["id"]),
        files=(),
        count=voxels.shape[0],
        modality="CT",
        description=f"SYNTHETIC prior case, {record['region']}",
        date=str(record["date"]),
        body_part=str(record["region"]).upper(),
        patient=Patient(name="SYNTHETIC", id=str(record["id"])),
        synthetic=True,
    )
    lung = record["region"] == "chest"
    return Volume(
        series=series,
        voxels=voxels,
        geometry=geometry,
        available=np.ones(voxels.shape[0], bool),
        window=Window(1500, -600) if lung else Window(400, 40),
    )
