"""How long a frame takes while 400 slices are scrolled: a Markdown table on standard output.

Usage: ``xvfb-run -a -s "-screen 0 1920x1080x24" python tests/benchmarks/scrolling.py``

A real window shows 512 × 512 device pixels per pane, all panes linked. Each frame is the time
from posting a wheel event to the end of the axial pane's painting. While drafting: the
demonstration model prepares, encodes and writes again and again in a thread of the process.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from workstation.core.geometry import Geometry
from workstation.core.session import Pane, Reading
from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.ui.image_area import ImageArea

if TYPE_CHECKING:
    from model_runtime.engine import LocalEngine

ROOT = Path(__file__).resolve().parents[2]
SLICES = 400


def noisy_volume() -> Volume:
    """Build 400 slices of 512 × 512 with structure and noise."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[:512, :512] / 256 - 1
    body = np.where(x * x + y * y < 0.7, 40, -1000).astype(np.int16)
    noise = generator.normal(0, 20, (512, 512)).astype(np.int16)
    voxels = np.empty((SLICES, 512, 512), dtype=np.int16)
    for k in range(SLICES):
        voxels[k] = body + np.roll(noise, (k, 3 * k), (0, 1))
    geometry = Geometry(voxels.shape, spacing=(0.7, 0.7, 1.0))
    series = Series("scroll", "study", (), SLICES, modality="CT", description="Benchmark")
    return Volume(series, voxels, geometry, np.ones(SLICES, dtype=bool))


def scroll(area: ImageArea, frames: int = SLICES) -> list[float]:
    """Post one wheel event after another and wait for each to be painted; seconds per frame."""
    pane = area.pane(Pane.AXIAL)
    painted: list[float] = []
    pane.painted.connect(lambda: painted.append(time.perf_counter()))
    place = QPointF(pane.width() / 2, pane.height() / 2)
    times = []
    area.reading.scroll(pane.pane.value, -SLICES)
    settle(0.5)
    for _ in range(frames - 1):
        painted.clear()
        event = QWheelEvent(
            place, pane.mapToGlobal(place), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        start = time.perf_counter()
        QApplication.postEvent(pane, event)
        while not painted:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        times.append(painted[0] - start)
        settle(0.0)
    assert area.pane(Pane.AXIAL).scene.slice_index == SLICES - 1, "not every slice was reached"
    return times


def settle(seconds: float) -> None:
    """Let the other panes be drawn."""
    end = time.perf_counter() + seconds
    for _ in range(6):
        QApplication.processEvents()
    while time.perf_counter() < end:
        QApplication.processEvents()


def draft_again_and_again(
    engine: LocalEngine, volume: Volume, stop: threading.Event, drafts: list[int]
) -> None:
    """Let the model draft; every draft prepares and encodes the volume anew."""
    from model_runtime.api import Request, Task, Token, VolumeInput

    while not stop.is_set():
        key = f"scroll-{len(drafts)}"
        scan = VolumeInput(key, volume.voxels, volume.geometry.index_to_lps, "CT", "CHEST")
        events = list(engine.stream(Request(len(drafts), Task.REPORT, scan), stop))
        drafts.append(sum(isinstance(event, Token) for event in events))


def while_drafting(volume: Volume, measure: Callable[[], list[float]]) -> list[float]:
    """Measure while the model drafts in a thread of this process, as it does in the window."""
    from model_runtime.engine import LocalEngine

    # Loading the model is not what is measured: it is over before a draft can be asked for.
    engine = LocalEngine(ROOT / "resources" / "models" / "demo")
    stop, drafts = threading.Event(), []
    thread = threading.Thread(target=draft_again_and_again, args=(engine, volume, stop, drafts))
    thread.start()
    try:
        times = measure()
        wait_until(lambda: len(drafts) > 0 or not thread.is_alive(), 120)
    finally:
        stop.set()
        thread.join()
    assert sum(drafts) > 0, "the model wrote nothing"
    return times


def event_loop_gaps(seconds: float) -> list[float]:
    """Time by which each 2 ms timer comes late, for so long; seconds."""
    gaps, last = [], [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        gaps.append(max(now - last[0] - 0.002, 0.0))
        last[0] = now

    timer = QTimer(interval=2, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start()
    end = time.perf_counter() + seconds
    wait_until(lambda: time.perf_counter() > end, seconds)
    timer.stop()
    return gaps


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Run the event loop until something is done."""
    end = time.perf_counter() + seconds
    while not done() and time.perf_counter() < end:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.0005)


def row(name: str, times: list[float]) -> str:
    """Format one line of the table."""
    ms = np.array(times) * 1000
    p50, p95, p99 = np.percentile(ms, (50, 95, 99))
    return f"| {name} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {ms.max():.1f} |"


def main() -> int:
    """Print the table; exit code 1 if the 95th percentile is over 16 ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pane", type=int, default=512, help="side of a pane, device pixels")
    parser.add_argument("--seconds", type=float, default=20, help="how long gaps are measured")
    parser.add_argument("--switch", type=float, default=0.001, help="sys.setswitchinterval, s")
    options = parser.parse_args()
    sys.setswitchinterval(options.switch)
    app = QApplication([])
    reading = Reading()
    area = ImageArea(reading, ROOT / "resources" / "volume_presets.toml")
    area.resize(2 * options.pane + 2, 2 * options.pane + 2)
    area.show()
    volume = noisy_volume()
    reading.open(volume)
    view = area.pane(Pane.VOLUME)
    wait_until(lambda: view.picture is not None, 60)
    idle = scroll(area)
    busy = while_drafting(volume, lambda: scroll(area))
    gaps = while_drafting(volume, lambda: event_loop_gaps(options.seconds))
    area.shut_down()
    app.quit()
    size = f"{options.pane} × {options.pane}"
    print("| 400 slices, ms | p50 | p95 | p99 | max |\n|---|---|---|---|---|")
    print(row(f"frame while scrolling, {size} pane, idle", idle))
    print(row(f"frame while scrolling, {size} pane, while drafting", busy))
    print(row("event loop late, while drafting", gaps))
    return int(max(np.percentile(idle, 95), np.percentile(busy, 95)) > 0.016)


if __name__ == "__main__":
    raise SystemExit(main())
