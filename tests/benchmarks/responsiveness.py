"""How late the window's event loop is, idle and while the model drafts: Markdown tables.

Usage: ``xvfb-run -a -s "-screen 0 1920x1080x24" python -m tests.benchmarks.responsiveness``
(in the repository root)

The whole program runs on its bundled study and model with a data folder of its own. A gap is
the time between two ticks of a 1 ms timer of the window's thread. Every draft prepares and
encodes the scan anew: the window is moved by 1 HU each time, so nothing is cached.
``--trace`` tells on standard error where the window's thread was in gaps over 50 ms.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QObject, QPoint, QPointF, Qt, QTimer, SignalInstance
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from model_runtime import api
from tests.benchmarks.starting import started
from workstation.app import Workstation
from workstation.consulting import AS_SHOWN
from workstation.core.display import Window
from workstation.core.errors import ModelError
from workstation.core.session import Pane
from workstation.settings import Settings
from workstation.start import SWITCH_SECONDS
from workstation.ui.theme import apply_theme

ROOT = Path(__file__).resolve().parents[2]
GAP_P99_MS, GAP_MAX_MS, START_SECONDS, CANCEL_MS = 50, 100, 5.0, 1000


class Heartbeat:
    """Ticks each millisecond in the window's thread and keeps the gaps, in ms."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.gaps: list[float] = []
        self._timer = QTimer(interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1000 * (now - self.last))
        self.last = now

    def taken(self) -> list[float]:
        """Give the gaps since the last call."""
        gaps, self.gaps = self.gaps, []
        return gaps


