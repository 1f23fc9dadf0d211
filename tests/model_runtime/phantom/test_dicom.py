"""A written study is read back by others with exact geometry and HU."""

from __future__ import annotations

import json

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK

from model_runtime.api import Region
from model_runtime.phantom.__main__ import STUDY_SEED, main
from model_runtime.phantom.case import Case, Finding, sample_case
from model_runtime.phantom.dicom import SYNTHETIC, within_field, write_study
from model_runtime.phantom.language import report
from model_runtime.phantom.preview import grey, hidden, sheet, thumbnail
from model_runtime.phantom.priors import write_priors
from model_runtime.phantom.render import acquire, render

SHAPE = (12, 64, 64)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    case = sample_case(STUDY_SEED)
    return case, write_study(case, tmp_path_factory.mktemp("study"), SHAPE)


def test_simpleitk_reads_back_the_same_volume(study):
    case, files = study
    voxels, matrix = render(case, SHAPE)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(files[0].parent)))
    image = reader.Execute()
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), within_field(voxels))
    np.testing.assert_allclose(image.GetOrigin(), matrix[:3, 3], atol=1e-5)
    np.testing.assert_allclose(image.GetSpacing(), np.diag(matrix)[:3], atol=1e-5)
    np.testing.assert_array_equal(image.GetDirection(), np.eye(3).ravel())


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_left_is_left_in_every_plane(plane, tmp_path):
    """Fluid on the patient's left lies at positive x, as others read the series."""
    fluid = Finding("pleural effusion", "left", degree="large")
    case = Case(
        5, Region.CHEST, "male", 60, "arterial", 1.0, 1.0, 1.0, (fluid,), plane, thickness=8.0
    )
    files = write_study(case, tmp_path, (24, 48, 48))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    expected, matrix = acquire(case, (24, 48, 48))
    read = SimpleITK.GetArrayFromImage(image)
    np.testing.assert_array_equal(read, within_field(expected) if plane == "axial" else expected)
    for index in ((0, 0, 0), (47, 3, 9), (5, 40, 23)):
        place = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(place, (matrix @ (*index, 1))[:3], atol=1e-4)
    lungs = {
        side: np.mean(
            [
                image.GetPixel(image.TransformPhysicalPointToIndex((sign * 70.0, 0.0, float(z))))
                for z in range(-60, 30, 10)
            ]
        )
        for side, sign in (("right", -1), ("left", 1))
    }
    assert lungs["right"] < lungs["left"] - 250
    header = pydicom.dcmread(files[0], stop_before_pixels=True)
    assert header.SliceThickness == pytest.approx(max(8.0, image.GetSpacing()[2]))
    assert header.SpacingBetweenSlices == pytest.approx(image.GetSpacing()[2], abs=1e-4)


def test_every_slice_says_that_it_is_synthetic(study):
    _, files = study
    for file in files:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        assert header.PatientName == "SYNTHETIC^CHEST PHANTOM"
        assert header.PatientID.startswith("SYNTHETIC-")
        assert "SYNTHETIC" in header.SeriesDescription
        assert header.ImageComments == SYNTHETIC
        assert header.SyntheticData == "YES"


def test_identifiers_are_valid_and_belong_together(study):
    _, files = study
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    assert len({h.SOPInstanceUID for h in headers}) == len(files)
    for key in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert len({h[key].value for h in headers}) == 1
        assert headers[0][key].value.is_valid
    assert all(h.SOPInstanceUID.is_valid for h in headers)
    assert all(h.SOPInstanceUID == h.file_meta.MediaStorageSOPInstanceUID for h in headers)
    assert [h.InstanceNumber for h in headers] == list(range(1, len(files) + 1))
    assert np.all(np.diff([h.ImagePositionPatient[2] for h in headers]) < 0)


