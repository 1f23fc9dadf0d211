"""Work off the GUI thread: steps in order, faults told, cancelling final."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QThread
from pytestqt.qtbot import QtBot

from workstation.core.errors import InputError
from workstation.tasks.job import Job, cancel_all


def test_steps_arrive_in_order_in_the_gui_thread(qtbot: QtBot) -> None:
    def work(cancelled: threading.Event) -> Iterator[object]:
        yield from ((n, QThread.currentThread()) for n in range(50))

    job = Job(work)
    seen: list[tuple[int, QThread]] = []
    threads: list[QThread] = []
    job.step.connect(seen.append)
    job.step.connect(lambda _: threads.append(QThread.currentThread()))
    with qtbot.waitSignal(job.finished, timeout=3000):
        job.start()
    assert [number for number, _ in seen] == list(range(50))
    assert set(threads) == {QThread.currentThread()}
    assert QThread.currentThread() not in {thread for _, thread in seen}


def test_a_fault_is_told_with_its_sentence(qtbot: QtBot) -> None:
    def work(cancelled: threading.Event) -> Iterator[object]:
        yield 1
        raise InputError("The file a.dcm is empty.")

    job = Job(work)
    finished: list[bool] = []
    told: list[InputError] = []
    job.finished.connect(lambda: finished.append(True))
    job.failed.connect(told.append)
    with qtbot.waitSignal(job.ended, timeout=3000):
        job.start()
    assert "a.dcm" in told[0].message
    assert not finished


def test_an_unexpected_fault_is_told_without_a_traceback_and_its_place_is_logged(
    qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    def reading() -> object:
        raise KeyError("Canary^Yellow")

    def work(cancelled: threading.Event) -> Iterator[object]:
        yield reading()

    job = Job(work)
    with qtbot.waitSignal(job.failed, timeout=3000) as caught:
        job.start()
    assert "KeyError" in caught.args[0].details
    assert "Traceback" not in caught.args[0].message
    (line,) = (record.getMessage() for record in caplog.records)
    assert re.search(r"KeyError at job\.py:\d+ run > .*work > test_job\.py:\d+ reading$", line)
    assert "Canary" not in line, "a fault's words may name a patient"


def test_nothing_comes_after_cancelling(qtbot: QtBot) -> None:
    def work(cancelled: threading.Event) -> Iterator[object]:
        while True:
            time.sleep(0.005)
            yield 1

    job = Job(work)
    seen: list[int] = []
    job.step.connect(seen.append)
    job.start()
    qtbot.waitUntil(lambda: len(seen) > 3, timeout=3000)
    with qtbot.waitSignal(job.ended, timeout=1000):
        job.cancel()
        count = len(seen)
    assert len(seen) == count


def test_all_are_cancelled_at_closing(qtbot: QtBot) -> None:
    def work(cancelled: threading.Event) -> Iterator[object]:
        cancelled.wait(20)
        yield 1

    jobs = [Job(work).start() for _ in range(2)]
    assert cancel_all(2000)
    assert all(job.is_cancelled for job in jobs)


def test_no_job_in_ten_thousands_takes_the_program_down(repository: Path) -> None:
    many = [sys.executable, "-m", "tests.tasks.many_jobs", "20000"]
    done = subprocess.run(many, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
