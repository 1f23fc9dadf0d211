"""Make synthetic studies, case folders, contact sheets and prior cases.

``python -m model_runtime.phantom study OUT --seed N`` writes a DICOM series,
``dataset OUT --split train --count N`` writes a split in M3D's layout, as NIfTI or as DICOM,
``cases OUT --seeds A:B`` writes an npz (HU, matrix, truth) and a report a case,
``gallery OUT.png --seeds A:B`` writes axial, coronal and sagittal pictures to look at,
``priors OUT --seeds A:B`` writes the listing and thumbnails of the bundled index.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np

from model_runtime.evaluation.m3d import DatasetError
from model_runtime.phantom.case import PLANES, sample_case
from model_runtime.phantom.dataset_cases import LAYOUTS
from model_runtime.phantom.dicom import write_study
from model_runtime.phantom.language import report, short_name, truth
from model_runtime.phantom.preview import Look, sheet
from model_runtime.phantom.priors import PRIOR_SEEDS, write_priors
from model_runtime.phantom.render import render

STUDY_SEED = 210_071
_SPLITS = ("train", "validation", "test", "held-out")


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


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


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


def _dataset(options: argparse.Namespace) -> None:
    from model_runtime.phantom.dataset import DataSet, summary, write_dataset

    layouts = LAYOUTS if options.layout == "all" else (options.layout,)
    data = DataSet(options.out, options.split, options.count, layouts, options.shape)
    written = 0
    for done, new in enumerate(write_dataset(data, options.processes), start=1):
        written += new
        print(f"\r{done} of {data.count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{written} of {data.count} {data.split} cases written, the others were there")
    for line in summary(options.out):
        print(line)


def _gallery(options: argparse.Namespace) -> None:
    looks = [Look.at(sample_case(seed, options.held_out)) for seed in options.seeds]
    pictures = [
        (look.outlined if options.masks else look.picture)(plane, options.pixels)
        for look in looks
        for plane in PLANES
    ]
    options.out.write_bytes(imagecodecs.png_encode(sheet(pictures, 6)))
    print(f"{len(looks)} cases in {options.out}")


def _priors(options: argparse.Namespace) -> None:
    count = sum(1 for _ in write_priors(options.out, options.seeds, options.processes))
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
    dataset = jobs.add_parser("dataset", help="write a split: M3D's layout, NIfTI, DICOM")
    dataset.add_argument("--split", choices=_SPLITS, required=True)
    dataset.add_argument("--count", type=_positive, required=True)
    dataset.add_argument("--shape", type=_shape, metavar="Z,Y,X")
    dataset.add_argument("--layout", choices=(*LAYOUTS, "all"), default="m3d")
    dataset.add_argument("--processes", type=_positive, default=2)
    gallery = jobs.add_parser("gallery", help="write a contact sheet")
    gallery.add_argument("--seeds", type=_seeds, default=range(16), metavar="A:B")
    gallery.add_argument("--masks", action="store_true", help="outline the findings")
    gallery.add_argument("--held-out", action="store_true", help="in the held-out style")
    gallery.add_argument("--pixels", type=_positive, default=256)
    priors = jobs.add_parser("priors", help="write the prior cases of the bundled index")
    priors.add_argument("--seeds", type=_seeds, default=PRIOR_SEEDS, metavar="A:B")
    priors.add_argument("--processes", type=_positive, default=2)
    runs = {study: _study, dataset: _dataset, cases: _cases, gallery: _gallery, priors: _priors}
    for job, run in runs.items():
        job.add_argument("out", type=Path)
        job.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; an impossible one is told in a sentence and gives 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (OSError, ValueError, DatasetError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
