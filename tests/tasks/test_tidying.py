"""Closed windows are destroyed in the GUI's thread, whatever other threads do."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QThread
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from workstation.tasks import tidying
from workstation.tasks.tidying import Tidying


class _Busy(QThread):
    """Makes objects until it is asked to stop, as a model does."""

    def run(self) -> None:
        while not self.isInterruptionRequested():
            made = [[number] for number in range(2000)]
            for one in made:
                one.append(one)
            del made, one
            self.usleep(200)


class _Told:
    """Notes the thread in which it ends."""

    def __init__(self, where: list[threading.Thread]) -> None:
        self._where = where

    def __del__(self) -> None:
        self._where.append(threading.current_thread())


@pytest.fixture(autouse=True)
def automatic_again() -> Iterator[None]:
    yield
    gc.enable()


def test_dialogs_in_circles_end_in_the_gui_thread(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "_EVERY_MILLISECONDS", 20)
    monkeypatch.setattr(tidying, "_WHOLE_EVERY", 3)
    keeper, busy = Tidying(), _Busy()
    assert not gc.isenabled()
    where: list[threading.Thread] = []
    busy.start()
    for _ in range(20):
        dialog = QDialog()
        dialog.itself, dialog.told = dialog, _Told(where)  # type: ignore[attr-defined]
        dialog.show()
        dialog.close()
        del dialog
        qtbot.wait(10)
    qtbot.waitUntil(lambda: len(where) == 20, timeout=10_000)
    busy.requestInterruption()
    assert busy.wait(10_000)
    assert set(where) == {threading.main_thread()}
    keeper.deleteLater()
