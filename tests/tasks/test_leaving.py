"""The program ends at once, with its exit code, although background work does not."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

_STUCK = """
import sys, time
from PySide6.QtCore import QCoreApplication, QTimer
from model_runtime import api
from workstation.tasks.job import Job, cancel_all
from workstation.tasks.leaving import leave
from workstation.tasks.pump import Pump

class Deaf:
    info = api.ModelInfo("deaf", True, "deaf")
    def stream(self, request, cancelled):
        yield api.Progress(api.Stage.WRITE)
        time.sleep(60)
    def close(self):
        pass

def deaf_work(cancelled):
    yield 1
    time.sleep(60)

application = QCoreApplication([])
if sys.argv[1] == "pump":
    pump = Pump(Deaf)
    pump.submit(api.Request(pump.next_ticket(), api.Task.REPORT))
    pump.told.connect(lambda ticket, event: application.quit())
else:
    job = Job(deaf_work)
    job.step.connect(lambda step: application.quit())
    job.start()
QTimer.singleShot(20000, application.quit)
application.exec()
print("work began, window closed", flush=True)
sys.exit(leave(int(sys.argv[2])))
"""


@pytest.mark.parametrize("kind", ["pump", "job"])
@pytest.mark.parametrize("code", [0, 3])
def test_stuck_work_neither_aborts_nor_delays_the_end(
    kind: str, code: int, repository: Path
) -> None:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", _STUCK, kind, str(code)],
        cwd=repository, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert "window closed" in ended.stdout
    assert ended.returncode == code, ended.stderr
    assert "Destroyed while thread" not in ended.stderr
    assert time.monotonic() - began < 20
