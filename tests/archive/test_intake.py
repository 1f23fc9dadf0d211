"""Importing: by copy or by reference, duplicates, conflicts, names that are no names."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.series_files import NAME, a_series, child, typed, write_files
from workstation.archive import checking, studies
from workstation.archive.archive import open_archive
from workstation.archive.file_store import FileStore
from workstation.archive.intake import add_series, is_legal_uid
from workstation.archive.report_archive import ReportArchive
from workstation.archive.schema import instance, patient, series
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import StorageError
from workstation.core.study import Patient


def _rows(archive, **more):
    return search(archive.database, WorklistQuery(**more)).rows


def _count(archive, table):
    with archive.database.transaction() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


def _sound(archive):
    sound = checking.check(archive)
    assert sound.faults == ()
    return sound


def test_a_series_is_kept_by_copy(kept, tmp_path):
    paths = write_files(tmp_path / "in", "a", "b", "c")
    added = add_series(kept, a_series(paths))
    assert (added.files, added.duplicates, added.conflicts, added.illegal) == (3, 0, 0, 0)
    for path in paths:
        path.unlink()
    (row,) = _rows(kept)
    assert (row.name, row.identity, row.date) == (NAME, "P-0012", "2026-02-03")
    assert (row.modalities, row.status, row.file_count) == ("CT", "unread", 3)
    (found,) = studies.series_of(kept, row.id)
    assert [path.read_text() for path in found.files] == ["a", "b", "c"]
    assert _sound(kept).files == 3


def test_a_series_is_kept_by_reference(kept, tmp_path):
    paths = write_files(tmp_path / "in", "a", "b")
    add_series(kept, a_series(paths, copy=False))
    (row,) = _rows(kept)
    assert studies.series_of(kept, row.id)[0].files == tuple(paths)
    assert not kept.store.folder.exists()
    paths[0].write_text("changed")
    paths[1].unlink()
    first, second = checking.check(kept).faults
    assert {"was changed" in first, "was changed" in second} == {True, False}
    assert "cannot be read" in first + second


def test_a_reference_follows_a_moved_file_and_becomes_a_copy(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a"), copy=False))
    (tmp_path / "in").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "0.dcm"
    assert add_series(kept, a_series([moved], copy=False)).duplicates == 1
    (row,) = _rows(kept)
    assert studies.series_of(kept, row.id)[0].files == (moved,)
    assert add_series(kept, a_series([moved])).duplicates == 1
    moved.unlink()
    assert studies.series_of(kept, row.id)[0].files[0].read_text() == "a"
    _sound(kept)


def test_the_same_content_is_kept_once(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a", "b")))
    again = write_files(tmp_path / "again", "b", "c", "c", "a")
    added = add_series(kept, a_series(again))
    assert (added.files, added.duplicates) == (1, 3)
    assert _count(kept, instance) == 3
    assert _count(kept, series) == 1
    assert _rows(kept)[0].file_count == 3


def test_other_content_under_the_same_identifier_is_kept_and_told(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a"), uids=["1.2.5"]))
    other = a_series(write_files(tmp_path / "other", "b", "c"), uids=["1.2.5", "1.2.5"])
    added = add_series(kept, other)
    assert (added.files, added.conflicts) == (2, 2)
    with kept.database.transaction() as connection:
        found = connection.scalars(sa.select(instance.c.conflict).order_by(instance.c.id))
        assert list(found) == [0, 1, 1]
    _sound(kept)


def test_one_study_identifier_of_two_patients_is_two_studies(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a"), key="k1", study_uid="1.2.3"))
    other = Patient("Other^Person", "P-2", "19700101", "", "M")
    added = add_series(
        kept,
        a_series(write_files(tmp_path / "b", "b"), "k2", patient=other, study_uid="1.2.3"),
    )
    assert len(_rows(kept)) == 2
    assert _count(kept, patient) == 2
    assert len(added.notices) == 2, "the study's and the series'"
    assert all("both are kept" in one for one in added.notices)
    assert not any("Other" in one for one in added.notices)


def test_two_studies_of_a_patient_are_of_one_patient(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "a", "a"), "k1"))
    add_series(kept, a_series(write_files(tmp_path / "b", "b"), "k2", uid="1.2.10"))
    assert _count(kept, patient) == 1


ILLEGAL = ["", "123e4567-e89b-12d3-a456-426614174000", "../../../etc/passwd", "/etc/passwd",
           "1.2\0.3", "9" * 300, "1.02.3", "1..2", "\udcff", "'; DROP TABLE study; --"]  # fmt: skip


def test_illegal_identifiers_are_kept_by_content(kept, tmp_path):
    paths = write_files(tmp_path / "in", *(f"content {n}" for n in range(len(ILLEGAL))))
    for number, (path, uid) in enumerate(zip(paths, ILLEGAL, strict=True)):
        new = a_series([path], f"k{number}", uids=[uid], study_uid=uid, uid=uid, accession=uid)
        added = add_series(kept, new)
        assert (added.files, added.illegal, added.conflicts) == (1, 1, 0)
        assert add_series(kept, new).duplicates == 1
    assert len(_rows(kept)) == len(ILLEGAL)
    assert _sound(kept).files == len(ILLEGAL)
    assert {path.parent.parent.parent for _, path in kept.store.contents()} == {kept.store.folder}


def test_files_without_identifiers_are_no_conflict(kept, tmp_path):
    new = a_series(write_files(tmp_path / "in", "a", "b"), uids=["", ""], uid="", study_uid="")
    added = add_series(kept, new)
    assert (added.files, added.conflicts, added.illegal) == (2, 0, 2)
    more = a_series(write_files(tmp_path / "c", "c"), uids=[""], uid="", study_uid="")
    add_series(kept, more)
    assert _count(kept, series) == 1, "the same series by what its header says"


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=6))
def test_numbers_and_dots_are_a_legal_identifier(parts):
    uid = ".".join(map(str, parts))
    assert is_legal_uid(uid) == (len(uid) <= 64)
    assert not is_legal_uid(f"{uid}.")
    assert not is_legal_uid(f"{uid}.00")


def test_a_file_that_cannot_be_read_is_left_out_and_named(kept, tmp_path):
    paths = write_files(tmp_path / "in", "a", "b")
    paths[0].unlink()
    added = add_series(kept, a_series(paths))
    assert added.files == 1
    ((path, reason),) = added.skipped
    assert path == paths[0]
    assert "cannot be read" in reason


def test_a_study_whose_report_was_begun_is_drafted(kept, address, tmp_path):
    window = ReportArchive(address)
    window.write_journal("k1", typed("T"))
    window.save("k2", typed("T"), "A")
    window.close()
    for key in ("k1", "k2", "k3"):
        add_series(kept, a_series(write_files(tmp_path / key, key), key, uid=f"1.2.{key[1]}"))
    assert {row.study_key: row.status for row in _rows(kept)} == {
        "k1": "drafted", "k2": "drafted", "k3": "unread",
    }  # fmt: skip


def test_a_large_series_is_imported(kept, tmp_path):
    paths = write_files(tmp_path / "in", *(f"{n}" for n in range(900)))
    new = a_series(paths, copy=False)
    assert add_series(kept, new).files == 900
    assert add_series(kept, new).duplicates == 900


_FULL = """
import resource, sys
from pathlib import Path
from tests.archive.series_files import a_series, write_files
from workstation.archive.archive import open_archive
from workstation.archive.intake import add_series
from workstation.core.errors import StorageError
folder = Path(sys.argv[1])
archive = open_archive(folder / "reports.db", folder / "files")
add_series(archive, a_series(write_files(folder / "a", "a"), "k1"))
paths = write_files(folder / "b", "small", b"x" * 900_000)
many = write_files(folder / "c", *(str(n) for n in range(3000)))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))
for new in (a_series(paths, "k2"), a_series(many, "k3", copy=False)):
    try:
        add_series(archive, new)
    except StorageError as error:
        print(error.message)
