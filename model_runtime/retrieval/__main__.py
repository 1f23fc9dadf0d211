"""Build the index of prior cases.

``python -m model_runtime.retrieval build --model FOLDER --out FOLDER`` embeds every case
listed in ``OUT/cases.json`` (rendered from its seed, as it is when opened) with the
model's contrastive weights. With ``--drawn`` the volumes are drawn straight on the model's
grid, as in training: five times faster, but the skull of a head comes out darker there than
in a scan, so these vectors are not quite those of the same scan when it is opened.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from model_runtime.retrieval.building import build


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(prog="python -m model_runtime.retrieval")
    jobs = parser.add_subparsers(required=True)
    job = jobs.add_parser("build", help="embed the listed prior cases")
    job.add_argument("--model", type=Path, required=True)
    job.add_argument("--out", type=Path, required=True)
    job.add_argument("--drawn", action="store_true", help="draw on the model's grid: faster")
    job.add_argument("--processes", type=int, default=2, help="that make the volumes")
    given = parser.parse_args()
    count = build(given.model, given.out, drawn=given.drawn, processes=given.processes)
    print(f"\n{count} cases embedded")


if __name__ == "__main__":
    main()
