"""A series that was retrieved in part says so wherever its folder is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from workstation.archive import checking, studies
from workstation.archive.archive import Archive, open_archive
from workstation.archive.worklist import WorklistQuery, WorklistRow, search
from workstation.core.study import Severity
from workstation.importing import import_paths
from workstation.io.incomplete import MARK, Incomplete, mark, read_mark, unmark
from workstation.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Some slices of the bundled scan."""
    folder = tmp_path / "series"
    folder.mkdir()
    for path in sorted(Settings().study.rglob("*.dcm"))[:6]:
        pydicom.dcmread(path).save_as(folder / path.name)
    return folder


def test_the_scan_and_the_volume_bear_the_badge(folder, scanned, loaded):
    mark(folder, Incomplete(6, 30))
    found = scanned(folder)
    assert found.skipped == {}
    (series,) = found.series
    assert series.notices[0].badge == "INCOMPLETE 6 of 30"
    assert series.notices[0].severity is Severity.WARNING
    assert "INCOMPLETE 6 of 30" in [one.badge for one in loaded(series).notices]
    unmark(folder)
    unmark(folder)
    (series,) = scanned(folder).series
    assert "INCOMPLETE" not in "".join(one.badge for one in series.notices)


@pytest.mark.parametrize("content", ["", "[1]", '["a", null]', "{", "\x00", "[1, 2, 3]", "7" * 999])
def test_a_mark_that_cannot_be_read_is_one_all_the_same(folder, content):
    (folder / MARK).write_text(content)
    assert read_mark(folder) == Incomplete(0, None)


def _only(archive: Archive) -> WorklistRow:
    (row,) = search(archive.database, WorklistQuery()).rows
    return row


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = open_archive(tmp_path / "a.db", tmp_path / "files")
    yield archive
    archive.close()


def test_a_part_is_kept_as_incomplete_until_the_rest_comes(folder, archive, pool, never, tmp_path):
    (tmp_path / "late").mkdir()
    late = [path.rename(tmp_path / "late" / path.name) for path in sorted(folder.iterdir())[:2]]
    mark(folder, Incomplete(4, 6))
    added = import_paths(archive, [folder], never, pool)
    assert (added.files, added.skipped) == (4, [])
    assert added.notices == ["Only 4 of 6 images of a series are here; it is incomplete."]
    assert (_only(archive).file_count, _only(archive).missing) == (4, 2)
    assert search(archive.database, WorklistQuery(status="incomplete")).rows == (_only(archive),)
    import_paths(archive, [late[0]], never, pool)
    assert (_only(archive).file_count, _only(archive).missing) == (5, 1), "whoever brings the rest"
    unmark(folder)
    import_paths(archive, [folder], never, pool)
    assert _only(archive).missing == 1, "the same files again say nothing of the others"
    import_paths(archive, [late[1]], never, pool)
    assert (_only(archive).file_count, _only(archive).missing) == (6, 0)


def test_a_part_of_an_unknown_whole_lacks_at_least_one(folder, archive, pool, never):
    mark(folder, Incomplete(6, None))
    import_paths(archive, [folder], never, pool)
    assert (_only(archive).file_count, _only(archive).missing) == (6, 1)


def test_a_series_of_which_nothing_came_makes_its_study_incomplete(
    folder, archive, pool, never, tmp_path
):
    counts = {str(pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID): 6, "1.2.77": 3}
    import_paths(archive, [folder], never, pool, expected=counts)
    assert (_only(archive).series_count, _only(archive).file_count, _only(archive).missing) == (
        2, 6, 3,
    )  # fmt: skip
    assert checking.check(archive).faults == ()
    other = tmp_path / "other"
    other.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())[:3]):
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID, dataset.SeriesDescription = "1.2.77", "the late one"
        dataset.SOPInstanceUID = f"1.2.77.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(other / path.name)
    import_paths(archive, [other], never, pool)
    assert (_only(archive).series_count, _only(archive).missing) == (2, 0)
    names = {one.description for one in studies.series_of(archive, _only(archive).id)}
    assert "the late one" in names


def test_the_newest_word_of_the_pacs_counts_and_no_number_is_too_large(
    folder, archive, pool, never
):
    uid = str(pydicom.dcmread(next(folder.iterdir())).SeriesInstanceUID)
    for said, missing in ((2**40, 1_000_000 - 6), (7, 1), (6, 0), (1, 0)):
        import_paths(archive, [folder], never, pool, expected={uid: said})
        assert _only(archive).missing == missing
