"""The model in a process of its own, killed in the middle of a draft in a real window."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from PySide6.QtCore import QObject, Qt, QTimer, Slot
from pytestqt.qtbot import QtBot

from model_runtime import api
from workstation.app import Workstation
from workstation.core.authorship import Origin
from workstation.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
FROZEN_SECONDS = 0.5


def _model_process() -> psutil.Process:
    (found,) = (each for each in multiprocessing.active_children() if each.name == "model")
    return psutil.Process(found.pid)


class Killer(QObject):
    """Kills the model's process after some tokens, and types a sentence while it is away."""

    def __init__(self, qtbot: QtBot, workstation: Workstation, after: int) -> None:
        super().__init__()
        self._after = after
        self._qtbot, self._workstation = qtbot, workstation
        self.tokens = 0
        self.killed = False
        workstation.pump.told.connect(self._on_told)

    @Slot(int, object)
    def _on_told(self, _ticket: int, event: api.Event) -> None:
        self.tokens += isinstance(event, api.Token)
        writing = self.tokens or event == api.Progress(api.Stage.WRITE)
        if writing and self.tokens >= self._after and not self.killed:
            os.kill(_model_process().pid, signal.SIGKILL)
            self.killed = True
        if isinstance(event, api.Notice):
            editor = self._workstation.report.editor
            self._qtbot.keyClick(editor, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
            self._qtbot.keyClicks(editor, "Typed while it was away.")


class Heartbeat(QObject):
    """The longest time between two turns of the window's event loop, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer = QTimer(self, interval=1, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    @Slot()
    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest, self._last = max(self.longest, now - self._last), now


def _model_text(workstation: Workstation) -> str:
    """What stands in the report and is the model's, in order."""
    content, at, text = workstation.report.session.report.content, 0, ""
    for piece in content.pieces:
        text += content.text[at : at + piece.length] if piece.run_id else ""
        at += piece.length
    return text


@pytest.fixture
def opened(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> Workstation:
    """A window whose model runs in a process of its own."""
    workstation = workstation_of(settings=settings.model_copy(update={"model_host": "process"}))
    with qtbot.waitSignals([workstation.opening.loaded, workstation.pump.loaded], timeout=60_000):
        workstation.opening.open_paths([settings.study])
    return workstation


def _drafted(qtbot: QtBot, workstation: Workstation) -> None:
    workstation.draft()
    qtbot.waitUntil(lambda: workstation.report.drafting, timeout=10_000)
    qtbot.waitUntil(lambda: not workstation.consulting.is_busy, timeout=120_000)


def test_killed_in_the_middle_of_a_draft_the_window_goes_on_and_the_report_is_whole(
    qtbot: QtBot, opened: Workstation
) -> None:
    _drafted(qtbot, opened)
    undisturbed = _model_text(opened)
    assert "Findings" in undisturbed
    editor = opened.report.editor
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, "Typed before.")
    assert _model_text(opened) == ""

    killer, beat = Killer(qtbot, opened, 10), Heartbeat()
    _drafted(qtbot, opened)
    assert killer.killed
    assert beat.longest < FROZEN_SECONDS
    assert any("started again" in text for text in opened.notifications.texts)
    report = opened.report.session.report
    assert _model_text(opened) == undisturbed
    typed = [s.text for s in report.sentences if s.origin is Origin.HUMAN]
    assert typed == ["Typed before.", "Typed while it was away."]
    assert not [s for s in report.sentences if s.origin is Origin.EDITED]
    assert report.runs[-1].provenance is not None
    assert not opened.report.drafting


def test_a_question_is_answered_once_though_its_process_was_killed_and_none_stays(
    qtbot: QtBot, opened: Workstation
) -> None:
    def ask() -> str:
        opened.consulting.ask("What is seen in the lungs?")
        qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=120_000)
        return opened.ask.history.cards()[0].answer

    undisturbed = ask()
    killer = Killer(qtbot, opened, 0)
    assert ask() == undisturbed
    assert killer.killed
    assert any("started again" in text for text in opened.notifications.texts)
    process = _model_process()
    opened.window.close()
    qtbot.waitUntil(lambda: not process.is_running(), timeout=5000)
