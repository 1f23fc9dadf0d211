"""Measurements in the archive: in order, by any window, through faults and kills."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from workstation.archive import audit_trail, migrations, records
from workstation.archive.archive import open_archive
from workstation.archive.database import Database
from workstation.archive.measurement_log import MeasurementLog
from workstation.archive.schema import measurement_version
from workstation.core.errors import StorageError
from workstation.core.geometry import Plane
from workstation.core.measurement import Measurement
from workstation.core.undo import Edit

ONE = Measurement("m1", "length", "series", Plane.AXIAL, ((0.1, 0.2, 1 / 3), (10.0, -5.5, 1 / 3)))
TWO = replace(ONE, id="m2", tool="probe", plane=Plane.CORONAL, points=((1.0, 2.0, 3.0),))


@pytest.fixture
def logs(kept):
    """Open logs of windows on one archive; they are closed at the end."""
    opened = []

    def window():
        opened.append(MeasurementLog(kept))
        return opened[-1]

    yield window
    for log in opened:
        log.close()


def made(one):
    return Edit(None, one)


def read(log):
    return log.read("study").result(20)


def test_what_was_measured_is_read_again_to_the_last_digit(logs):
    log = logs()
    log.write("study", made(ONE))
    log.write("study", made(TWO))
    assert read(log) == (ONE, TWO)
    assert read(logs()) == (ONE, TWO)
    assert logs().read("another").result(20) == ()


def test_each_state_stays_on_record(kept, logs):
    log = logs()
    moved = replace(ONE, points=(ONE.points[0], (11.0, 0.0, 1 / 3)))
    for edit in (made(ONE), Edit(ONE, moved), Edit(moved, None)):
        log.write("study", edit)
    assert read(log) == ()
    with kept.database.transaction() as connection:
        rows = connection.execute(sa.select(measurement_version)).all()
        assert audit_trail.verify(connection).broken is None
    assert [(row.version, row.removed) for row in rows] == [(1, 0), (2, 0), (3, 1)]
    assert "10.0" in rows[0].value
    assert "11.0" in rows[1].value
    assert {row.author for row in rows} == {"Dr. Test"}


def test_undoing_a_removal_brings_it_back(logs):
    log = logs()
    for edit in (made(ONE), Edit(ONE, None), made(ONE), Edit(ONE, None), made(ONE)):
        log.write("study", edit)
    assert read(log) == (ONE,)


def test_two_windows_keep_each_others(logs):
    one, other = logs(), logs()
    one.write("study", made(ONE))
    other.write("study", made(TWO))
    read(one)
    assert set(read(other)) == set(read(one)) == {ONE, TWO}


def test_where_two_windows_change_the_same_both_are_kept(logs):
    one, other = logs(), logs()
    one.write("study", made(ONE))
    read(one)
    assert read(other) == (ONE,)
    here = replace(ONE, points=((1.0, 1.0, 1.0), (2.0, 2.0, 1.0)))
    there = replace(ONE, points=((3.0, 3.0, 1.0), (4.0, 4.0, 1.0)))
    one.write("study", Edit(ONE, here))
    read(one)
    other.write("study", Edit(ONE, there))
    found = read(other)
    assert [each.points for each in found] == [here.points, there.points]
    assert (one.state.conflicts, other.state.conflicts) == (0, 1)
    assert found[0].id == ONE.id != found[1].id


def test_a_removal_does_not_take_what_another_window_changed(logs):
    one, other = logs(), logs()
    one.write("study", made(ONE))
    read(one)
    read(other)
    moved = replace(ONE, points=TWO.points * 2)
    one.write("study", Edit(ONE, moved))
    read(one)
    other.write("study", Edit(ONE, None))
    assert read(other) == (moved,)


def test_many_windows_measure_at_once(logs):
    several = [logs() for _ in range(4)]
    for number in range(10):
        for index, log in enumerate(several):
            log.write("study", made(replace(ONE, id=f"{index}-{number}")))
    for log in several:
        read(log)
    assert len(read(several[0])) == 40


def test_a_fault_keeps_the_order_and_is_tried_again(tmp_path):
    (tmp_path / "data").write_text("in the way")
    log = MeasurementLog(open_archive(tmp_path / "data" / "a.db", tmp_path / "files"))
    log.write("study", made(ONE))
    log.write("study", Edit(ONE, replace(ONE, points=TWO.points * 2)))
    with pytest.raises(StorageError):
        read(log)
    state = log.state
    assert (state.waiting, state.error is not None) == (2, True)
    (tmp_path / "data").unlink()
    until = time.monotonic() + 20
    while log.state.waiting and time.monotonic() < until:
        time.sleep(0.05)
    assert log.state.error is None
    assert [each.points for each in read(log)] == [TWO.points * 2]
    log.close()


def test_what_cannot_be_written_is_told_when_it_ends(tmp_path):
    (tmp_path / "data").write_text("in the way")
    log = MeasurementLog(open_archive(tmp_path / "data" / "a.db", tmp_path / "files"))
    log.write("study", made(ONE))
    with pytest.raises(StorageError):
        log.close()


def test_rows_of_something_else_are_left_alone(kept, logs):
    records.add_measurement(kept, "study", "series", "length", {"mm": 12.5})
    records.add_measurement(
        kept, "study", "series", "length", {"key": "x", "plane": "UP", "points": [[0, 0, 0]]}
    )
    assert read(logs()) == ()
    assert len(records.measurements(kept, "study")) == 2


def test_measurements_of_an_older_archive_get_their_first_version(tmp_path, monkeypatch):
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        real = migrations.migrate
        patch.setattr(
            "workstation.archive.database.migrate",
            lambda connection, place, back_up: real(connection, place, back_up, 5),
        )
        patch.setattr("workstation.archive.database.SCHEMA", 5)
        with Database(path).transaction(writing=True) as connection:
            connection.exec_driver_sql(
                "INSERT INTO measurement (study_key, series_key, kind, value, author, changed_utc,"
                " version) VALUES ('study', 's', 'length', '{}', 'Dr. Old', 'then', 3)"
            )
    with Database(path).transaction() as connection:
        (row,) = connection.execute(sa.select(measurement_version)).all()
    assert (row.version, row.author, row.removed) == (3, "Dr. Old", 0)


_READER = """
import sys, time
from pathlib import Path
from tests.archive.test_measurement_log import ONE, made
from dataclasses import replace
from workstation.archive.archive import open_archive
from workstation.archive.measurement_log import MeasurementLog
log = MeasurementLog(open_archive(Path(sys.argv[1]), Path(sys.argv[2])))
log.read("study").result(60)
for number in range(10**6):
    log.write("study", made(replace(ONE, id=f"n{number}")))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.1)
"""


def test_a_kill_loses_nothing_drawn_half_a_second_before(tmp_path):
    root = Path(__file__).resolve().parents[2]
    for seconds in (0.9, 1.6):
        path = tmp_path / f"{seconds}.db"
        with subprocess.Popen(
            [sys.executable, "-c", _READER, str(path), str(tmp_path / "files")],
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(root)}, cwd=root,
        ) as reader:  # fmt: skip
            first = reader.stdout.readline()
            time.sleep(seconds)
            killed = time.monotonic()
            reader.kill()
            rest = reader.stdout.read()
        drawn = [line.split() for line in (first + rest).decode().splitlines()]
        log = MeasurementLog(open_archive(path, tmp_path / "files"))
        found = log.read("study").result(20)
        log.close()
        assert [each.id for each in found] == [f"n{n}" for n in range(len(found))]
        late = [int(n) for n, when in (d for d in drawn if len(d) == 2)
                if killed - float(when) > 0.5]  # fmt: skip
        assert len(found) >= len(late)
        assert found
