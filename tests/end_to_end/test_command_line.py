"""The same jobs without a window, as a user types them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from workstation.settings import RESOURCES

Program = Callable[..., subprocess.CompletedProcess[str]]
STUDY = RESOURCES / "studies" / "synthetic_chest"


def test_headless_does_the_whole_job(tomoscribe: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = tomoscribe("headless", out)
    assert done.returncode == 0, done.stderr
    report = (out / "report.md").read_text()
    assert "UNSIGNED DRAFT" in report
    assert "not for clinical use" in report.lower()
    assert "Findings" in report
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    answers = json.loads((out / "answers.json").read_text())["answers"]
    closed = [answer for answer in answers if answer["choices"]]
    for answer in closed:
        assert sum(c["probability"] for c in answer["choices"]) == pytest.approx(1, abs=0.01)
        assert answer["provenance"]["demonstration"] is True
    cases = json.loads((out / "similar.json").read_text())["cases"]
    assert [c["score"] for c in cases] == sorted((c["score"] for c in cases), reverse=True)
    for name in ("axial", "coronal", "sagittal", "3d"):
        assert np.ptp(np.asarray(Image.open(out / "views" / f"{name}.png"))) > 100


def test_draft_ask_and_similar_print_their_answer(tomoscribe: Program, tmp_path: Path) -> None:
    draft = tomoscribe("draft", STUDY)
    assert draft.returncode == 0, draft.stderr
    assert "Findings" in draft.stdout
    assert "not for clinical use" in draft.stderr
    assert "not there any more" not in draft.stderr
    # The demonstration model answers for a chosen one that is gone, and says so.
    store = tmp_path / "data" / "models"
    store.mkdir(parents=True)
    (store / "active.json").write_text('{"model": "mine"}', encoding="utf-8")
    asked = tomoscribe("ask", STUDY, "Is there nodule?", "--choice", "yes", "--choice", "no")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines()[0] in ("yes", "no")
    assert "%" in asked.stdout
    assert "not there any more" in asked.stderr
    found = tomoscribe("similar", "--text", "right lower lobe nodule", "--count", "3")
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 3


def test_selftest_passes(tomoscribe: Program) -> None:
    done = tomoscribe("selftest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


def test_export_needs_a_kept_report(tomoscribe: Program) -> None:
    done = tomoscribe("export", STUDY)
    assert done.returncode == 1
    assert "No report has been kept" in done.stderr


def test_no_display_is_said_with_what_to_do(tomoscribe: Program) -> None:
    done = tomoscribe("open")
    assert done.returncode == 1
    assert "headless" in done.stderr
    assert "Traceback" not in done.stderr


def _mr(folder: Path) -> Path:
    image = sitk.GetImageFromArray(np.full((20, 32, 32), 500, np.int16))
    sitk.WriteImage(image, str(folder / "mr.nrrd"))
    return folder / "mr.nrrd"


def _empty(folder: Path) -> Path:
    (folder / "empty.dcm").touch()
    return folder / "empty.dcm"


def _missing(folder: Path) -> Path:
    return folder / "nowhere"


def _truncated(folder: Path) -> Path:
    source = sorted(STUDY.glob("*.dcm"))[0].read_bytes()
    (folder / "cut.dcm").write_bytes(source[:3000])
    return folder / "cut.dcm"


@pytest.mark.parametrize("make", [_mr, _empty, _missing, _truncated])
def test_bad_input_is_a_sentence_and_a_status(
    tomoscribe: Program, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    done = tomoscribe("draft", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "tomoscribe: " in done.stderr


@pytest.mark.parametrize(
    ("variable", "said"),
    [("TOMOSCRIBE_MODEL_FOLDER", "model folder"), ("TOMOSCRIBE_PRIOR_CASES", "prior cases")],
)
def test_missing_weights_and_index(
    tomoscribe: Program, tmp_path: Path, variable: str, said: str
) -> None:
    done = tomoscribe("similar", "--text", "nodule", **{variable: str(tmp_path / "none")})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written(tomoscribe: Program, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = tomoscribe("headless", tmp_path / "file" / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["example_ct.nii.gz", "abdomen_j2k_dicom"])
def test_real_scans_run(tomoscribe: Program, shared_data: Path, name: str) -> None:
    done = tomoscribe("draft", shared_data / name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if name == "abdomen_j2k_dicom":
        assert "20 slices" in done.stderr


@pytest.mark.real_data
def test_a_tilted_head_is_told(tomoscribe: Program, shared_data: Path) -> None:
    done = tomoscribe("draft", shared_data / "head_tilted_variable_spacing")
    assert done.returncode == 0, done.stderr
    assert "tilt" in done.stderr


def test_deidentify_writes_a_readable_copy(tomoscribe: Program, tmp_path: Path) -> None:
    done = tomoscribe("deidentify", STUDY, tmp_path / "out", "--keep-dates-shifted")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(list((tmp_path / "out").rglob("*.dcm"))) > 10
    assert "0 set apart" in done.stderr
    again = tomoscribe("deidentify", STUDY, tmp_path / "out")
    assert again.returncode == 1
    assert "not an empty folder" in again.stderr
