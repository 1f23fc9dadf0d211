"""Clocks that jump and time zones that change: times are in UTC, the order stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.archive.series_files import child, typed
from workstation.archive import checking, report_archive
from workstation.archive.archive import open_archive
from workstation.archive.report_archive import ReportArchive

_SAVE = """
import json, os, sys, time
os.environ["TZ"] = sys.argv[2]
time.tzset()
from pathlib import Path
from tests.archive.series_files import typed
from workstation.archive.report_archive import ReportArchive
where = sys.argv[1]
archive = ReportArchive(where if "://" in where else Path(where))
version = archive.save("s", typed(sys.argv[2]), "A")
print(json.dumps([version.number, version.created.isoformat()]))
archive.close()
"""


def test_versions_of_any_time_zone_are_in_order_and_in_utc(address):
    """Between these two places the calendar differs by a day, and summer time by an hour."""
    zones = ("Pacific/Kiritimati", "America/Adak", "Europe/Berlin")
    before = datetime.now(UTC)
    told = [json.loads(child(_SAVE, address, zone)) for zone in zones]
    after = datetime.now(UTC)
    archive = ReportArchive(address)
    versions = archive.versions("s")
    archive.close()
    assert [one.number for one in versions] == [1, 2, 3]
    assert [[one.number, one.created.isoformat()] for one in versions] == told
    times = [one.created for one in versions]
    assert times == sorted(times)
    assert all(one.utcoffset() == timedelta(0) for one in times)
    assert before <= times[0]
    assert times[-1] <= after


def test_a_clock_set_back_changes_no_order_and_no_trail(address, tmp_path, monkeypatch):
    archive = ReportArchive(address)
    archive.save("s", typed("first"), "A")
    earlier = datetime(2001, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(report_archive, "_now", lambda: earlier)
    archive.save("s", typed("second"), "A")
    monkeypatch.undo()
    archive.save("s", typed("third"), "A")
    versions = archive.versions("s")
    assert [one.number for one in versions] == [1, 2, 3]
    assert versions[1].created == earlier
    assert archive.latest("s").number == 3
    archive.close()
    whole = open_archive(address, tmp_path / "files")
    assert checking.check(whole).faults == ()
    whole.close()
