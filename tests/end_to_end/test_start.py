"""How the window comes up: a splash first, torch behind it, and nothing left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from workstation.ui import palette
from workstation.ui.splash import Splash
from workstation.ui.theme import apply_theme

PROGRAM = """
    import sys
    import workstation.start
    from PySide6.QtCore import QTimer

    def after_start(desk):
        print("torch" in sys.modules, desk.window.isVisible(), flush=True)
        desk.pump.loaded.connect(lambda info: print("loaded", "torch" in sys.modules, flush=True))
        desk.pump.loaded.connect(lambda info: QTimer.singleShot(0, desk.window.close))

    if __name__ == "__main__":
        sys.exit(workstation.start.run([], after_start))
"""


def _run(repository: Path, tmp_path: Path, program: str, **environment: str) -> tuple[int, str]:
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True,
        cwd=repository, timeout=120, check=False,
        env={**os.environ, "TOMOSCRIBE_DATA_FOLDER": str(tmp_path), **environment},
    )  # fmt: skip
    return told.returncode, told.stdout + told.stderr


CLOSING = """
    import socket, sys, time
    import workstation.start
    from PySide6.QtCore import QTimer
    from workstation.settings import PacsPeer

    silent = socket.create_server(("127.0.0.1", 0))

    def after_start(desk):
        port = silent.getsockname()[1]
        desk._settings.pacs_peers.append(
            PacsPeer(name="silent", ae_title="MUTE", host="127.0.0.1", port=port)
        )
        desk.query.form.peer.addItem("silent")
        desk.query.form.fields["patient_name"].setText("A")
        desk.pump.loaded.connect(lambda info: ask(desk))

    def ask(desk):
        desk.querying.search()
        QTimer.singleShot(1500, lambda: close(desk))

    def close(desk):
        print("busy", desk.querying.is_busy, time.time(), flush=True)
        desk.window.close()

    if __name__ == "__main__":
        sys.exit(workstation.start.run([], after_start))
"""


def test_the_program_ends_although_a_peer_says_nothing(repository: Path, tmp_path: Path) -> None:
    code, told = _run(repository, tmp_path, CLOSING, TOMOSCRIBE_MODEL_HOST="thread")
    ended = time.time()
    word, busy, began = told.split()
    assert (code, word, busy) == (0, "busy", "True")
    assert ended - float(began) < 3.0, "closing and leaving the interpreter"


@pytest.mark.parametrize(("host", "has_torch"), [("thread", True), ("process", False)])
def test_torch_is_there_before_the_window_or_never(
    repository: Path, tmp_path: Path, host: str, has_torch: bool
) -> None:
    code, told = _run(repository, tmp_path, PROGRAM, TOMOSCRIBE_MODEL_HOST=host)
    assert told.splitlines() == [f"{has_torch} True", f"loaded {has_torch}"]
    assert code == 0


def test_a_window_that_cannot_be_built_ends_the_program(repository: Path, tmp_path: Path) -> None:
    broken = PROGRAM.replace(
        "def after_start",
        "def fail(*_): raise RuntimeError('no views')\n    workstation.start._built = fail\n\n"
        "    def after_start",
    )
    code, told = _run(repository, tmp_path, broken, TOMOSCRIBE_MODEL_HOST="process")
    assert code == 1
    assert "no views" in told


@pytest.mark.parametrize("module", ["workstation.app", "workstation.cli", "workstation.start"])
def test_no_part_of_the_program_imports_torch(
    repository: Path, tmp_path: Path, module: str
) -> None:
    program = f"import sys, {module}; print(sys.modules.keys() & {{'torch', 'transformers'}})"
    assert _run(repository, tmp_path, program) == (0, "set()\n")


@pytest.fixture
def a_splash(qtbot: QtBot, qapp: QApplication) -> Iterator[Splash]:
    apply_theme(qapp)
    splash = Splash()
    qtbot.addWidget(splash)
    with qtbot.waitSignal(splash.painted, timeout=5000):
        splash.show()
    yield splash
    qapp.setStyleSheet("")


def test_the_splash_shows_its_words_inside_its_edges(a_splash: Splash) -> None:
    a_splash.say("Preparing the views …")
    image = a_splash.grab().toImage()
    background = QColor(palette.BACKGROUND).rgb()

    def inked(left: int, top: int, right: int, bottom: int) -> int:
        return sum(
            image.pixel(x, y) != background for x in range(left, right) for y in range(top, bottom)
        )

    width, height = image.width(), image.height()
    assert inked(40, 50, 400, 120) > 500, "the name"
    assert inked(40, 190, 520, 232) > 500, "what it is not"
    assert inked(40, 250, 400, 272) > 100, "what it does"
    for edge in ((2, 2, 30, height - 2), (width - 30, 2, width - 2, height - 2)):
        assert inked(*edge) == 0, "nothing runs out of it"
    assert "not a medical device" in a_splash.accessibleDescription()
