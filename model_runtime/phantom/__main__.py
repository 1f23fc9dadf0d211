"""Make synthetic studies, case folders, contact sheets and prior cases.

``python -m model_runtime.phantom study OUT --seed N`` writes a DICOM series,
``cases OUT --seeds A:B`` writes an npz (HU, matrix, truth) and a report a case,
``gallery OUT.png --seeds A:B`` writes axial and coronal pictures to look at,
``priors OUT --seeds A:B`` writes the listing and thumbnails of the bundled index.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.dicom import write_study
from model_runtime.phantom.language import report, short_name, truth
from model_runtime.phantom.preview import planes, sheet
from model_runtime.phantom.priors import PRIOR_SEEDS, write_priors
from model_runtime.phantom.render import render

STUDY_SEED = 414_902


def _seeds(text: str) -> range:
    """Read ``A:B`` (B excluded)."""
    try:
        first, last = (int(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed range such as 0:16") from None
    if not 0 <= first < last:
        raise argparse.ArgumentTypeError(f"the seed range {text!r} is empty or negative")
    return range(first, last)


def _shape(text: str) -> tuple[int, int, int]:
    """Read ``Z,Y,X``."""
    try:
        z, y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape such as 110,320,320") from None
    if min(z, y, x) < 8:
        raise argparse.ArgumentTypeError(f"the shape {text!r} is smaller than 8 along an axis")
    return z, y, x


def _study(options: argparse.Namespace) -> None:
    case = sample_case(options.seed)
    files = write_study(case, options.out, options.shape)
    size = sum(file.stat().st_size for file in files) / 1e6
    names = ", ".join(short_name(finding) for finding in case.findings) or "no finding"
    print(f"{len(files)} slices, {size:.2f} MB, {case.region.value}: {names}")


def _cases(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        case = sample_case(seed)
        voxels, matrix = render(case, options.shape, body_only=True)
        file = options.out / f"case{seed:06d}.npz"
        np.savez_compressed(file, voxels=voxels, index_to_lps=matrix, truth=truth(case))
        text = report(case, np.random.default_rng(seed))
        file.with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
        print(file.name)


def _gallery(options: argparse.Namespace) -> None:
    pictures = [picture for seed in options.seeds for picture in planes(sample_case(seed), 256)]
    options.out.write_bytes(imagecodecs.png_encode(sheet(pictures, 8)))
    print(f"{len(pictures) // 2} cases in {options.out}")


def _priors(options: argparse.Namespace) -> None:
    count = sum(1 for _ in write_priors(options.out, options.seeds))
    print(f"{count} prior cases in {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_runtime.phantom", description=__doc__)
    jobs = parser.add_subparsers(required=True, metavar="JOB")
    study = jobs.add_parser("study", help="write one case as a DICOM series")
    study.add_argument("--seed", type=int, default=STUDY_SEED)
    study.add_argument("--shape", type=_shape, default=(110, 320, 320), metavar="Z,Y,X")
    cases = jobs.add_parser("cases", help="write volumes with truth and reports")
    cases.add_argument("--seeds", type=_seeds, required=True, metavar="A:B")
    cases.add_argument("--shape", type=_shape, default=(64, 128, 128), metavar="Z,Y,X")
    gallery = jobs.add_parser("gallery", help="write a contact sheet")
    gallery.add_argument("--seeds", type=_seeds, default=range(16), metavar="A:B")
    priors = jobs.add_parser("priors", help="write the prior cases of the bundled index")
    priors.add_argument("--seeds", type=_seeds, default=PRIOR_SEEDS, metavar="A:B")
    for job, run in ((study, _study), (cases, _cases), (gallery, _gallery), (priors, _priors)):
        job.add_argument("out", type=Path)
        job.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; an impossible one is told in a sentence and gives 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
