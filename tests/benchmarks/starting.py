"""How soon the program is there, and how long its window is deaf meanwhile: a Markdown table.

Usage: ``xvfb-run -a -s "-screen 0 1920x1080x24" python -m tests.benchmarks.starting``
(in the repository root)

Starts ``python -m workstation open`` again and again on the bundled study and model: with the
model in the window's process and nothing, torch or the whole engine imported behind the splash,
and with the model in a process of its own. The ways take turns. A gap is the time between two
ticks of a 1 ms timer in the window's thread, from the window's first show on until the model is
ready.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer

import workstation.start
from workstation.ui.splash import Splash

if TYPE_CHECKING:
    from workstation.app import Workstation

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ("splash", "window", "slice", "model")
WAYS = {
    "thread, nothing behind the splash": ("thread", "sys"),
    "thread, torch behind the splash": ("thread", "torch"),
    "thread, the engine behind the splash": ("thread", "model_runtime.engine"),
    "process": ("process", "sys"),
}


class Heartbeat:
    """Ticks each millisecond in the window's thread and keeps the longest gap, in seconds."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now


def watch(desk: Workstation, times: dict[str, float]) -> None:
    """Note when the window shows what, and leave when all is there."""
    from workstation.core.session import Pane

    beat = Heartbeat()

    def tell(name: str) -> None:
        times.setdefault(name, time.monotonic())
        if all(each in times for each in EVENTS) and "gap" not in times:
            times["gap"] = beat.longest
            sys.stdout.write(json.dumps(times) + "\n")
            sys.stdout.flush()
            QTimer.singleShot(0, desk, desk.window.close)

    def painted() -> None:
        tell("window")
        if desk.reading.volume is not None:
            tell("slice")

    desk.images.pane(Pane.AXIAL).painted.connect(painted)
    desk.pump.loaded.connect(lambda _info: tell("model"))


def be_started(behind: str) -> None:
    """Be ``python -m workstation open`` that says when it is usable, then leaves."""
    times: dict[str, float] = {}
    run, splash_of = workstation.start.run, workstation.start.Splash
    workstation.start._SLOW = behind or workstation.start._SLOW

    def watched_splash() -> Splash:
        splash = splash_of()
        splash.painted.connect(lambda: times.setdefault("splash", time.monotonic()))
        return splash

    workstation.start.Splash = watched_splash
    workstation.start.run = lambda paths: run(paths, lambda desk: watch(desk, times))
    sys.argv = ["tomoscribe", "open"]
    runpy.run_module("workstation", run_name="__main__", alter_sys=True)


def started(data: Path, host: str = "thread", behind: str = "") -> dict[str, float]:
    """Seconds from starting the program to each event, and the longest gap."""
    environment = {
        **os.environ, "TOMOSCRIBE_DATA_FOLDER": str(data), "TOMOSCRIBE_MODEL_HOST": host,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.starting", "--be-started", behind]
    start = time.monotonic()
    told = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    found = json.loads(told.stdout.splitlines()[0])
    return {name: found[name] - start for name in EVENTS} | {"gap": found["gap"]}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Format medians, and the worst in brackets."""
    lines = [
        "| s, median (longest) | splash | window | first slice | model ready | longest gap |",
        "|---|---|---|---|---|---|",
    ]
    for way, each in found.items():
        cells = [_cell([one[name] for one in each]) for name in (*EVENTS, "gap")]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({max(values):.2f})"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="how often each way")
    parser.add_argument("--be-started", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be_started is not None:
        be_started(options.be_started)
        return 0
    load = f"{os.getloadavg()[0]:.1f}"
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.starts):
            for way, (host, behind) in WAYS.items():
                found[way].append(started(Path(folder), host, behind))
    sys.stdout.write(
        f"{os.cpu_count()} processors, load average {load} before and "
        f"{os.getloadavg()[0]:.1f} after.\n\n{table(found)}\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