"""


def test_a_full_disk_leaves_the_archive_as_it_was(tmp_path):
    lines = child(_FULL, tmp_path).splitlines()
    assert len(lines) == 2
    assert "cannot be written" in lines[0]
    assert str(tmp_path / "reports.db") in lines[1]
    archive = open_archive(tmp_path / "reports.db", tmp_path / "files")
    assert [row.study_key for row in _rows(archive)] == ["k1"]
    assert _sound(archive).files == 1
    assert add_series(archive, a_series(write_files(tmp_path / "b", "x"), "k2")).files == 1


def test_a_file_that_a_purge_took_meanwhile_is_copied_again(kept, tmp_path, monkeypatch):
    real, calls = FileStore.put, []

    def put(store, source, suffix=""):
        content = real(store, source, suffix)
        if not calls:
            store.remove(content.sha256)
        calls.append(source)
        return content

    monkeypatch.setattr(FileStore, "put", put)
    assert add_series(kept, a_series(write_files(tmp_path / "in", "a"))).files == 1
    assert len(calls) == 2
    _sound(kept)


def test_names_are_in_no_log_and_no_fault(kept, tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    new = a_series(write_files(tmp_path / "in", "a"))
    add_series(kept, new)
    with kept.database.transaction(writing=True) as connection:
        connection.execute(sa.text("ALTER TABLE patient RENAME TO aside"))
    other = Patient(NAME, "P-3", "", "", "")
    with pytest.raises(StorageError) as told:
        add_series(kept, a_series(write_files(tmp_path / "b", "b"), "k2", patient=other))
    logging.getLogger("test").error("it failed", exc_info=told.value)
    assert "Zyxwvut" not in f"{told.value.message} {told.value.details}"
    assert "it failed" in caplog.text
    assert "Zyxwvut" not in caplog.text
    with kept.database.transaction() as connection:
        trail = connection.execute(sa.text("SELECT * FROM audit")).all()
    assert "Zyxwvut" not in str(trail)
