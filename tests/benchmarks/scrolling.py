"""How long a frame takes while 400 slices are scrolled: a Markdown table on standard output.

Usage: ``xvfb-run -a -s "-screen 0 1920x1080x24" python tests/benchmarks/scrolling.py``

A real window shows 512 × 512 device pixels per pane, all panes linked. Each frame is the time
from posting a wheel event to the end of the axial pane's painting. The busy row runs a
decoder-like loop (small matrices, one torch thread) in a thread of the same process.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from workstation.core.geometry import Geometry
from workstation.core.session import Pane, Reading
from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.ui.image_area import ImageArea

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


def decode_like(stop: threading.Event) -> None:
    """Multiply like a small decoder does, token by token."""
    import torch

    torch.set_num_threads(1)
    weights = [torch.randn(384, 384) for _ in range(24)]
    state = torch.randn(1, 384)
    with torch.inference_mode():
        while not stop.is_set():
            for weight in weights:
                state = torch.nn.functional.silu(state @ weight) * 0.05
            state = state / state.norm()


def busily(measure: Callable[[], list[float]]) -> list[float]:
    """Measure while the decoder-like loop runs."""
    import torch  # noqa: F401  (its import is not what is measured)

    stop = threading.Event()
    thread = threading.Thread(target=decode_like, args=(stop,))
    thread.start()
    try:
        return measure()
    finally:
        stop.set()
        thread.join()


def row(name: str, times: list[float]) -> str:
    """Format one line of the table."""
    ms = np.array(times) * 1000
    p50, p95 = np.percentile(ms, (50, 95))
    return f"| {name} | {p50:.1f} | {p95:.1f} | {ms.max():.1f} |"


def main() -> int:
    """Print the table; exit code 1 if the 95th percentile is over 16 ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pane", type=int, default=512, help="side of a pane, device pixels")
    parser.add_argument("--switch", type=float, default=0.001, help="sys.setswitchinterval, s")
    options = parser.parse_args()
    sys.setswitchinterval(options.switch)
    app = QApplication([])
    reading = Reading()
    area = ImageArea(reading, ROOT / "resources" / "volume_presets.toml")
    area.resize(2 * options.pane + 2, 2 * options.pane + 2)
    area.show()
    reading.open(noisy_volume())
    view = area.pane(Pane.VOLUME)
    end = time.perf_counter() + 60
    while view.picture is None and time.perf_counter() < end:
        settle(0.1)
    idle = scroll(area)
    busy = busily(lambda: scroll(area))
    area.shut_down()
    app.quit()
    print("| 400 slices, ms per frame | p50 | p95 | max |\n|---|---|---|---|")
    print(row(f"idle, {options.pane} px pane", idle))
    print(row(f"decoder-like thread running, {options.pane} px pane", busy))
    return int(max(np.percentile(idle, 95), np.percentile(busy, 95)) > 0.016)


if __name__ == "__main__":
    raise SystemExit(main())
