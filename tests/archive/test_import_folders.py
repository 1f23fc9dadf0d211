"""Folders of real DICOM into the archive, and the commands that do it."""

from __future__ import annotations

import argparse
import threading
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from tests.archive.series_files import NAME
from workstation import archive_commands
from workstation.archive import checking, studies
from workstation.archive.archive import open_archive
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import CancelledError, InputError, StorageError, TomoscribeError
from workstation.importing import import_paths
from workstation.io.index import survey
from workstation.io.pool import WorkerPool
from workstation.settings import Settings


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(1) as running:
        yield running


@pytest.fixture
def archive(tmp_path):
    archive = open_archive(tmp_path / "data" / "reports.db", tmp_path / "data" / "files", "A")
    yield archive
    archive.close()


def write_slice(*args, **more):
    """Write a CT slice; also one whose identifiers are illegal."""
    with pydicom.config.disable_value_validation():
        _write_slice(*args, **more)


def _write_slice(path, number, study="1.2.3", series="1.2.3.4", uid=None, name=NAME, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    slice_ = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.SOPClassUID = CTImageStorage
    slice_.SOPInstanceUID = f"1.2.3.4.{number}" if uid is None else uid
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
    slice_.PatientName, slice_.PatientID, slice_.Modality = name, "P-1", "CT"
    slice_.StudyDate, slice_.StudyDescription, slice_.AccessionNumber = "20260203", "Chest", "A-9"
    slice_.SeriesNumber, slice_.InstanceNumber = 2, number
    slice_.ImagePositionPatient, slice_.PixelSpacing = [0, 0, number], [1, 1]
    slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_.Rows = slice_.Columns = 4
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 1, 1
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.PixelData = np.full((4, 4), number, np.int16).tobytes()
    for key, value in more.items():
        setattr(slice_, key, value)
    slice_.save_as(path, enforce_file_format=True)


def _import(archive, pool, *paths, **more):
    return import_paths(archive, paths, threading.Event(), pool, **more)


def _rows(archive, words=""):
    return search(archive.database, WorklistQuery(words)).rows


def test_a_folder_is_imported_and_read_back(archive, pool, tmp_path):
    for number in range(5):
        write_slice(tmp_path / "in" / f"{9 - number}.dcm", number)
    (tmp_path / "in" / "notes.txt").write_text("no scan")
    (tmp_path / "in" / "empty.dcm").touch()
    told = []
    added = _import(archive, pool, tmp_path / "in", told=lambda *each: told.append(each))
    assert (added.files, added.conflicts, added.illegal, len(added.skipped)) == (5, 0, 0, 2)
    assert told == [(1, 1)]
    (row,) = _rows(archive, "zyx a-9 chest")
    assert (row.date, row.modalities, row.file_count) == ("2026-02-03", "CT", 5)
    (series,) = studies.series_of(archive, row.id)
    assert [pydicom.dcmread(path).InstanceNumber for path in series.files] == list(range(5))
    again = survey(series.files, threading.Event(), pool)
    assert [one.study_key for one in again.series] == [row.study_key]
    assert again.series[0].count == 5
    assert _import(archive, pool, tmp_path / "in").duplicates == 5


def test_illegal_and_doubled_identifiers_of_real_files(archive, pool, tmp_path):
    uuid = "6f1c1f5e-3c2e-4a1b-9f3e-0d7c1b2a3f4d"
    for number in range(3):
        path = tmp_path / "in" / f"{number}.dcm"
        write_slice(path, number, study=uuid, series=f"{uuid}-2", uid="")
    for number in range(2):
        write_slice(tmp_path / "in" / f"d{number}.dcm", number, series="1.9", uid="1.2.77")
    (tmp_path / "in" / "copy.dcm").write_bytes((tmp_path / "in" / "0.dcm").read_bytes())
    added = _import(archive, pool, tmp_path / "in")
    assert (added.files, added.illegal, added.conflicts, added.duplicates) == (5, 3, 1, 1)
    assert sum(row.file_count for row in _rows(archive)) == 5
    assert checking.check(archive).faults == ()


def test_mixed_patients_are_never_one_study(archive, pool, tmp_path):
    write_slice(tmp_path / "in" / "0.dcm", 0)
    write_slice(tmp_path / "in" / "1.dcm", 1, name="Other^Person")
    added = _import(archive, pool, tmp_path / "in")
    assert len(_rows(archive)) == 2
    assert any("another patient" in one for one in added.notices)


def test_by_reference_only_what_came_out_of_a_zip_is_copied(archive, pool, tmp_path):
    folder = tmp_path / "in"
    write_slice(folder / "0.dcm", 0)
    write_slice(tmp_path / "z.dcm", 1, series="1.8")
    with zipfile.ZipFile(folder / "more.zip", "w") as file:
        file.write(tmp_path / "z.dcm", "../../z.dcm")
        file.write(tmp_path / "z.dcm", "z.dcm")
    added = _import(archive, pool, folder, copy=False)
    assert added.files == 2
    (row,) = _rows(archive)
    files = [path for series in studies.series_of(archive, row.id) for path in series.files]
    assert folder / "0.dcm" in files
    assert len(list(archive.store.contents())) == 1


def test_volume_files_keep_their_kind(archive, pool, tmp_path):
    image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16))
    (tmp_path / "in").mkdir()
    for name in ("a.nii.gz", "b.mhd"):
        sitk.WriteImage(image, str(tmp_path / "in" / name))
    added = _import(archive, pool, tmp_path / "in")
    assert added.files == 1
    assert any("by reference" in reason for _, reason in added.skipped)
    (row,) = _rows(archive)
    (path,) = studies.series_of(archive, row.id)[0].files
    assert path.name.endswith(".nii.gz")
    assert sitk.ReadImage(str(path)).GetSize() == (5, 4, 3)


