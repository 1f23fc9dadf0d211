"""Evidence in the real window with the real model: asked for, told, drawn, hidden, dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Cancelled

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from model_runtime import api
from workstation.app import Workstation
from workstation.core.authorship import Origin
from workstation.core.session import Pane
from workstation.settings import Settings
from workstation.ui.evidence_view import EvidenceView


def _texts(widget: QWidget) -> str:
    QApplication.processEvents()  # a layout shows its new widgets at the next turn
    return "\n".join(each.text() for each in widget.findChildren(QLabel) if each.isVisible())


def _push(qtbot: QtBot, widget: QWidget, text: str) -> None:
    def found() -> list[QPushButton]:
        QApplication.processEvents()
        buttons = widget.findChildren(QPushButton)
        return [b for b in buttons if b.text() == text and b.isVisible() and b.isEnabled()]

    qtbot.waitUntil(lambda: len(found()) == 1, timeout=5000)
    qtbot.mouseClick(found()[0], Qt.MouseButton.LeftButton)


def _put_cursor(workstation: Workstation, text: str) -> None:
    editor = workstation.report.editor
    cursor = editor.textCursor()
    cursor.setPosition(editor.text().index(text) + 3)
    editor.setTextCursor(cursor)
    editor.setFocus()


def _explained(qtbot: QtBot, workstation: Workstation) -> EvidenceView:
    """Ask by the key for the evidence of the sentence at the cursor."""
    view = workstation.report.evidence
    view.explained = None
    qtbot.keyClick(workstation.report.editor, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: view.explained is not None, timeout=60_000)
    return view


@pytest.fixture
def drafted(qtbot: QtBot, opened: Workstation) -> Workstation:
    """The bundled study with a whole draft."""
    opened.draft()
    qtbot.waitUntil(lambda: opened.report.drafting, timeout=20_000)
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    return opened


def _blocks(workstation: Workstation, pane: Pane) -> int:
    scene = workstation.images.pane(pane).scene
    return 0 if scene.evidence is None else len(scene.evidence.blocks)


def test_a_sentence_on_a_finding_is_shown_where_it_comes_from(
    qtbot: QtBot, drafted: Workstation
) -> None:
    _put_cursor(drafted, "right pleural effusion")
    view = _explained(qtbot, drafted)
    evidence = view.explained.evidence
    assert evidence.grounded
    assert evidence.localised
    shown = _texts(view)
    assert evidence.note in shown
    assert "◎ Grounded" in shown
    assert "times as likely" in shown
    assert "The model’s words: “A moderate right" in shown
    assert drafted.reading.evidence is evidence.maps[0]
    before = drafted.reading.cursor
    _push(qtbot, view, "Go to")
    panes = (Pane.AXIAL, Pane.CORONAL, Pane.SAGITTAL)
    qtbot.waitUntil(lambda: all(_blocks(drafted, pane) for pane in panes), timeout=5000)
    heat = evidence.maps[0]
    cell = np.linalg.inv(heat.index_to_lps) @ (*drafted.reading.cursor, 1.0)
    strongest = np.unravel_index(int(heat.values.argmax()), heat.values.shape)[::-1]
    assert (np.abs(cell[:3] - strongest) <= 0.5).all()
    _push(qtbot, view, "Back")
    assert drafted.reading.cursor == pytest.approx(before)


def test_blocks_go_by_escape_by_the_button_and_with_the_line(
    qtbot: QtBot, drafted: Workstation
) -> None:
    _put_cursor(drafted, "right pleural effusion")
    view = _explained(qtbot, drafted)
    qtbot.keyClick(drafted.report.editor, Qt.Key.Key_Escape)
    assert drafted.reading.evidence is None
    _push(qtbot, view, "Show")
    assert drafted.reading.evidence is not None
    _push(qtbot, view, "Hide")
    assert drafted.reading.evidence is None
    _push(qtbot, view, "Show")
    axial = drafted.images.pane(Pane.AXIAL)
    axial.setFocus()
    qtbot.keyClick(axial, Qt.Key.Key_Escape)
    assert drafted.reading.evidence is None
    _push(qtbot, view, "Show")
    view.dismiss()
    assert drafted.reading.evidence is None
    assert not view.isVisible()


def test_a_stock_phrase_is_told_as_said_from_habit_and_nothing_is_drawn(
    qtbot: QtBot, drafted: Workstation
) -> None:
    _put_cursor(drafted, "right pleural effusion")
    _explained(qtbot, drafted)
    assert drafted.reading.evidence is not None
    _put_cursor(drafted, "no pericardial effusion")
    view = _explained(qtbot, drafted)
    assert not view.explained.evidence.localised
    shown = _texts(view)
    assert "○ Said from habit" in shown
    assert "not localised" in shown
    assert drafted.reading.evidence is None
    visible = [b.text() for b in view.findChildren(QPushButton) if b.isVisible()]
    assert "Go to" not in visible
    assert "Show" not in visible


def test_a_persons_sentence_is_told_as_a_persons(qtbot: QtBot, opened: Workstation) -> None:
    opened.report.show_evidence()
    assert "Put the cursor into a sentence" in _texts(opened.report.evidence)
    qtbot.keyClicks(opened.report.editor, "There is a small left pleural effusion.")
    view = _explained(qtbot, opened)
    assert view.explained.claim.origin is Origin.HUMAN
    assert "A person’s words" in _texts(view)
    assert opened.report.session.report.text == "There is a small left pleural effusion."


def test_an_answer_has_its_evidence_on_its_card(qtbot: QtBot, opened: Workstation) -> None:
    opened.ask_question()
    opened.consulting.ask("Is there pleural effusion?", ("yes", "no"))
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    card = opened.ask.history.cards()[0]
    seen: list[api.Request] = []
    submit = opened.pump.submit
    opened.pump.submit = lambda request: (seen.append(request), submit(request))[1]
    _push(qtbot, card, "Evidence")
    qtbot.waitUntil(lambda: card.evidence.explained is not None, timeout=60_000)
    (request,) = seen
    assert (request.task, request.text) == (api.Task.EVIDENCE, "Is there pleural effusion?")
    assert (request.choices, request.target) == (("yes", "no"), card.answer)
    assert request.window is None, "the usual window is asked for as usual: nothing is encoded anew"
    evidence = card.evidence.explained.evidence
    assert evidence.note in _texts(card)
    assert (opened.reading.evidence is not None) == evidence.localised


class ScriptedEngine:
    """The demonstration engine's manners, with evidence that waits, fails or is faked."""

    def __init__(self, *events: api.Event) -> None:
        self.info = api.ModelInfo("scripted", True, "scripted · not for clinical use")
        self.events = events
        self.may_go_on = Cancelled()

    def stream(self, _request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        yield api.Progress(api.Stage.EXPLAIN)
        while not (self.may_go_on.wait(0.01) or cancelled.is_set()):
            pass
        yield from (api.Stopped(),) if cancelled.is_set() else self.events

    def close(self) -> None:
        self.may_go_on.set()


FOUND = api.Evidence(
    (api.HeatMap(np.ones((2, 2, 2), np.float32), np.diag([80.0, 80.0, 80.0, 1.0])),),
    True, 0.9, True, "Strongest everywhere.",
)  # fmt: skip
DONE = api.Done(api.Provenance("scripted", "", True, api.Task.EVIDENCE))


@pytest.fixture
def asked(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> Callable[[ScriptedEngine], Workstation]:
    """A window in which a scripted engine is looking for the evidence of a typed sentence."""

    def ask(engine: ScriptedEngine) -> Workstation:
        workstation = workstation_of(engine=lambda: engine)
        with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
            workstation.opening.open_paths([settings.study])
        qtbot.keyClicks(workstation.report.editor, "There is a nodule.")
        with qtbot.waitSignal(workstation.pump.told, timeout=10_000):
            workstation.show_evidence()
        assert "looking for evidence" in _texts(workstation.report.evidence)
        assert workstation.explaining.is_busy
        return workstation

    return ask


def test_what_comes_after_another_study_was_opened_is_dropped(
    qtbot: QtBot, asked: Callable[[ScriptedEngine], Workstation], tmp_path: Path
) -> None:
    import SimpleITK as sitk

    other = sitk.GetImageFromArray(np.full((40, 60, 60), -1000, np.int16))
    sitk.WriteImage(other, str(tmp_path / "other.nii.gz"))
    engine = ScriptedEngine(FOUND, DONE)
    workstation = asked(engine)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        workstation.opening.open_paths([tmp_path / "other.nii.gz"])
    engine.may_go_on.set()
    qtbot.waitUntil(lambda: not workstation.pump.is_busy, timeout=5000)
    assert workstation.reading.evidence is None
    assert not workstation.explaining.is_busy
    assert not workstation.report.evidence.isVisible()


def test_blocks_go_when_another_study_is_opened(
    qtbot: QtBot, asked: Callable[[ScriptedEngine], Workstation], tmp_path: Path
) -> None:
    import SimpleITK as sitk

    other = sitk.GetImageFromArray(np.full((40, 60, 60), -1000, np.int16))
    sitk.WriteImage(other, str(tmp_path / "other.nii.gz"))
    engine = ScriptedEngine(FOUND, DONE)
    workstation = asked(engine)
    engine.may_go_on.set()
    qtbot.waitUntil(lambda: workstation.reading.evidence is not None, timeout=5000)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        workstation.opening.open_paths([tmp_path / "other.nii.gz"])
    assert workstation.reading.evidence is None
    assert not workstation.report.evidence.isVisible()


def test_cancelling_leaves_nothing_behind(
    qtbot: QtBot, asked: Callable[[ScriptedEngine], Workstation]
) -> None:
    workstation = asked(ScriptedEngine(FOUND, DONE))
    _push(qtbot, workstation.report.evidence, "Cancel")
    qtbot.waitUntil(lambda: not workstation.pump.is_busy, timeout=5000)
    assert not workstation.explaining.is_busy
    assert not workstation.report.evidence.isVisible()
    assert workstation.reading.evidence is None


def test_a_fault_is_told_with_its_details_and_can_be_tried_again(
    qtbot: QtBot, asked: Callable[[ScriptedEngine], Workstation]
) -> None:
    engine = ScriptedEngine(api.Failed("There is not enough memory.", "OutOfMemory()"))
    workstation = asked(engine)
    engine.may_go_on.set()
    view = workstation.report.evidence
    qtbot.waitUntil(lambda: "There is not enough memory." in _texts(view), timeout=5000)
    engine.events = (FOUND, DONE)
    _push(qtbot, view, "Try again")
    qtbot.waitUntil(lambda: "Strongest everywhere." in _texts(view), timeout=5000)
    assert workstation.reading.evidence is FOUND.maps[0]
