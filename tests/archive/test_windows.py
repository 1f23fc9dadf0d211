"""Two windows on one archive: neither loses what the other types, saves or changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.archive.series_files import ROOT, a_series, typed, write_files
from workstation.archive import records, studies
from workstation.archive.archive import open_archive
from workstation.archive.intake import add_series
from workstation.archive.report_archive import ReportArchive
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import ConflictError, InputError


def _texts(archive):
    return [version.report.text for version in archive.versions("s")]


def test_two_windows_on_one_study_keep_both_drafts(windows):
    one, other = windows(), windows()
    one.write_journal("s", typed("Of one."))
    assert other.recover("s") is None, "it is being typed, not left behind"
    other.write_journal("s", typed("Of the other."))
    one.write_journal("s", typed("Of one, typed on."))
    assert one.typed_elsewhere("s")[0].text == "Of the other."
    assert other.typed_elsewhere("s")[0].text == "Of one, typed on."
    other.save("s", typed("Of the other."), "B")
    assert other.typed_elsewhere("s")[0].text == "Of one, typed on."
    one.save("s", typed("Of one, typed on."), "A")
    assert _texts(one) == ["Of the other.", "Of one, typed on."]
    assert one.journal("s") is None


def test_a_closed_window_s_typing_is_gone_on_with(windows):
    one = windows()
    one.write_journal("s", typed("Typed."))
    one.close()
    other = windows()
    assert other.recover("s").text == "Typed."
    other.write_journal("s", typed("Typed on."))
    assert other.typed_elsewhere("s") == ()
    other.save("s", typed("Typed on."), "B")
    assert _texts(other) == ["Typed on."]
    assert windows().recover("s") is None


def test_of_two_closed_windows_both_texts_are_kept(windows):
    one, other = windows(), windows()
    one.write_journal("s", typed("Of one."))
    other.write_journal("s", typed("Of the other."))
    one.close()
    other.close()
    third = windows()
    assert third.recover("s").text == "Of the other."
    third.write_journal("s", typed("Of the other, on."))
    assert _texts(third) == ["Of one."]
    third.save("s", typed("Of the other, on."), "C")
    assert _texts(third) == ["Of one.", "Of the other, on."]
    assert third.journal("s") is None


def test_typing_from_before_a_version_does_not_hide_it(windows):
    one, other = windows(), windows()
    one.write_journal("s", typed("Old typing."))
    other.save("s", typed("Saved since."), "B")
    one.close()
    third = windows()
    assert third.recover("s") is None
    third.save("s", typed("Saved last."), "C")
    assert _texts(third) == ["Saved since.", "Old typing.", "Saved last."]


def test_a_window_that_types_on_is_never_swept_away(windows):
    one = windows()
    one.write_journal("s", typed("Typed."))
    one._windows.release()  # as when its connection broke
    other = windows()
    assert other.recover("s").text == "Typed."
    one.write_journal("s", typed("Typed by one."))
    other.save("s", typed("Typed by the other."), "B")
    assert other.typed_elsewhere("s")[0].text == "Typed by one."


_TYPIST = """
import sys, time
from workstation.archive.report_archive import ReportArchive
from workstation.core.report import Report, edited
from pathlib import Path
where = sys.argv[1]
archive = ReportArchive(where if "://" in where else Path(where))
archive.write_journal("s", edited(Report(), "Typed before the kill."))
print("typed", flush=True)
time.sleep(60)
"""


def test_a_killed_window_s_typing_is_found_only_once_it_is_dead(address, windows):
    command = [sys.executable, "-c", _TYPIST, str(address)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as typist:
        assert typist.stdout.readline() == b"typed\n"
        window = windows()
        assert window.recover("s") is None
        typist.send_signal(signal.SIGKILL)
        typist.wait()
        end = time.monotonic() + 5
        while window.recover("s") is None and time.monotonic() < end:
            time.sleep(0.05)  # PostgreSQL sees the end of a connection a little later
        assert window.recover("s").text == "Typed before the kill."


def test_many_windows_save_at_once_and_every_version_is_kept(address, windows):
    opened = [windows() for _ in range(4)]

    def save_five(number):
        for count in range(5):
            opened[number].save("s", typed(f"{number} {count}"), "A")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save_five, range(4)))
    versions = opened[0].versions("s")
    assert [one.number for one in versions] == list(range(1, 21))
    assert len({one.report.text for one in versions}) == 20


@pytest.fixture
def a_study(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a", "b")))
    (row,) = search(kept.database, WorklistQuery()).rows
    return row


def test_a_change_over_another_window_s_change_is_refused(kept, address, a_study):
    other = open_archive(address, kept.store.folder, "B")
    studies.set_status(other, a_study.id, a_study.version, "signed")
    with pytest.raises(ConflictError, match="another window"):
        studies.set_status(kept, a_study.id, a_study.version, "drafted")
    now = studies.find(kept, a_study.id)
    assert now.status == "signed"
    studies.set_status(kept, a_study.id, now.version, "drafted")
    with pytest.raises(InputError, match="no status"):
        studies.set_status(kept, a_study.id, now.version + 1, "lost")
    other.close()


def test_of_many_windows_that_change_at_once_one_wins(kept, a_study):
    def change(_):
        try:
            studies.set_status(kept, a_study.id, a_study.version, "signed")
        except ConflictError:
            return 0
        return 1

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(change, range(6))) == 1
    assert studies.find(kept, a_study.id).version == a_study.version + 1


def test_measurements_are_changed_by_one_window_at_a_time(kept):
    first = records.add_measurement(kept, "k1", "s1", "length", {"mm": 12.5})
    records.add_measurement(kept, "k1", "s1", "length", {"mm": 3.0})
    records.change_measurement(kept, first, 1, {"mm": 13.0})
    with pytest.raises(ConflictError):
        records.change_measurement(kept, first, 1, {"mm": 99.0})
    found, second = records.measurements(kept, "k1")
    assert (found.value, found.version, found.author) == ({"mm": 13.0}, 2, "Dr. Test")
    records.change_measurement(kept, second.id, 1, None)
    with pytest.raises(ConflictError):
        records.change_measurement(kept, second.id, 2, {"mm": 1.0})
    assert [one.id for one in records.measurements(kept, "k1")] == [first]
    assert records.measurements(kept, "k2") == ()


def test_a_model_run_is_kept_once(kept):
    records.add_model_run(kept, "k1", "r1", {"model": "demo"})
    records.add_model_run(kept, "k1", "r1", {"model": "other"})
    records.add_model_run(kept, "k1", "r2", {"model": "demo"})
    runs = records.model_runs(kept, "k1")
    assert [(one.run_id, one.provenance["model"]) for one in runs] == [
        ("r1", "demo"), ("r2", "demo"),
    ]  # fmt: skip


def test_a_report_moves_its_study_from_unread_to_drafted(kept, address, a_study):
    assert a_study.status == "unread"
    window = ReportArchive(address)
    window.write_journal("k1", typed("T"))
    assert studies.find(kept, a_study.id).status == "drafted"
    now = studies.find(kept, a_study.id)
    studies.set_status(kept, a_study.id, now.version, "signed")
    window.write_journal("k1", typed("Ty"))
    assert studies.find(kept, a_study.id).status == "signed"
    window.save("k1", typed("Ty"), "A")
    assert studies.find(kept, a_study.id).status == "drafted", "the new text is not signed"
    window.close()


def test_a_reader_sees_one_state_while_another_writes(kept, address):
    other = open_archive(address, kept.store.folder)
    count = sa.text("SELECT count(*) FROM model_run")
    with kept.database.transaction() as connection:
        before = connection.scalar(count)
        records.add_model_run(other, "k", "r", {})
        assert connection.scalar(count) == before
    other.close()


def test_locks_of_killed_windows_are_removed_and_those_of_living_ones_kept(tmp_path):
    living = ReportArchive(tmp_path / "reports.db")
    living.write_journal("s", typed("T"))
    folder = tmp_path / "reports.db.windows"
    (held,) = folder.iterdir()
    (folder / f"{'0' * 32}.lock").touch()
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    other = ReportArchive(tmp_path / "reports.db")
    other.write_journal("s", typed("U"))
    assert len(list(folder.iterdir())) == 2
    assert held.exists()
    assert other.recover("s").text == "U"
    living.close()
    other.close()
    assert list(folder.iterdir()) == []
