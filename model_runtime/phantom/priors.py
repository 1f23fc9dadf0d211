"""The bundled prior cases: seeds, reports and thumbnails, no volumes.

A prior case is opened by rendering its seed again. The folder holds ``cases.json`` and
``thumbnails.png``, a sheet of square pictures in the order of the cases.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.dicom import study_date
from model_runtime.phantom.language import report, short_name
from model_runtime.phantom.preview import Look, Picture, sheet

PRIOR_SEEDS = range(300_000, 301_050)
"""Some more than a thousand: a case that hides a finding is left out."""
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


def write_priors(
    folder: Path, seeds: Iterable[int] = PRIOR_SEEDS, processes: int = 1
) -> Iterator[Case]:
    """Write ``cases.json`` and ``thumbnails.png``, yielding each case as it is done.

    A case with a finding that another one hides is left out: its report would tell of
    something that cannot be seen. The files are written after the last case.
    """
    records: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    for seed, picture in _pictures(list(seeds), processes):
        if picture is None:
            continue
        case = sample_case(seed)
        records.append(record(case))
        pictures.append(picture)
        yield case
    folder.mkdir(parents=True, exist_ok=True)
    png = imagecodecs.png_encode(sheet(pictures, COLUMNS), level=9)
    (folder / "thumbnails.png").write_bytes(png)
    listing = {
        "notice": "Synthetic phantoms, not patients. Volumes are rendered from the seed.",
        "thumbnails": {"file": "thumbnails.png", "pixels": PIXELS, "columns": COLUMNS},
        "cases": records,
    }
    (folder / "cases.json").write_text(_a_case_a_line(listing), encoding="utf-8")


def _pictures(seeds: list[int], processes: int) -> Iterator[tuple[int, Picture | None]]:
    if processes == 1:
        yield from zip(seeds, map(_picture, seeds), strict=True)
        return
    # Threads of the numerical libraries do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        yield from zip(seeds, pool.map(_picture, seeds, chunksize=8), strict=True)


def _picture(seed: int) -> Picture | None:
    """Take the thumbnail of a case; none of one that hides a finding."""
    look = Look.at(sample_case(seed))
    return None if look.hidden else look.picture("axial", PIXELS)


def _a_case_a_line(listing: dict[str, Any]) -> str:
    """Write the listing so that it stays small, and a change of one case is one line's."""
    head = {name: told for name, told in listing.items() if name != "cases"}
    cases = ",\n".join(json.dumps(case, ensure_ascii=False) for case in listing["cases"])
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "cases": [\n{cases}\n]}}\n'
