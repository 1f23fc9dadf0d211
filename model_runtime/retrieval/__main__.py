"""Build the index of prior cases.

``python -m model_runtime.retrieval build --model FOLDER --out FOLDER`` embeds every case
listed in ``OUT/cases.json`` (rendered from its seed, as it is when opened) with the
model's contrastive weights.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from pathlib import Path

import numpy as np

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.retrieval.index import PRIOR_SHAPE, save_embeddings


def prior_volume(seed: int) -> api.VolumeInput:
    """Render a synthetic prior case from its seed."""
    case = sample_case(seed)
    voxels, matrix = render(case, PRIOR_SHAPE)
    return api.VolumeInput(
        f"prior-{seed}", voxels, matrix, "CT", body_part=case.region.value.upper()
    )


def build(model: Path, out: Path) -> int:
    """Embed the listed cases; returns their number."""
    engine = LocalEngine(model)
    records = json.loads((out / "cases.json").read_text(encoding="utf-8"))["cases"]
    vectors = []
    for record in records:
        request = api.Request(0, api.Task.EMBED_VOLUME, prior_volume(int(record["seed"])))
        *_, last = engine.stream(request, threading.Event())
        if not isinstance(last, api.Done) or last.embedding is None:
            raise SystemExit(f"{record['id']} cannot be embedded: {last}")
        vectors.append(last.embedding)
        print(f"\r{len(vectors)} of {len(records)}", end="", file=sys.stderr)
    save_embeddings(
        out, [r["id"] for r in records], np.stack(vectors), engine.info.weights_sha256
    )
    return len(vectors)


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python -m model_runtime.retrieval")
    jobs = parser.add_subparsers(required=True)
    job = jobs.add_parser("build", help="embed the listed prior cases")
    job.add_argument("--model", type=Path, required=True)
    job.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    print(f"\n{build(given.model, given.out)} cases embedded")


if __name__ == "__main__":
    main()
