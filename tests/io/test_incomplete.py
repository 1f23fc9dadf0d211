"""A series that was retrieved in part says so wherever its folder is read."""

from __future__ import annotations

import threading
from pathlib import Path

import pydicom
import pytest

from workstation.archive.archive import open_archive
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


def test_the_archive_takes_whole_series_only(folder, pool, never, tmp_path):
    archive = open_archive(tmp_path / "a.db", tmp_path / "files")
    mark(folder, Incomplete(6, None))
    added = import_paths(archive, [folder], never, pool)
    assert (added.files, added.studies) == (0, set())
    assert added.skipped == [
        (folder, "only 6 of ? images of it were retrieved; retrieve the rest first")
    ]
    unmark(folder)
    assert import_paths(archive, [folder], threading.Event(), pool).files == 6
    archive.close()