def test_an_import_that_is_cancelled_keeps_whole_series(archive, pool, tmp_path):
    for number in range(6):
        write_slice(tmp_path / "in" / f"{number}.dcm", number, series=f"1.2.{number // 2}")
    cancelled = threading.Event()
    with pytest.raises(CancelledError, match="1 series"):
        import_paths(archive, [tmp_path / "in"], cancelled, pool, told=lambda *_: cancelled.set())
    (row,) = _rows(archive)
    assert row.file_count == 2
    added = _import(archive, pool, tmp_path / "in")
    assert (added.files, added.duplicates) == (4, 2)


def test_nothing_to_import_is_said(archive, pool, tmp_path):
    with pytest.raises(InputError, match="No scan was found"):
        _import(archive, pool, tmp_path / "nowhere")


@pytest.fixture
def command(tmp_path, pool, capsys):
    """Type ``tomoscribe archive ...``; what it wrote, and its warnings."""
    parser = argparse.ArgumentParser()
    archive_commands.add_parser(parser.add_subparsers(dest="command"))
    settings = Settings(data_folder=tmp_path / "data", author="Dr. Test")

    def run(*typed):
        given = parser.parse_args(["archive", *map(str, typed)])
        archive_commands.run_archive_command(given, settings, threading.Event(), pool)
        written = capsys.readouterr()
        return written.out, written.err

    return run


def test_the_commands(command, tmp_path):
    for number in range(3):
        write_slice(tmp_path / "in" / f"{number}.dcm", number)
    (tmp_path / "in" / "notes.txt").write_text("no scan")
    out, err = command("import", "--copy", tmp_path / "in")
    assert out == "3 files added to 1 studies, 0 there already, 1 skipped\n"
    assert "notes.txt" in err
    assert "P-1" in command("list")[0]
    for typed in (["zyx", "chest"], ["--date", "2026-02"], ["--date", "2025..2026-02-03"],
                  ["--modality", "CT"], ["--status", "unread"], ["--count", "1"]):  # fmt: skip
        assert "2026-02-03  CT  unread" in command("list", *typed)[0]
    for typed in (["nobody"], ["--date", "2025"], ["--date", "2026-02-04.."],
                  ["--modality", "MR"], ["--status", "signed"]):  # fmt: skip
        assert command("list", *typed) == ("", "")
    assert "is deleted" in command("delete", 1)[0]
    assert command("list")[0] == ""
    assert "P-1" in command("list", "--deleted")[0]
    assert "is back" in command("undo", 1)[0]
    assert "1 studies, 3 files" in command("verify", "--sweep")[0]
    assert "backup-" in command("backup")[0]
    assert command("import", "--reference", tmp_path / "in")[0].startswith("0 files added")


def test_commands_that_cannot_be_done_are_said(command, tmp_path):
    write_slice(tmp_path / "in" / "0.dcm", 0)
    command("import", tmp_path / "in")
    for typed in (["list", "--date", "yesterday"], ["delete", 9], ["undo", 1]):
        with pytest.raises(TomoscribeError):
            command(*typed)
    (path,) = (tmp_path / "data" / "files").glob("??/??/*")
    path.write_bytes(b"changed")
    with pytest.raises(StorageError, match="1 faults"):
        command("verify")
