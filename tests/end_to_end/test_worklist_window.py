"""The archive in the real window: import, find, open, report, sign, delete and bring back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from model_runtime.api import Engine
from tests.archive.cluster import Cluster
from tests.archive.series_files import write_slice
from workstation.app import Workstation
from workstation.archive import audit_trail, records
from workstation.archive.schema import audit
from workstation.archive.worklist import WorklistRow
from workstation.core.errors import ModelError
from workstation.settings import Settings

NAME = "Zyxwvut^Quentin"
_GRID = 24


def _scan(folder: Path, study: int = 1, name: str = NAME, slices: int = 8, **more: object) -> Path:
    """A small CT study of its own; returns its folder."""
    for number in range(slices):
        voxels = np.full((_GRID, _GRID), 10 * number + study, np.int16)
        facts = {"PatientID": f"P-{study}", "StudyDescription": f"CT number {study}",
                 "Rows": _GRID, "Columns": _GRID, "PixelData": voxels.tobytes()}  # fmt: skip
        write_slice(
            folder / f"{study}" / f"{number}.dcm", number, study=f"1.2.3.{study}",
            series=f"1.2.3.{study}.1", uid=f"1.2.3.{study}.1.{number + 1}", name=name,
            **(facts | more),
        )  # fmt: skip
    return folder / f"{study}"


def _rows(workstation: Workstation) -> list[WorklistRow]:
    return workstation.archive.archiving.panel.rows.rows


def _listed(qtbot: QtBot, workstation: Workstation, count: int) -> list[WorklistRow]:
    """Show the worklist and wait until it has that many studies."""
    archiving = workstation.archive.archiving
    if not archiving.is_shown:
        archiving.toggle()
    qtbot.waitUntil(lambda: len(_rows(workstation)) == count, timeout=15_000)
    return _rows(workstation)


def _imported(qtbot: QtBot, workstation: Workstation, *paths: Path) -> None:
    with qtbot.waitSignal(workstation.archive.storing.ended, timeout=30_000):
        workstation.archive.archiving.import_paths(list(paths))


def _open(qtbot: QtBot, workstation: Workstation, row: WorklistRow) -> None:
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        workstation.archive.archiving.open_study(row)
    report = workstation.report
    qtbot.waitUntil(
        lambda: report.session is not None and report.session.study_key == row.study_key
    )


def _saved(qtbot: QtBot, workstation: Workstation, version: int) -> None:
    workstation.report.save()
    qtbot.waitUntil(lambda: f"v{version}" in workstation.report.status, timeout=20_000)


def _type(qtbot: QtBot, workstation: Workstation, text: str) -> None:
    editor = workstation.report.editor
    editor.setFocus()
    qtbot.keyClick(editor, Qt.Key.Key_End, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(editor, text)


def _audited(workstation: Workstation) -> list[str]:
    with workstation.archive.archive.database.transaction() as connection:
        assert audit_trail.verify(connection).broken is None
        return list(connection.scalars(audit.select().with_only_columns(audit.c.action)))


def _button(workstation: Workstation, text: str) -> QPushButton:
    """The button of a notification that is on screen."""
    found = [b for b in workstation.window.findChildren(QPushButton) if b.text() == text]
    return next(b for b in reversed(found) if b.isVisible())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.close()


def _no_model() -> Engine:
    raise ModelError("These tests need no model.")


@pytest.fixture
def another(workstation_of: Callable[..., Workstation]) -> Callable[..., Workstation]:
    """Open a window that loads no model."""
    return partial(workstation_of, engine=_no_model)


@pytest.fixture
def workstation(another: Callable[..., Workstation]) -> Workstation:
    return another()


def test_an_empty_archive_says_what_to_do(qtbot: QtBot, workstation: Workstation) -> None:
    archiving = workstation.archive.archiving
    qtbot.keyClick(workstation.window, Qt.Key.Key_F7)
    qtbot.waitUntil(lambda: archiving.is_shown and not archiving.searching.is_busy, timeout=20_000)
    told = [label.text() for label in archiving.panel.findChildren(QLabel) if label.isVisible()]
    assert any("Import a folder, a ZIP or files" in text for text in told)
    assert archiving.panel.search.hasFocus()
    assert not workstation.window.docks["report"].isVisible(), "no report beside others' rows"
    qtbot.keyClick(archiving.panel.search, Qt.Key.Key_Escape)
    assert not archiving.is_shown
    assert workstation.window.docks["report"].isVisible()


def test_import_find_open_report_and_sign(
    qtbot: QtBot, workstation: Workstation, another: Callable[..., Workstation],
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    for study in (1, 2, 3):
        _scan(tmp_path / "in", study)
    _imported(qtbot, workstation, tmp_path / "in")
    panel = workstation.archive.archiving.panel
    assert [row.status for row in _listed(qtbot, workstation, 3)] == ["unread"] * 3
    qtbot.keyClicks(panel.search, "zyx p2")
    qtbot.waitUntil(lambda: len(_rows(workstation)) == 1, timeout=20_000)
    assert panel.rows.index(0, 0).data() == "Zyxwvut, Quentin"
    qtbot.keyClick(panel.search, Qt.Key.Key_Down)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        qtbot.keyClick(panel.table, Qt.Key.Key_Return)
    assert not workstation.archive.archiving.is_shown
    volume = workstation.reading.volume
    assert volume.series.study_description == "CT number 2"
    assert volume.voxels[3, 0, 0] == 32
    assert volume.series.study_key == panel.rows.rows[0].study_key

    _type(qtbot, workstation, "Normal.")
    _shows_status(qtbot, workstation, "drafted")
    _saved(qtbot, workstation, 1)
    workstation.report.sign()
    qtbot.waitUntil(lambda: workstation.report.status.startswith("signed"), timeout=20_000)
    _shows_status(qtbot, workstation, "signed")
    with qtbot.waitSignal(workstation.exporting.exported):
        workstation.exporting.export(tmp_path / "report.txt", "text")
    assert "SIGNED" in (tmp_path / "report.txt").read_text()
    want = {"imported", "study opened", "report saved", "report signed", "report exported"}
    qtbot.waitUntil(lambda: want <= set(_audited(workstation)), timeout=20_000)
    assert "Zyxwvut" not in caplog.text
    workstation.window.close()

    again = another()
    _open(qtbot, again, next(r for r in _listed(qtbot, again, 3) if r.status == "signed"))
    assert again.report.session.report.text == "Normal."
    assert again.report.status.startswith("signed")


def _shows_status(qtbot: QtBot, workstation: Workstation, status: str) -> None:
    workstation.archive.archiving.toggle()
    qtbot.waitUntil(lambda: [row.status for row in _rows(workstation)] == [status], timeout=20_000)
    workstation.archive.archiving.toggle()


def test_delete_is_undone_by_its_notification_and_by_the_list_of_the_deleted(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    _imported(qtbot, workstation, _scan(tmp_path, 1), _scan(tmp_path, 2))
    _listed(qtbot, workstation, 2)
    panel = workstation.archive.archiving.panel
    panel.table.setFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Delete)
    _listed(qtbot, workstation, 1)
    qtbot.mouseClick(_button(workstation, "Undo"), Qt.MouseButton.LeftButton)
    _listed(qtbot, workstation, 2)
    panel.table.go_to(1)
    qtbot.mouseClick(_button(workstation, "Delete"), Qt.MouseButton.LeftButton)
    _listed(qtbot, workstation, 1)
    panel.filter.setCurrentText("Deleted")
    qtbot.waitUntil(
        lambda: [row.deleted_utc is None for row in _rows(workstation)] == [False], timeout=20_000
    )
    assert panel.rows.index(0, 6).data().startswith("deleted")
    qtbot.mouseClick(_button(workstation, "Restore"), Qt.MouseButton.LeftButton)
    _listed(qtbot, workstation, 0)
    panel.filter.setCurrentText("All studies")
    _listed(qtbot, workstation, 2)
    acts = _audited(workstation)
    assert (acts.count("study deleted"), acts.count("deletion undone")) == (2, 2)


def test_what_the_model_wrote_is_kept_with_its_weights(qtbot: QtBot, opened: Workstation) -> None:
    opened.archive.keep_open()
    qtbot.waitUntil(
        lambda: len(_rows(opened)) == 1 or not opened.archive.storing.is_busy, timeout=20_000
    )
    opened.draft()
    qtbot.waitUntil(lambda: opened.report.drafting, timeout=20_000)
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    opened.consulting.ask("Is there a pleural effusion?", ("yes", "no"))
    qtbot.waitUntil(lambda: not opened.consulting.is_busy, timeout=60_000)
    key, archive = opened.reading.volume.series.study_key, opened.archive.archive
    qtbot.waitUntil(lambda: len(records.model_runs(archive, key)) == 2, timeout=10_000)
    draft, answer = records.model_runs(archive, key)
    assert draft.provenance["weights_sha256"] == opened.consulting.info.weights_sha256
    assert (draft.provenance["kind"], answer.provenance["kind"]) == ("draft", "question")
    assert draft.provenance["text"] in opened.report.session.report.text
    assert draft.run_id == opened.report.session.report.runs[0].id
    assert answer.provenance["question"] == "Is there a pleural effusion?"
    assert answer.provenance["text"]
    assert answer.created_utc > draft.created_utc
    assert {draft.provenance["outcome"], answer.provenance["outcome"]} == {"done"}
    opened.report.sign()
    assert any("not accepted yet" in text for text in opened.notifications.texts)
    assert "report signed" not in _audited(opened)
    row = _listed(qtbot, opened, 1)[0]
    qtbot.waitUntil(lambda: _rows(opened)[0].status == "drafted", timeout=20_000)
    assert row.study_key == key


def test_a_cancelled_draft_is_kept_as_cancelled_with_what_was_written(
    qtbot: QtBot, opened: Workstation, tmp_path: Path
) -> None:
    """By Cancel, by another study in the middle of it, and by closing the window."""
    key, archive = opened.reading.volume.series.study_key, opened.archive.archive
    report = opened.report
    opened.draft()
    qtbot.waitUntil(lambda: len(report.session.report.text) > 20, timeout=30_000)
    opened.cancel()
    qtbot.waitUntil(lambda: len(records.model_runs(archive, key)) == 1, timeout=10_000)
    (run,) = records.model_runs(archive, key)
    assert run.provenance["outcome"] == "cancelled"
    assert run.provenance["kind"] == "draft"
    assert run.provenance["weights_sha256"] == opened.consulting.info.weights_sha256
    assert run.provenance["tokens"] > 0
    assert len(run.provenance["text"]) > 20
    assert run.provenance["text"].strip() in report.session.report.text
    assert run.run_id == report.session.report.runs[0].id
    first = opened.reading.volume
    with qtbot.waitSignal(opened.opening.loaded, timeout=30_000):
        opened.opening.open_paths([_scan(tmp_path / "in")])
    other = opened.reading.volume.series.study_key
    assert other != key
    opened.consulting.ask("Is there a pleural effusion?")
    opened.opening._show(first)  # the first slice of a study that was chosen meanwhile
    qtbot.waitUntil(lambda: len(records.model_runs(archive, other)) == 1, timeout=10_000)
    assert records.model_runs(archive, other)[0].provenance["outcome"] == "cancelled"
    assert len(records.model_runs(archive, key)) == 1
    qtbot.waitUntil(lambda: report.session is not None, timeout=10_000)
    qtbot.waitUntil(lambda: not opened.pump.is_busy, timeout=10_000)
    opened.draft()
    assert opened.consulting.is_busy
    opened.window.close()
    last = records.model_runs(archive, key)[-1]
    assert (last.provenance["outcome"], last.provenance["kind"]) == ("cancelled", "draft")
    assert last.run_id != run.run_id


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_windows_lose_nothing_of_each_other(
    qtbot: QtBot, another: Callable[..., Workstation], tmp_path: Path, kind: str,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    url = request.getfixturevalue("cluster").new_database() if kind == "postgresql" else ""
    settings = Settings(data_folder=tmp_path / "data", archive_url=url, author="Dr. Test")
    one, other = another(settings=settings), another(settings=settings)
    _imported(qtbot, one, _scan(tmp_path / "in"))
    for window in (one, other):
        _open(qtbot, window, _listed(qtbot, window, 1)[0])
    _type(qtbot, one, "Of one.")
    _type(qtbot, other, "Of the other.")
    journal = other.journal
    key = one.report.session.study_key
    qtbot.waitUntil(lambda: bool(journal.archive.typed_elsewhere(key)), timeout=20_000)
    other.archive.watching.look()
    qtbot.waitUntil(
        lambda: any("Another window is writing" in text for text in other.notifications.texts)
    )
    _saved(qtbot, one, 1)
    other.archive.watching.look()
    told = "Version 1 of this report was saved in another window"
    qtbot.waitUntil(lambda: any(told in text for text in other.notifications.texts), timeout=20_000)
    assert other.report.session.report.text == "Of the other.", "nothing is replaced unasked"
    qtbot.mouseClick(_button(other, "Show it"), Qt.MouseButton.LeftButton)
    assert other.report.session.report.text == "Of the other."
    _saved(qtbot, other, 2)
    texts = [version.report.text for version in journal.archive.versions(key)]
    assert texts == ["Of one.", "Of the other."]

    one.archive.watching.look()
    told = "Version 2 of this report was saved in another window"
    qtbot.waitUntil(lambda: any(told in text for text in one.notifications.texts), timeout=20_000)
    qtbot.mouseClick(_button(one, "Show it"), Qt.MouseButton.LeftButton)
    assert one.report.session.report.text == "Of the other.", "nothing was unsaved here"
    _type(qtbot, one, " And more.")
    _saved(qtbot, one, 3)


def test_a_study_another_window_deleted_is_not_deleted_twice(
    qtbot: QtBot, another: Callable[..., Workstation], tmp_path: Path
) -> None:
    one, other = another(), another()
    _imported(qtbot, one, _scan(tmp_path / "in"))
    row = _listed(qtbot, one, 1)[0]
    stale = _listed(qtbot, other, 1)[0]
    one.archive.archiving.delete(row)
    _listed(qtbot, one, 0)
    other.archive.archiving.delete(stale)
    qtbot.waitUntil(
        lambda: any("changed in another window" in text for text in other.notifications.texts)
    )
    _listed(qtbot, other, 0)


@pytest.mark.parametrize("address", ["postgresql://nobody@127.0.0.1:1/none", "a folder"])
def test_without_its_archive_the_window_says_so_and_reads_on(
    qtbot: QtBot, another: Callable[..., Workstation], tmp_path: Path, address: str
) -> None:
    if address == "a folder":
        (tmp_path / "data" / "archive.db").mkdir(parents=True)
        address = f"sqlite:///{tmp_path / 'data' / 'archive.db'}"
    settings = Settings(data_folder=tmp_path / "data", archive_url=address, author="Dr. Test")
    workstation = another(settings=settings)
    archiving = workstation.archive.archiving
    qtbot.waitUntil(
        lambda: any("Scans can be opened as before" in t for t in workstation.notifications.texts),
        timeout=15_000,
    )
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        workstation.opening.open_paths([_scan(tmp_path / "in")])
    assert workstation.reading.volume.complete
    qtbot.waitUntil(lambda: workstation.report.session is not None, timeout=15_000)
    _type(qtbot, workstation, "Typed.")
    assert workstation.report.session.report.text == "Typed."
    archiving.toggle()
    assert archiving.panel.fault.isVisible()
    retry = _button(workstation, "Try again")
    with qtbot.waitSignal(archiving.searching.failed, timeout=15_000):
        qtbot.mouseClick(retry, Qt.MouseButton.LeftButton)
    workstation.window.close()  # held once, and a copy written, since typing is nowhere else
    assert workstation.window.isVisible()


def test_a_cancelled_import_keeps_whole_studies_and_goes_on(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    for study in range(1, 7):
        _scan(tmp_path / "in", study)
    storing = workstation.archive.storing
    workstation.archive.archiving.toggle()

    def cancel_soon(text: str, _fraction: float | None) -> None:
        if "series 3 of" in text:
            qtbot.mouseClick(_button(workstation, "Cancel"), Qt.MouseButton.LeftButton)

    storing.progress.connect(cancel_soon)
    _imported(qtbot, workstation, tmp_path / "in")
    storing.progress.disconnect(cancel_soon)
    assert any("cancelled; " in text for text in workstation.notifications.texts)
    kept = _listed(qtbot, workstation, len(_rows(workstation)))
    assert all(row.file_count == 8 for row in kept)
    _imported(qtbot, workstation, tmp_path / "in")
    _listed(qtbot, workstation, 6)


def test_files_left_where_they_are_are_told_when_they_changed(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    panel = workstation.archive.archiving.panel
    panel.imports.set_copies(False)
    folder = _scan(tmp_path / "in")
    _imported(qtbot, workstation, folder)
    row = _listed(qtbot, workstation, 1)[0]
    assert not list(workstation.archive.archive.store.contents())
    _open(qtbot, workstation, row)
    assert not any("what was imported" in text for text in workstation.notifications.texts)
    (folder / "7.dcm").unlink()
    _open(qtbot, workstation, row)
    assert any("no more what was imported" in text for text in workstation.notifications.texts)
    assert workstation.reading.volume.geometry.shape[0] == 7


def test_an_archived_volume_file_keeps_its_name_and_that_it_is_synthetic(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    import SimpleITK as sitk

    path = tmp_path / "SYNTHETIC_chest.nii.gz"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((20, 30, 30), -900, np.int16)), str(path))
    _imported(qtbot, workstation, path)
    _open(qtbot, workstation, _listed(qtbot, workstation, 1)[0])
    series = workstation.reading.volume.series
    assert (series.description, series.synthetic) == (path.name, True)


def test_dropping_on_the_worklist_imports_and_on_the_images_opens(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    workstation.archive.archiving.toggle()
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(_scan(tmp_path / "in")))])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    workstation.archive.archiving.panel.dropEvent(event)
    _listed(qtbot, workstation, 1)
    assert workstation.reading.volume is None


def test_next_and_previous_study_by_keys(
    qtbot: QtBot, workstation: Workstation, tmp_path: Path
) -> None:
    for study in (1, 2, 3):
        _scan(tmp_path / "in", study, StudyDate=f"2026020{study}")
    _imported(qtbot, workstation, tmp_path / "in")
    rows = _listed(qtbot, workstation, 3)
    assert [row.date for row in rows] == ["2026-02-03", "2026-02-02", "2026-02-01"]
    table = workstation.archive.archiving.panel.table
    place = table.visualRect(table.model().index(0, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
        qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    assert workstation.reading.volume.series.study_key == rows[0].study_key
    for key, place in ((Qt.Key.Key_Down, 1), (Qt.Key.Key_Down, 2), (Qt.Key.Key_Up, 1)):
        workstation.images.setFocus()
        with qtbot.waitSignal(workstation.opening.loaded, timeout=30_000):
            qtbot.keyClick(workstation.images, key, Qt.KeyboardModifier.ControlModifier)
        assert workstation.reading.volume.series.study_key == rows[place].study_key
