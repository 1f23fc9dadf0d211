"""The whole program, on its own bundled study and model, with a data folder of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.end_to_end.pacs import Pacs
from workstation.app import Workstation
from workstation.settings import Settings
from workstation.ui.theme import apply_theme


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """An Orthanc of this machine with studies of one patient."""
    pacs = Pacs(tmp_path_factory.mktemp("pacs"))
    yield pacs
    pacs.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_folder=tmp_path / "data", author="Dr. Test")


@pytest.fixture
def workstation_of(
    qtbot: QtBot, qapp: QApplication, settings: Settings
) -> Iterator[Callable[..., Workstation]]:
    """Open a real window; it is closed, with all its threads, at the end."""
    apply_theme(qapp)
    gc.disable()  # as the program does
    made: list[Workstation] = []

    def make(**more: object) -> Workstation:
        workstation = Workstation(more.pop("settings", settings), **more)
        made.append(workstation)
        workstation.window.resize(1366, 768)
        with qtbot.waitActive(workstation.window, timeout=10_000):
            workstation.window.show()
            workstation.window.activateWindow()
        return workstation

    yield make
    while made:
        _end(made.pop())
    qapp.setStyleSheet("")
    # Here, in the GUI's thread: if a model's thread came upon it, widgets would end there.
    gc.collect()
    gc.enable()


def _end(workstation: Workstation) -> None:
    workstation.window.close()
    # The window does not wait for a model that is still loading; the next test has to: two
    # threads that import at once break each other.
    assert workstation.pump.close(120_000)
    workstation.window.deleteLater()


@pytest.fixture
def opened(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> Workstation:
    """A window with the bundled study fully loaded and its model ready."""
    workstation = workstation_of()
    with qtbot.waitSignals([workstation.opening.loaded, workstation.pump.loaded], timeout=60_000):
        workstation.opening.open_paths([settings.study])
    return workstation


@pytest.fixture
def tomoscribe(repository: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the program as a user does; without a display."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
        own = {"TOMOSCRIBE_DATA_FOLDER": str(tmp_path / "data"), **environment}
        return subprocess.run(
            [sys.executable, "-m", "workstation", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=repository,
            env={**kept, **own},
            timeout=240,
            check=False,
        )

    return call