def test_writing_again_gives_the_same_bytes(study, tmp_path):
    case, files = study
    for first, second in zip(files, write_study(case, tmp_path, SHAPE), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_folder_with_files_is_refused_and_kept(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("kept")
    assert main(["study", str(tmp_path), "--shape", "8,32,32"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("seeds", ["5", "9:3", "a:b", "-4:2"])
def test_a_wrong_seed_range_is_told(seeds, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["priors", str(tmp_path), f"--seeds={seeds}"])
    assert stopped.value.code == 2
    assert "seed range" in capsys.readouterr().err


def test_the_bundled_study_is_whole_and_small(repository):
    files = sorted((repository / "resources" / "studies" / "synthetic_chest").glob("*.dcm"))
    assert 100 <= len(files) <= 120
    assert sum(file.stat().st_size for file in files) <= 8e6
    for file in files:
        header = pydicom.dcmread(file, stop_before_pixels=True)
        assert header.ImageComments == SYNTHETIC
        assert header.Rows >= 320
    middle = pydicom.dcmread(files[50])
    voxels, _ = render(sample_case(STUDY_SEED), (len(files), header.Rows, header.Columns))
    hu = middle.pixel_array.astype(int) + int(middle.RescaleIntercept)
    np.testing.assert_array_equal(hu, within_field(voxels)[::-1][50])


def test_priors_are_listed_with_their_pictures(tmp_path):
    assert main(["priors", str(tmp_path), "--seeds", "300000:300003"]) == 0
    listing = json.loads((tmp_path / "cases.json").read_text(encoding="utf-8"))
    pictures = imagecodecs.png_decode((tmp_path / "thumbnails.png").read_bytes())
    for place, told in enumerate(listing["cases"]):
        case = sample_case(told["seed"])
        assert told["report"] == report(case, np.random.default_rng(case.seed))
        part = pictures[:96, 96 * place : 96 * (place + 1)]
        np.testing.assert_array_equal(part, thumbnail(case))
        assert part.std() > 20


def test_a_prior_case_that_hides_a_finding_is_left_out(tmp_path, monkeypatch):
    swallowed = Finding("nodule", "right lower lobe", 10)
    mass = Finding("mass", "right lower lobe", 60)
    case = Case(5, Region.CHEST, "male", 60, "arterial", 1.0, 1.0, 1.0, (swallowed, mass))
    assert hidden(case) == (swallowed,)
    monkeypatch.setattr(
        "model_runtime.phantom.priors.sample_case",
        lambda seed: case if seed == 300_034 else sample_case(seed),
    )
    assert [told.seed for told in write_priors(tmp_path, range(300_033, 300_036))] == [
        300_033,
        300_035,
    ]
    listing = json.loads((tmp_path / "cases.json").read_text(encoding="utf-8"))
    assert len(listing["cases"]) == 2


def test_cases_and_gallery_are_written(tmp_path):
    assert main(["cases", str(tmp_path), "--seeds", "0:2", "--shape", "16,32,32"]) == 0
    with np.load(tmp_path / "case000001.npz") as file:
        expected, matrix = render(sample_case(1), (16, 32, 32), body_only=True)
        np.testing.assert_array_equal(file["voxels"], expected)
        np.testing.assert_array_equal(file["index_to_lps"], matrix)
    assert main(["gallery", str(tmp_path / "sheet.png"), "--seeds", "0:2"]) == 0
    assert imagecodecs.png_decode((tmp_path / "sheet.png").read_bytes()).shape == (256, 1536)


def test_sheet_and_grey_keep_order_and_range():
    window = type("Window", (), {"low": 0.0, "high": 100.0})()
    assert grey(np.array([[-5, 0, 50, 200]], np.int16), window).tolist() == [[0, 0, 128, 255]]
    pictures = [np.full((2, 2), value, np.uint8) for value in (1, 2, 3)]
    assert sheet(pictures, 2).tolist() == [[1, 1, 2, 2]] * 2 + [[3, 3, 0, 0]] * 2
