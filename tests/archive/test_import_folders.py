"""Folders of real DICOM into the archive, and the commands that do it."""

from __future__ import annotations

import argparse
import os
import threading
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from tests.archive.series_files import write_slice
from workstation import archive_commands
from workstation.archive import checking, studies
from workstation.archive.archive import open_archive
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import CancelledError, InputError, StorageError, TomoscribeError
from workstation.importing import import_paths, importing
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


def _slices(folder, numbers, **more):
    for number in numbers:
        write_slice(folder / f"{number}.dcm", number, **more)


def test_missing_slices_make_a_study_incomplete_until_they_come(archive, pool, tmp_path):
    _slices(tmp_path / "some", [0, 1, 2, 3, 4, 7, 8, 9])
    _import(archive, pool, tmp_path / "some")
    (row,) = _rows(archive)
    assert row.missing == 2
    found = search(archive.database, WorklistQuery(status="incomplete")).rows
    assert [one.id for one in found] == [row.id]
    _slices(tmp_path / "rest", [5, 6])
    _import(archive, pool, tmp_path / "rest")
    assert _rows(archive)[0].missing == 2, "a part alone cannot tell that the whole is there"
    _import(archive, pool, tmp_path / "some", tmp_path / "rest")
    assert _rows(archive)[0].missing == 0
    assert search(archive.database, WorklistQuery(status="incomplete")).rows == ()


def test_parts_that_are_one_series_to_dicom_are_counted_together(archive, pool, tmp_path):
    _slices(tmp_path / "in", range(5))
    _slices(tmp_path / "in", [20, 21, 23], ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    added = _import(archive, pool, tmp_path / "in")
    assert added.files == 8
    (row,) = _rows(archive)
    assert (row.series_count, row.file_count) == (1, 8)


def test_conflicting_identifiers_are_counted_and_found(archive, pool, tmp_path):
    _slices(tmp_path / "in", range(3), uid="1.2.77")
    _import(archive, pool, tmp_path / "in")
    (row,) = search(archive.database, WorklistQuery(status="conflicting")).rows
    assert row.conflicts == 2


def test_files_that_changed_since_are_named(archive, pool, tmp_path):
    _slices(tmp_path / "in", range(4))
    _import(archive, pool, tmp_path / "in", copy=False)
    (row,) = _rows(archive)
    assert studies.changed_files(archive, row.id) == ()
    os.utime(tmp_path / "in" / "0.dcm")
    assert studies.changed_files(archive, row.id) == (), "a new time alone is no change"
    content = bytearray((tmp_path / "in" / "1.dcm").read_bytes())
    content[-1] ^= 1
    (tmp_path / "in" / "1.dcm").write_bytes(content)
    (tmp_path / "in" / "2.dcm").unlink()
    changed = {path.name for path in studies.changed_files(archive, row.id)}
    assert changed == {"1.dcm", "2.dcm"}


def test_how_far_an_import_is_is_told_after_each_file(archive, pool, tmp_path):
    for series in range(3):
        _slices(tmp_path / "in" / str(series), range(4 * series, 4 * series + 4),
                series=f"1.2.3.{series}")  # fmt: skip
    steps = list(importing(archive, [tmp_path / "in"], threading.Event(), pool))
    keeping = [step for step in steps if step.series_total]
    assert [step.files for step in keeping] == sorted(step.files for step in keeping)
    assert (keeping[-1].files, keeping[-1].files_total, keeping[-1].series) == (12, 12, 3)
    assert len(keeping) == 12 + 3


def test_an_import_left_in_the_middle_of_a_series_leaves_none_of_it(archive, pool, tmp_path):
    _slices(tmp_path / "in", range(6))
    steps = importing(archive, [tmp_path / "in"], threading.Event(), pool)
    while next(steps).files_total < 6 or next(steps).files < 3:
        pass
    steps.close()
    assert _rows(archive) == ()
    assert _import(archive, pool, tmp_path / "in").files == 6
    assert checking.check(archive).faults == ()
