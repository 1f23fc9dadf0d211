"""The bundled prior cases: seeds, reports and thumbnails, no volumes.

A prior case is opened by rendering its seed again. The folder holds ``cases.json`` and
``thumbnails.png``, a sheet of square pictures in the order of the cases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.dicom import study_date
from model_runtime.phantom.language import report, short_name
from model_runtime.phantom.preview import Picture, hidden, sheet, thumbnail

PRIOR_SEEDS = range(300_000, 300_240)
PIXELS = 96
COLUMNS = 16


def record(case: Case) -> dict[str, Any]:
    """Describe a prior case as it stands in ``cases.json``."""
    return {
        "id": f"SYNTHETIC-{case.seed:06d}",
        "seed": case.seed,
        "age": case.age,
        "sex": case.sex,
        "date": study_date(case).isoformat(),
        "region": case.region.value,
        "phase": case.phase,
        "findings": [short_name(finding) for finding in case.findings],
        "report": report(case, np.random.default_rng(case.seed)),
    }


def write_priors(folder: Path, seeds: Iterable[int] = PRIOR_SEEDS) -> Iterator[Case]:
    """Write ``cases.json`` and ``thumbnails.png``, yielding each case as it is done.

    A case with a finding that another one hides is left out: its report would tell of
    something that cannot be seen. The files are written after the last case.
    """
    records: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    for seed in seeds:
        case = sample_case(seed)
        if hidden(case):
            continue
        records.append(record(case))
        pictures.append(thumbnail(case, PIXELS))
        yield case
    folder.mkdir(parents=True, exist_ok=True)
    png = imagecodecs.png_encode(sheet(pictures, COLUMNS), level=9)
    (folder / "thumbnails.png").write_bytes(png)
    listing = {
        "notice": "Synthetic phantoms, not patients. Volumes are rendered from the seed.",
        "thumbnails": {"file": "thumbnails.png", "pixels": PIXELS, "columns": COLUMNS},
        "cases": records,
    }
    text = json.dumps(listing, indent=1, ensure_ascii=False) + "\n"
    (folder / "cases.json").write_text(text, encoding="utf-8")
