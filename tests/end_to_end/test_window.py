"""A reader's day in the real window: open, read, draft, ask, find similar, edit, save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from workstation.app import Workstation
from workstation.core.authorship import Origin
from workstation.core.display import Window
from workstation.core.errors import StorageError
from workstation.core.geometry import Plane
from workstation.core.session import Pane
from workstation.settings import Settings


def _texts(widget: object) -> str:
    QApplication.processEvents()  # a layout shows its new widgets at the next turn
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def _drafted(qtbot: QtBot, workstation: Workstation) -> str:
    workstation.draft()
    qtbot.waitUntil(lambda: workstation.report.drafting, timeout=10_000)
    qtbot.waitUntil(lambda: not workstation.consulting.is_busy, timeout=60_000)
    return workstation.report.session.report.text


def test_the_bundled_study_opens_in_four_linked_views(qtbot: QtBot, opened: Workstation) -> None:
    volume = opened.reading.volume
    assert volume.complete
    assert volume.series.synthetic
    assert opened.series_panel.series[0].key == volume.key
    assert "not for clinical use" in opened.window.strip.model_text
    axial = opened.images.pane(Pane.AXIAL)
    before = axial.scene.slice_index
    axial.setFocus()
    qtbot.waitUntil(axial.hasFocus)
    qtbot.keyClick(axial, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: axial.scene.slice_index == before + 1)
    coronal = opened.images.pane(Pane.CORONAL)
    qtbot.waitUntil(lambda: coronal.scene.cross[1] != 0)
    qtbot.keyClick(axial, Qt.Key.Key_2)
    assert (opened.reading.window.width, opened.reading.window.center) == (1500, -600)


def test_draft_edit_save_and_find_it_again(
    qtbot: QtBot, opened: Workstation, workstation_of: Callable[..., Workstation],
    settings: Settings,
) -> None:  # fmt: skip
    text = _drafted(qtbot, opened)
    assert "Findings" in text
    report = opened.report.session.report
    assert {s.origin for s in report.sentences} == {Origin.MODEL}
    assert report.runs[0].provenance.demonstration
    editor = opened.report.editor
    editor.setFocus()
    qtbot.keyClick(editor, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    window = opened.reading.window
    qtbot.keyClicks(editor, "I compared 2 priors.")
    assert opened.reading.window == window, "digits typed in the report choose no window"
    report = opened.report.session.report
    assert report.text.endswith("I compared 2 priors.")
    assert report.sentences[-1].origin is Origin.HUMAN
    opened.report.save()
    qtbot.waitUntil(lambda: "v1" in opened.report.status, timeout=5000)
    opened.window.close()

    again = workstation_of()
    with qtbot.waitSignal(again.opening.loaded, timeout=60_000):
        again.opening.open_paths([settings.study])
    assert again.report.session.report.text == report.text
    assert again.report.session.report.sentences[-1].origin is Origin.HUMAN


def test_cancelling_a_draft_keeps_what_is_written(qtbot: QtBot, opened: Workstation) -> None:
    opened.draft()
    qtbot.waitUntil(lambda: len(opened.report.session.report.text) > 20, timeout=30_000)
    opened.cancel()
    kept = opened.report.session.report.text
    assert not opened.report.drafting
    qtbot.waitUntil(lambda: not opened.pump.is_busy, timeout=1000)
    assert opened.report.session.report.text == kept


def test_a_question_is_answered_and_inserted(qtbot: QtBot, opened: Workstation) -> None:
    opened.ask_question()
    opened.consulting.ask("Is there pleural effusion?", ("yes", "no"))
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    shown = _texts(opened.ask)
    assert "%" in shown
    assert "slices 1–110 of 110" in shown
    assert "decimated" in shown
    card = opened.ask.history.cards()[0]
    card._on_insert()
    sentence = opened.report.session.report.sentences[-1]
    assert card.answer in opened.report.session.report.text
    assert sentence.origin is Origin.MODEL


def test_similar_cases_and_one_beside(qtbot: QtBot, opened: Workstation) -> None:
    opened.find_similar()
    qtbot.waitUntil(lambda: bool(opened.similar.cases.cards()), timeout=60_000)
    cards = opened.similar.cases.cards()
    scores = [card.case.score for card in cards]
    assert scores == sorted(scores, reverse=True)
    assert cards[0].case.region == "chest"
    opened.priors.open_case(cards[0].case.case_id)
    qtbot.waitUntil(lambda: opened.images.beside is not None, timeout=60_000)
    assert opened.images.beside.reading.other_patient
    opened.images.close_beside()
    opened.consulting.search_text("right lower lobe nodule")
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=30_000)
    assert "right lower lobe nodule" in _texts(opened.similar)


def test_switching_the_study_in_the_middle_of_a_draft(
    qtbot: QtBot, opened: Workstation, tmp_path: Path
) -> None:
    """The late words go nowhere: neither into the old nor into the new report."""
    import SimpleITK as sitk

    other = sitk.GetImageFromArray(np.full((40, 60, 60), -1000, np.int16))
    sitk.WriteImage(other, str(tmp_path / "other.nii.gz"))
    opened.draft()
    qtbot.waitUntil(lambda: opened.report.drafting, timeout=30_000)
    first = opened.report.session
    with qtbot.waitSignal(opened.opening.loaded, timeout=30_000):
        opened.opening.open_paths([tmp_path / "other.nii.gz"])
    kept = first.report.text
    qtbot.waitUntil(lambda: not opened.pump.is_busy, timeout=5000)
    assert opened.report.session is not first
    assert opened.report.session.report.text == ""
    assert first.report.text == kept
    opened.draft()
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=30_000)
    assert opened.report.session.report.text == ""


def test_dropping_a_folder_opens_it(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> None:
    workstation = workstation_of()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(settings.study))])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
        workstation.window.dropEvent(event)
    assert workstation.reading.volume.geometry.nearest_plane is Plane.AXIAL


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(200), b"text"])
def test_a_file_that_is_no_scan_is_told_quietly(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "wrong.dcm"
    path.write_bytes(content)
    workstation = workstation_of()
    workstation.opening.open_paths([path])
    qtbot.waitUntil(lambda: bool(workstation.notifications.texts), timeout=20_000)
    assert "scan" in workstation.notifications.texts[0].lower()
    assert workstation.reading.volume is None


def test_without_a_model_reading_and_typing_go_on(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings, tmp_path: Path
) -> None:
    broken = settings.model_copy(update={"model_folder": tmp_path / "none"})
    workstation = workstation_of(settings=broken)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
        workstation.opening.open_paths([settings.study])
    strip = workstation.window.strip
    qtbot.waitUntil(lambda: strip.model_text == "no model loaded", timeout=30_000)
    assert any("no model folder" in text for text in workstation.notifications.texts)
    workstation.report.editor.setFocus()
    qtbot.keyClicks(workstation.report.editor, "Typed.")
    assert workstation.report.session.report.text == "Typed."
    workstation.draft()
    qtbot.waitUntil(lambda: not workstation.consulting.is_busy, timeout=5000)
    assert workstation.report.session.report.text == "Typed."


def test_a_folder_that_cannot_be_written_is_told_and_typing_goes_on(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = settings.model_copy(update={"data_folder": tmp_path / "file" / "data"})
    workstation = workstation_of(settings=blocked)
    assert any("data" in text for text in workstation.notifications.texts)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
        workstation.opening.open_paths([settings.study])


def test_the_key_list_and_the_log_open_and_close(qtbot: QtBot, opened: Workstation) -> None:
    opened._show_keys()
    qtbot.waitUntil(lambda: "Window and level" in _texts(opened._keys))
    assert opened.window.rect().contains(opened._keys.geometry()), "all of it is in the window"
    qtbot.keyClick(opened._keys, Qt.Key.Key_Escape)
    assert not opened._keys.isVisible()
    opened._show_about()
    assert opened._sheet.isVisible()
    qtbot.keyClick(opened._sheet, Qt.Key.Key_Escape)
    assert not opened._sheet.isVisible()


def test_export_is_marked_as_unsigned(qtbot: QtBot, opened: Workstation, tmp_path: Path) -> None:
    qtbot.keyClicks(opened.report.editor, "Typed by me.")
    with qtbot.waitSignal(opened.exporting.ended):
        opened.exporting.export(tmp_path / "out.txt", "text")
    text = (tmp_path / "out.txt").read_text()
    assert "UNSIGNED DRAFT" in text
    assert "Typed by me." in text
    with qtbot.waitSignal(opened.exporting.ended):
        opened.exporting.export(tmp_path / "none" / "out.txt", "text")
    assert any("none" in told for told in opened.notifications.texts)


def test_the_model_can_be_shown_another_window(qtbot: QtBot, opened: Workstation) -> None:
    for name, expected in (("shown", (-1350, 150)), ("abdomen", (-160, 340))):
        opened.reading.window = Window.from_range(-1350, 150)
        opened._set_model_window(name)
        opened.consulting.ask("Is there nodule?", ("yes", "no"))
        qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
        low, high = expected
        told = f"{low}…{high} HU".replace("-", "−")
        assert told in _texts(opened.ask.history.cards()[0])


def test_closing_waits_once_for_typing_that_is_not_on_disk(
    qtbot: QtBot, opened: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageError("The disk is full. Free some space.")

    monkeypatch.setattr(opened.journal.archive, "write_journal", full)
    qtbot.keyClicks(opened.report.editor, "Not on disk.")
    session = opened.report.session
    qtbot.waitUntil(lambda: session.status().journal.error is not None, timeout=5000)
    opened.window.close()
    assert opened.window.isVisible()
    (told,) = [text for text in opened.notifications.texts if "Close again" in text]
    copy = Path(told.split("written to ")[1].split(".json")[0] + ".json")
    assert "Not on disk." in copy.read_text()
    copy.unlink()
    opened.window.close()
    assert not opened.window.isVisible()
