"""README's pictures are made here, from the real window; set TOMOSCRIBE_PICTURES to keep them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.end_to_end.pacs import Pacs
from workstation.app import Workstation
from workstation.core.display import Window
from workstation.core.session import Pane
from workstation.settings import PacsPeer, Settings


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[Workstation, str], QImage]:
    folder = Path(os.environ.get("TOMOSCRIBE_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def save(workstation: Workstation, name: str) -> QImage:
        QApplication.processEvents()  # cards that have just grown are laid out
        picture = workstation.window.grab().toImage()
        assert picture.save(str(folder / f"{name}.png"))
        return picture

    return save


def _colours(picture: QImage) -> int:
    step = 7
    return len(
        {
            picture.pixel(x, y)
            for x in range(0, picture.width(), step)
            for y in range(0, picture.height(), step)
        }
    )


def _show_evidence_of(qtbot: QtBot, workstation: Workstation, words: str) -> None:
    """Look for the evidence of the sentence with these words and go where it is strongest."""
    editor, view = workstation.report.editor, workstation.report.evidence
    cursor = editor.textCursor()
    cursor.setPosition(editor.text().index(words))
    editor.setTextCursor(cursor)
    workstation.show_evidence()
    qtbot.waitUntil(lambda: view.explained is not None, timeout=60_000)
    assert view.explained.evidence.localised
    view.go_requested.emit(view)
    sagittal = workstation.images.pane(Pane.SAGITTAL)
    qtbot.waitUntil(lambda: sagittal.scene.evidence is not None, timeout=5000)
    qtbot.waitUntil(lambda: bool(sagittal.scene.evidence.blocks), timeout=5000)


def test_pictures_of_every_job(
    qtbot: QtBot, opened: Workstation, keep: Callable[[Workstation, str], QImage]
) -> None:
    opened.window.resize(QSize(1440, 810))
    opened.reading.window = Window(1500, -600)
    opened.reading.point_at((-62.0, 35.0, -70.0))
    volume_pane = opened.images.pane(Pane.VOLUME)
    qtbot.waitUntil(lambda: volume_pane.picture is not None, timeout=60_000)

    opened.draft()
    qtbot.waitUntil(lambda: opened.report.drafting, timeout=20_000)
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    assert _colours(keep(opened, "draft")) > 50

    # The scan does hold an effusion, on the right.
    _show_evidence_of(qtbot, opened, "right pleural effusion")
    assert _colours(keep(opened, "evidence")) > 50
    opened.report.evidence.go_requested.emit(opened.report.evidence)
    opened.report.evidence.dismiss()

    opened.ask_question()
    opened.consulting.ask("Is there a pleural effusion?", ("yes", "no"))
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    opened.consulting.ask("Which abnormalities are present?")
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    assert _colours(keep(opened, "ask")) > 50

    opened.find_similar()
    qtbot.waitUntil(lambda: bool(opened.similar.cases.cards()), timeout=60_000)
    opened.priors.open_case(opened.similar.cases.cards()[0].case.case_id)
    qtbot.waitUntil(lambda: opened.images.beside is not None, timeout=60_000)
    qtbot.wait(1500)
    assert _colours(keep(opened, "similar")) > 50


def test_picture_of_the_pacs(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    settings: Settings,
    pacs: Pacs,
    keep: Callable[[Workstation, str], QImage],
) -> None:
    peer = PacsPeer(name="hospital", ae_title="ORTHANC", host="127.0.0.1", port=pacs.peer.port)
    workstation = workstation_of(settings=settings.model_copy(update={"pacs_peers": [peer]}))
    with qtbot.waitSignals([workstation.opening.loaded, workstation.pump.loaded], timeout=60_000):
        workstation.opening.open_paths(pacs.files["now"])
    workstation.window.resize(QSize(1440, 810))
    volume_pane = workstation.images.pane(Pane.VOLUME)
    qtbot.waitUntil(lambda: volume_pane.picture is not None, timeout=60_000)
    workstation.querying.priors()
    qtbot.waitUntil(lambda: not workstation.querying.is_busy, timeout=60_000)
    assert len(workstation.query.table.rows) == 3
    workstation.query.table.selectRow(0)
    qtbot.wait(1500)
    assert _colours(keep(workstation, "pacs")) > 50