class Trace(threading.Thread):
    """Looks where the window's thread is whenever its heartbeat is 50 ms late."""

    def __init__(self, beat: Heartbeat) -> None:
        super().__init__(daemon=True)
        self.found: Counter[str] = Counter()
        self._beat, self._main = beat, threading.main_thread().ident

    def run(self) -> None:
        """Look each 5 ms."""
        while True:
            time.sleep(0.005)
            if time.perf_counter() - self._beat.last > 0.03:
                frame = sys._current_frames().get(self._main)
                frames = traceback.extract_stack(frame) if frame is not None else []
                self.found[" < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames[-4:]))] += 1


class Drafts(QObject):
    """Drafts again and again in an empty report, each time with another model window."""

    def __init__(self, desk: Workstation) -> None:
        super().__init__()
        self._desk, self._again, self._begun = desk, False, 0
        self.done = self.tokens = 0
        desk.pump.told.connect(self._on_told)

    def begin(self) -> None:
        """Draft; the report is emptied first, as a reader would do it."""
        self._begun += 1
        editor = self._desk.report.editor
        editor.selectAll()
        editor.textCursor().removeSelectedText()
        self._desk.consulting.model_window = AS_SHOWN
        self._desk.reading.window = Window(width=1200.0, center=-400.0 - self._begun)
        self._desk.draft()

    def run_for(self, milliseconds: int) -> None:
        """Draft for so long, and to the end of the last draft."""
        self._again = True
        self.begin()
        spin(milliseconds)
        self._again = False
        while self._desk.consulting.is_busy:
            spin(20)

    def _on_told(self, _ticket: int, event: api.Event) -> None:
        self.tokens += isinstance(event, api.Token)
        if isinstance(event, api.Failed):
            raise ModelError(event.message)
        if isinstance(event, api.Done):
            self.done += 1
            if self._again:
                QTimer.singleShot(0, self, self.begin)


def spin(milliseconds: int, until: SignalInstance | None = None) -> None:
    """Run the event loop for so long, or until a signal."""
    loop = QEventLoop()
    if until is not None:
        until.connect(loop.quit)
    QTimer.singleShot(milliseconds, loop, loop.quit)
    loop.exec()


def wheel_timer(desk: Workstation) -> QTimer:
    """Turn the wheel over the axial pane sixty times a second, up and down the scan."""
    pane = desk.images.pane(Pane.AXIAL)
    turned = [0]

    def turn() -> None:
        turned[0] += 1
        angle = QPoint(0, -120 if turned[0] // 60 % 2 == 0 else 120)
        place = QPointF(pane.width() / 2, pane.height() / 2)
        event = QWheelEvent(
            place, pane.mapToGlobal(place), QPoint(), angle, Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.postEvent(pane, event)

    timer = QTimer(interval=16, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(turn)
    timer.start()
    return timer


def cancel_times(desk: Workstation, drafts: Drafts) -> list[float]:
    """Milliseconds from cancelling to the model's stop, at nine moments of a draft."""
    times = []
    stopped: list[float] = []
    desk.pump.stopped.connect(lambda _ticket: stopped.append(time.perf_counter()))
    for after in (20, 60, 120, 200, 300, 450, 600, 800, 1000):
        drafts.begin()
        spin(after)
        if not desk.pump.is_busy:  # this draft was quicker
            continue
        stopped.clear()
        start = time.perf_counter()
        desk.cancel()
        while not stopped and time.perf_counter() - start < 30:
            spin(5, desk.pump.stopped)
        times.append(1000 * (stopped[0] - start))
    return times


def measure(options: argparse.Namespace, data: Path) -> tuple[dict[str, list[float]], list[float]]:
    """Open the window and measure its gaps and how quickly drafts stop."""
    gc.disable()  # as workstation.start does until the model is there
    desk = Workstation(settings := Settings(data_folder=data))
    rows = {}
    desk.window.resize(1600, 900)
    desk.window.show()
    beat = Heartbeat()
    trace = Trace(beat)
    if options.trace:
        trace.start()
    ready: list[object] = []
    desk.pump.loaded.connect(ready.append)
    desk.opening.loaded.connect(ready.append)
    desk.opening.open_paths([settings.study])
    while len(ready) < 2:
        spin(50)
    gc.freeze()
    gc.enable()
    spin(3000)
    tell(trace, "start")
    rows["while the study and the model load"] = beat.taken()
    spin(5000)
    rows["idle"] = beat.taken()
    drafts = Drafts(desk)
    drafts.run_for(options.seconds * 1000)
    tell(trace, "drafting")
    rows[f"drafting ({drafts.done} drafts, {drafts.tokens} tokens)"] = beat.taken()
    wheel = wheel_timer(desk)
    drafts.run_for(options.seconds * 1000)
    wheel.stop()
    tell(trace, "drafting and scrolling")
    rows["drafting and scrolling at 60 Hz"] = beat.taken()
    cancelled = cancel_times(desk, drafts)
    desk.window.close()
    return rows, cancelled


def tell(trace: Trace, what: str) -> None:
    """Tell where the window's thread was in long gaps."""
    found, trace.found = trace.found.most_common(12), Counter()
    for place, count in found:
        sys.stderr.write(f"{what}: {count} × {place}\n")


def gap_table(rows: dict[str, list[float]]) -> str:
    """Format the gaps."""
    lines = ["| gaps of the event loop, ms | count | p50 | p99 | max |", "|---|---|---|---|---|"]
    for name, gaps in rows.items():
        p50, p99 = np.percentile(gaps, (50, 99))
        lines.append(f"| {name} | {len(gaps)} | {p50:.1f} | {p99:.1f} | {max(gaps):.1f} |")
    return "\n".join(lines)


def other_table(starts: list[dict[str, float]], cancelled: list[float]) -> str:
    """Format starts, cancelling and memory."""
    lines = ["| | each time | target |", "|---|---|---|"]
    names = {
        "splash": "splash painted",
        "window": "window painted",
        "slice": "first slice painted",
        "model": "model ready",
        "gap": "longest gap between window and model",
    }
    for key, name in names.items():
        each = " · ".join(f"{start[key]:.1f}" for start in starts)
        target = f"second < {START_SECONDS:.0f}" if key == "slice" else ""
        lines.append(f"| `python -m workstation open`: {name}, s | {each} | {target} |")
    median, most = statistics.median(cancelled), max(cancelled)
    lines.append(
        f"| cancelling a draft ({len(cancelled)} moments), ms | median {median:.0f} · "
        f"longest {most:.0f} | {CANCEL_MS} |"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines.append(f"| peak memory of window and model, MiB | {peak:.0f} | |")
    return "\n".join(lines)


def missed(
    rows: dict[str, list[float]], starts: list[dict[str, float]], cancelled: list[float]
) -> list[str]:
    """Name the targets that were not met."""
    checks: list[tuple[str, Callable[[], bool]]] = [
        (f"p99 {name}", lambda gaps=gaps: np.percentile(gaps, 99) <= GAP_P99_MS)
        for name, gaps in rows.items()
        if name.startswith("drafting")
    ]
    checks += [
        (f"max {name}", lambda gaps=gaps: max(gaps) <= GAP_MAX_MS)
        for name, gaps in rows.items()
        if name.startswith("drafting")
    ]
    checks.append(("second start", lambda: starts[1]["slice"] < START_SECONDS))
    checks.append(("cancel", lambda: max(cancelled) <= CANCEL_MS))
    return [name for name, is_met in checks if not is_met()]


def main() -> int:
    """Print the tables; exit code 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=15, help="how long is drafted each time")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument(
        "--switch", type=float, default=SWITCH_SECONDS, help="sys.setswitchinterval, s"
    )
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    load = f"{os.getloadavg()[0]:.1f}"
    sys.setswitchinterval(options.switch)
    application = QApplication(sys.argv[:1])
    apply_theme(application)
    with tempfile.TemporaryDirectory() as folder:
        rows, cancelled = measure(options, Path(folder) / "gaps")
        starts = [started(Path(folder) / "starts") for _ in range(options.starts)]
    sys.stdout.write(
        f"{os.cpu_count()} processors, load average {load} before and "
        f"{os.getloadavg()[0]:.1f} after.\n\n{gap_table(rows)}\n\n"
        f"{other_table(starts, cancelled)}\n\n"
    )
    names = missed(rows, starts, cancelled)
    sys.stdout.write(f"Targets missed: {'; '.join(names) or 'none'}.\n")
    return int(bool(names))


if __name__ == "__main__":
    raise SystemExit(main())
