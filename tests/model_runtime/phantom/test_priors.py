"""The listing of prior cases, its size, and the pictures of the gallery."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from model_runtime.api import Region
from model_runtime.phantom.__main__ import main
from model_runtime.phantom.case import PLANES, Case, Finding, sample_case
from model_runtime.phantom.dataset_cases import report_of
from model_runtime.phantom.preview import Look
from model_runtime.phantom.priors import PRIOR_SEEDS, write_priors
from model_runtime.phantom.splits import split_of

_MOST_BYTES = 15e6
_WANTED = 1000
_VECTOR_BYTES = 256 * 2 + 64
"""Of a case in ``embeddings.npz``: its vector in half precision, and its name."""


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    assert len(list(write_priors(folder, PRIOR_SEEDS[:8]))) == 8
    return folder


@pytest.fixture(scope="module")
def look() -> Look:
    """A patient with a large nodule on the left and fluid on the right."""
    findings = (
        Finding("nodule", "left upper lobe", 30),
        Finding("pleural effusion", "right", degree="large"),
    )
    return Look.at(Case(7, Region.CHEST, "male", 60, "arterial", 1.0, 1.0, 1.0, findings))


def test_there_are_more_than_a_thousand_of_a_split_of_their_own() -> None:
    assert len(PRIOR_SEEDS) > 1.04 * _WANTED
    assert {split_of(seed) for seed in (PRIOR_SEEDS[0], PRIOR_SEEDS[-1])} == {"priors"}


def test_a_thousand_cases_keep_within_fifteen_megabytes(eight: Path) -> None:
    size = sum(path.stat().st_size for path in eight.iterdir())
    assert (size / 8 + _VECTOR_BYTES) * len(PRIOR_SEEDS) < _MOST_BYTES


def test_the_listing_tells_what_is_read_of_it(eight: Path) -> None:
    listing = json.loads((eight / "cases.json").read_text(encoding="utf-8"))
    assert listing["notice"].startswith("Synthetic phantoms")
    sheet = imagecodecs.png_decode((eight / "thumbnails.png").read_bytes())
    pixels = listing["thumbnails"]["pixels"]
    assert sheet.shape == (pixels, listing["thumbnails"]["columns"] * pixels)
    wanted = {"id", "seed", "age", "sex", "date", "region", "phase", "findings", "report"}
    assert all(set(told) == wanted for told in listing["cases"])
    lines = (eight / "cases.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(listing["cases"]) + 2


def test_two_processes_write_what_one_does(eight: Path, tmp_path: Path) -> None:
    words = ["priors", str(tmp_path), "--seeds", f"{PRIOR_SEEDS[0]}:{PRIOR_SEEDS[8]}"]
    assert main([*words, "--processes", "2"]) == 0
    for name in ("cases.json", "thumbnails.png"):
        assert (tmp_path / name).read_bytes() == (eight / name).read_bytes()


def test_pictures_go_through_the_first_finding(look: Look) -> None:
    nodule = look.shown[0]
    z, y, x = look.centre
    assert nodule[z].any()
    assert nodule[:, y].any()
    assert nodule[:, :, x].any()
    for plane in PLANES:
        assert look.picture(plane, 128).shape == (128, 128)


def test_pictures_keep_sides(look: Look) -> None:
    """The patient's right is on the left of a picture, or the front; the head is up."""
    row, column = _outlines(look, 0, "axial")
    assert column > 70
    fluid_row, fluid_column = _outlines(look, 1, "axial")
    assert fluid_column < 58
    assert fluid_row > row
    row, column = _outlines(look, 0, "coronal")
    assert column > 70
    assert row < 64
    assert _outlines(look, 0, "sagittal")[0] < 64


def _outlines(look: Look, finding: int, plane: str) -> tuple[float, float]:
    """Find the middle (row, column) of a finding's outline in the plane through the first."""
    one = replace(look, shown=look.shown[[0, finding]])
    both, first = (
        (chosen.outlined(plane, 128) != chosen.picture(plane, 128)[..., None]).any(axis=2)
        for chosen in (one, replace(look, shown=look.shown[:1]))
    )
    row, column = np.argwhere(both & ~first if finding else first).mean(axis=0)
    return float(row), float(column)


def test_outlines_surround_the_finding_and_leave_it_visible(look: Look) -> None:
    grey, coloured = look.picture("axial", 128), look.outlined("axial", 128)
    drawn = (coloured != grey[..., None]).any(axis=2)
    assert drawn.sum() > 20
    assert not np.array_equal(coloured[drawn][0], np.repeat(grey[drawn][0], 3))
    filled = look.shown[:, look.centre[0]].any(axis=0).mean()
    assert drawn.mean() < max(0.08, filled)
    np.testing.assert_array_equal(coloured[~drawn], np.repeat(grey[~drawn][:, None], 3, axis=1))


def test_the_gallery_has_three_planes_a_case_in_colours_on_request(tmp_path: Path) -> None:
    for words, shape in (((), (64, 384)), (("--masks", "--held-out"), (64, 384, 3))):
        out = tmp_path / "gallery.png"
        assert main(["gallery", str(out), "--seeds", "3:5", "--pixels", "64", *words]) == 0
        assert imagecodecs.png_decode(out.read_bytes()).shape == shape


def test_reports_are_those_of_the_cases(eight: Path) -> None:
    listing = json.loads((eight / "cases.json").read_text(encoding="utf-8"))
    for told in listing["cases"]:
        assert told["report"] == report_of(sample_case(told["seed"]))
