"""The audit trail names the first row that does not fit, and deleting can be undone for a day."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tests.archive.series_files import a_series, typed, write_files
from workstation.archive import audit_trail, checking, studies, trash
from workstation.archive.intake import add_series
from workstation.archive.report_archive import ReportArchive
from workstation.archive.schema import audit, patient, stored_file
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import ConflictError, InputError


@pytest.fixture
def trail(kept):
    """An archive with ten audit rows of different kinds."""
    with kept.database.transaction(writing=True) as connection:
        for number in range(9):
            audit_trail.append(connection, "Dr. Ä", f"did {number}", f"k{number}", {"n": number})
    return kept


def _check(archive):
    with archive.database.transaction() as connection:
        return audit_trail.verify(connection)


def _spoil(archive, statement):
    with archive.database.transaction(writing=True) as connection:
        connection.execute(statement)


def test_a_whole_trail_is_sound(trail):
    assert _check(trail) == audit_trail.AuditCheck(10)


@pytest.mark.parametrize("column", ["actor", "action", "subject", "details", "written_utc"])
def test_a_changed_row_is_named(trail, column):
    for number in (10, 6, 1):
        _spoil(trail, sa.update(audit).where(audit.c.number == number).values({column: "x"}))
        found = _check(trail)
        assert (found.broken, found.reason) == (number, "it was changed")


def test_a_row_made_to_fit_breaks_the_next(trail):
    with trail.database.transaction() as connection:
        row = connection.execute(sa.select(audit).where(audit.c.number == 4)).one()._asdict()
    row["actor"] = "nobody"
    row["hash"] = audit_trail._hash(row)
    _spoil(trail, sa.update(audit).where(audit.c.number == 4).values(**row))
    assert _check(trail).broken == 5


def test_a_removed_row_is_named(trail):
    _spoil(trail, sa.delete(audit).where(audit.c.number == 7))
    assert _check(trail).broken == 7
    _spoil(trail, sa.delete(audit).where(audit.c.number == 1))
    assert _check(trail).broken == 1


def test_a_cut_off_end_is_named(trail):
    _spoil(trail, sa.delete(audit).where(audit.c.number > 8))
    found = _check(trail)
    assert (found.broken, found.reason) == (9, "rows are missing at the end")
    assert "broken at row 9" in checking.check(trail).faults[0]


def test_what_is_done_stands_in_the_trail(kept, address, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a")))
    (row,) = search(kept.database, WorklistQuery()).rows
    studies.set_status(kept, row.id, row.version, "signed")
    trash.delete(kept, row.id, row.version + 1)
    trash.undo(kept, row.id, row.version + 2)
    window = ReportArchive(address)
    window.save("k1", typed("T"), "Dr. B")
    window.close()
    with kept.database.transaction() as connection:
        rows = connection.execute(sa.select(audit).order_by(audit.c.number)).all()
    assert [(one.actor, one.action) for one in rows] == [
        ("", "archive made"),
        ("Dr. Test", "imported"),
        ("Dr. Test", "status changed"),
        ("Dr. Test", "study deleted"),
        ("Dr. Test", "deletion undone"),
        ("Dr. B", "report saved"),
    ]
    assert {one.subject for one in rows} == {"archive", "k1"}
    assert _check(kept).broken is None


@pytest.fixture
def two(kept, tmp_path):
    """Two studies of one patient."""
    add_series(kept, a_series(write_files(tmp_path / "a", "a", "b"), "k1"))
    add_series(kept, a_series(write_files(tmp_path / "b", "c"), "k2", uid="1.2.10"))
    return kept


def _deleted(archive, key="k1"):
    rows = search(archive.database, WorklistQuery()).rows
    (row,) = (one for one in rows if one.study_key == key)
    trash.delete(archive, row.id, row.version)
    return studies.find(archive, row.id)


def test_deleting_is_undone_within_a_day(two):
    row = _deleted(two)
    assert len(search(two.database, WorklistQuery()).rows) == 1
    assert trash.purge(two, datetime.now(UTC) + timedelta(hours=23, minutes=59)) == 0
    trash.undo(two, row.id, row.version)
    assert len(search(two.database, WorklistQuery()).rows) == 2
    assert trash.purge(two, datetime.now(UTC) + timedelta(days=9)) == 0
    with pytest.raises(InputError, match="not deleted"):
        trash.undo(two, row.id, row.version + 1)


def test_after_a_day_it_is_purged_but_for_its_reports(two, address, tmp_path):
    window = ReportArchive(address)
    window.save("k1", typed("Kept for ever."), "A")
    row = _deleted(two)
    later = datetime.now(UTC) + timedelta(days=1, minutes=1)
    assert trash.purge(two, later) == 1
    assert trash.purge(two, later) == 0
    with pytest.raises(ConflictError):
        trash.undo(two, row.id, row.version)
    with pytest.raises(InputError, match="no study"):
        studies.find(two, row.id)
    sound = checking.check(two)
    assert (sound.studies, sound.files, sound.faults, sound.orphans) == (1, 1, (), 0)
    assert len(list(two.store.contents())) == 1
    assert window.latest("k1").report.text == "Kept for ever."
    window.close()
    again = a_series(write_files(tmp_path / "c", "a"), "k1")
    assert add_series(two, again).files == 1
    assert search(two.database, WorklistQuery()).rows[0].id != row.id, "no number is used twice"


def test_the_last_study_of_a_patient_takes_the_patient_along(two):
    _deleted(two, "k1")
    _deleted(two, "k2")
    trash.purge(two, datetime.now(UTC) + timedelta(days=2))
    with two.database.transaction() as connection:
        for table in (patient, stored_file):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_referenced_files_are_never_removed(kept, tmp_path):
    (path,) = write_files(tmp_path / "in", "a")
    add_series(kept, a_series([path], copy=False))
    _deleted(kept)
    assert trash.purge(kept, datetime.now(UTC) + timedelta(days=2)) == 1
    assert path.read_text() == "a"


def test_importing_a_deleted_study_brings_it_back(two, tmp_path):
    _deleted(two)
    added = add_series(two, a_series(write_files(tmp_path / "c", "b"), "k1"))
    assert (added.restored, added.files, added.duplicates) == (1, 0, 1)
    assert len(search(two.database, WorklistQuery()).rows) == 2


def test_deleting_what_another_window_changed_is_refused(two):
    (row, _) = search(two.database, WorklistQuery()).rows
    studies.set_status(two, row.id, row.version, "signed")
    with pytest.raises(ConflictError):
        trash.delete(two, row.id, row.version)
    trash.delete(two, row.id, row.version + 1)
    with pytest.raises(InputError, match="deleted already"):
        trash.delete(two, row.id, row.version + 2)


def test_files_of_nothing_are_swept_after_a_day(two, tmp_path):
    (stray,) = write_files(tmp_path / "stray", "of nothing")
    path = two.store.path(two.store.put(stray).sha256)
    assert checking.check(two).orphans == 1
    assert trash.sweep(two) == 0, "an import may be under way"
    os.utime(path, (1, 1))
    cut_off = two.store.folder / "incoming" / "tmpabc"
    cut_off.write_text("half")
    os.utime(cut_off, (1, 1))
    assert trash.sweep(two) == 2
    assert not path.exists()
    assert checking.check(two).faults == ()


def test_a_changed_and_a_lost_copy_are_named(two):
    first, second, _ = sorted(path for _, path in two.store.contents())
    first.write_text("z")
    second.unlink()
    faults = checking.check(two).faults
    assert len(faults) == 2
    assert f"{first} was changed" in "".join(faults)
    assert str(second) in "".join(faults)
