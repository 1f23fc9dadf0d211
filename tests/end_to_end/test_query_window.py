"""The PACS panel in the real window, against a real Orthanc by DIMSE and by DICOMweb."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from model_runtime import api
from tests.end_to_end.pacs import STUDIES, Pacs
from tests.io.pacs.conftest import PASSWORD, CuttingProxy, free_port
from workstation.app import Workstation
from workstation.archive import studies, worklist
from workstation.archive.archive import open_archive
from workstation.archive.worklist import WorklistQuery
from workstation.core.errors import ModelError
from workstation.io.pacs import retrieve
from workstation.io.pacs.patience import Patience
from workstation.settings import DicomwebPeer, PacsPeer, Settings
from workstation.tasks.job import cancel_all
from workstation.ui.study_table import Stage

WAIT = 30_000
NOW = STUDIES["now"][3]


def no_model() -> api.Engine:
    """Load none: these windows close before a model is there, and none of it is tested here."""
    raise ModelError("No model is loaded in this test.")


@pytest.fixture
def settings(tmp_path: Path, pacs: Pacs) -> Settings:
    dimse = PacsPeer(name="hall", ae_title="ORTHANC", host="127.0.0.1", port=pacs.peer.port)
    web = DicomwebPeer(name="hall web", url=pacs.url, login="basic", user="reader")
    return Settings(data_folder=tmp_path / "data", pacs_peers=[dimse], dicomweb_peers=[web])


@pytest.fixture
def shown(qtbot: QtBot, workstation_of: Callable[..., Workstation]) -> Workstation:
    """A window with the panel open and the keyboard in it."""
    workstation = workstation_of(engine=no_model)
    workstation.querying.toggle()
    qtbot.waitUntil(workstation.query.isVisible)
    return workstation


def photograph(workstation: Workstation, name: str, widget: QWidget | None = None) -> None:
    """Keep a picture where TOMOSCRIBE_SHOTS says so, for people to look at."""
    if folder := os.environ.get("TOMOSCRIBE_SHOTS"):
        QTest.qWait(700)
        (widget or workstation.window).grab().save(str(Path(folder) / f"{name}.png"))


def texts(widget: object) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisible())


def push(qtbot: QtBot, widget: object, text: str) -> None:
    (found,) = [
        one for one in widget.findChildren(QPushButton) if one.text() == text and one.isVisible()
    ]
    assert found.isEnabled(), text
    qtbot.mouseClick(found, Qt.MouseButton.LeftButton)


def look_for(qtbot: QtBot, workstation: Workstation, peer: str = "hall", **typed: str) -> None:
    form = workstation.query.form
    form.peer.setCurrentText(peer)
    for name, text in typed.items():
        form.fields[name].clear()
        qtbot.keyClicks(form.fields[name], text)
    qtbot.keyClick(form.fields[next(iter(typed))], Qt.Key.Key_Return)


def cells(workstation: Workstation, column: int) -> list[str]:
    model = workstation.query.table.model()
    return [model.index(row, column).data() for row in range(model.rowCount())]


def found(qtbot: QtBot, workstation: Workstation, count: int) -> None:
    qtbot.waitUntil(lambda: not workstation.querying.is_busy, timeout=WAIT)
    assert len(workstation.query.table.rows) == count, texts(workstation.query)


def archived(settings: Settings) -> dict[str, int]:
    """Studies of the archive by their description, and how many files each has."""
    archive = open_archive(settings.archive_address, settings.archive_folder)
    try:
        page = worklist.search(archive.database, WorklistQuery())
        return {
            row.description: sum(len(one.files) for one in studies.series_of(archive, row.id))
            for row in page.rows
        }
    finally:
        archive.close()


FIELDS = [
    ({"patient_name": "phantom"}, {"Chest follow-up", "Chest", "Abdomen", "Head"}),
    ({"patient_id": "PAT-7", "modality": "mr"}, set()),
    ({"patient_id": "PAT-7", "modality": "ct", "description": "follow"}, {"Chest follow-up"}),
    ({"accession_number": "A-9.2"}, {"Chest"}),
    ({"date_from": "2024-01-01", "date_to": "2025-12-31"}, {"Chest", "Abdomen"}),
]


def test_the_usual_fields(qtbot: QtBot, shown: Workstation) -> None:
    for typed, descriptions in FIELDS:
        shown.query.form.clear()
        look_for(qtbot, shown, **typed)
        found(qtbot, shown, len(descriptions))
        assert set(cells(shown, 5)) == descriptions
        newest = sorted(cells(shown, 3), reverse=True)
        assert cells(shown, 3) == newest, "newest first"
        assert descriptions or "Nothing was found" in texts(shown.query)


def test_a_study_comes_into_the_archive_and_opens(
    qtbot: QtBot, shown: Workstation, settings: Settings
) -> None:
    assert "Fill in one field" in texts(shown.query)
    photograph(shown, "query-empty")
    look_for(qtbot, shown, patient_name="Phantom")
    found(qtbot, shown, 4)
    assert cells(shown, 0)[0] == "Phantom Maria"
    table = shown.query.table
    table.setFocus()
    table.selectRow(0)
    photograph(shown, "query-found")
    with qtbot.waitSignal(shown.opening.loaded, timeout=WAIT):
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert shown.reading.volume.series.study_description == "Chest follow-up"
    assert shown.reading.volume.series.count == NOW
    assert cells(shown, 8)[0] == "in the archive"
    assert archived(settings) == {"Chest follow-up": NOW}
    assert not list((settings.data_folder / "retrieved").rglob("*.dcm"))
    photograph(shown, "query-opened")


def test_priors_in_one_click(
    qtbot: QtBot,
    shown: Workstation,
    settings: Settings,
    pacs: Pacs,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with qtbot.waitSignal(shown.opening.loaded, timeout=WAIT):
        shown.opening.open_paths(pacs.files["now"])
    push(qtbot, shown.query, "Priors of the open patient")
    found(qtbot, shown, 3)
    states = dict(zip(cells(shown, 5), cells(shown, 8), strict=True))
    assert states == {
        "Chest": "in the archive",
        "Abdomen": "in the archive",
        "Head": "⚠ another birth date",
    }
    assert archived(settings) == {"Chest": 12, "Abdomen": 6}
    assert shown.reading.volume.series.study_description == "Chest follow-up", "it stays open"
    assert "birth date is another one" in texts(shown.window)
    assert "files imported" in caplog.text
    assert "Phantom" not in caplog.text
    assert "PAT-7" not in caplog.text
    photograph(shown, "query-priors")


@pytest.mark.parametrize("running", [False, True], ids=["own receiver", "receiver that runs"])
def test_a_study_sent_by_c_move_comes_into_the_archive_and_opens(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    settings: Settings,
    pacs: Pacs,
    running: bool,
) -> None:
    """Orthanc sends to the AE title, host and port that it knows of this program."""
    settings.pacs_peers[0].retrieve = "move"
    settings.pacs_port, settings.pacs_receive = pacs.receive_port, running
    workstation = workstation_of(engine=no_model, settings=settings)
    receiving = workstation.querying.connecting.receiving
    qtbot.waitUntil(lambda: (receiving.borrowed() is not None) is running, timeout=WAIT)
    workstation.querying.toggle()
    look_for(qtbot, workstation, accession_number="A-9.1")
    found(qtbot, workstation, 1)
    table = workstation.query.table
    table.selectRow(0)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=WAIT):
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert workstation.reading.volume.series.count == NOW
    assert cells(workstation, 8) == ["in the archive"]
    assert archived(settings) == {"Chest follow-up": NOW}
    assert not list(settings.data_folder.rglob("*.dcm.part"))


def test_c_move_to_a_port_that_the_pacs_does_not_know_stays_incomplete(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve, "Patience", lambda: Patience(attempts=1, pause=0.05))
    settings.pacs_peers[0].retrieve = "move"
    settings.pacs_port = free_port()
    workstation = workstation_of(engine=no_model, settings=settings)
    workstation.querying.toggle()
    look_for(qtbot, workstation, accession_number="A-9.3")
    found(qtbot, workstation, 1)
    workstation.query.table.selectRow(0)
    push(qtbot, workstation.query, "Retrieve")
    row = workstation.query.table.rows[0]
    qtbot.waitUntil(lambda: row.stage is Stage.INCOMPLETE, timeout=60_000)
    assert row.arrived == 0
    assert archived(settings) == {}
    assert "retrieved in part only: 0 of 6" in texts(workstation.window)


def test_a_link_that_breaks_leaves_an_incomplete_study_that_resumes(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    settings: Settings,
    pacs: Pacs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve, "Patience", lambda: Patience(attempts=2, pause=0.05))
    proxy = CuttingProxy(pacs.peer.port, 2_500_000, cuts=0)
    settings.pacs_peers[0].port = proxy.port
    settings.pacs_peers[0].associations = 1
    workstation = workstation_of(engine=no_model, settings=settings)
    workstation.querying.toggle()
    look_for(qtbot, workstation, accession_number="A-9.1")
    found(qtbot, workstation, 1)
    row = workstation.query.table.rows[0]
    workstation.querying._fetching.changed.connect(
        lambda one: proxy.break_for_good() if one.arrived >= 1 else None
    )
    workstation.query.table.selectRow(0)
    push(qtbot, workstation.query, "Retrieve")
    qtbot.waitUntil(lambda: row.stage is Stage.INCOMPLETE, timeout=WAIT)
    assert 0 < row.arrived < NOW
    assert cells(workstation, 8) == [f"⚠ INCOMPLETE {row.arrived} of {NOW}"]
    assert archived(settings) == {"Chest follow-up": row.arrived}
    workstation.archive.archiving.toggle()
    listed = workstation.archive.archiving.panel.rows
    qtbot.waitUntil(lambda: bool(listed.rows), timeout=WAIT)
    here = f"{row.arrived} of {NOW}"
    assert listed.index(0, 5).data() == here
    assert listed.index(0, 6).data() == "unread · incomplete"
    photograph(workstation, "worklist-incomplete")
    with qtbot.waitSignal(workstation.opening.loaded, timeout=WAIT):
        workstation.archive.archiving.open_study(listed.rows[0])
    assert f"INCOMPLETE {here}" in texts(workstation.window.strip)
    assert "This study is incomplete" in texts(workstation.window)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=WAIT):
        push(qtbot, workstation.query, "Open")
    badges = texts(workstation.window.strip)
    assert f"INCOMPLETE {row.arrived} of {NOW}" in badges
    photograph(workstation, "query-incomplete")
    before, settings.pacs_peers[0].port = row.arrived, pacs.peer.port
    proxy.close()
    push(qtbot, workstation.query, "Resume")
    qtbot.waitUntil(lambda: row.stage is Stage.KEPT, timeout=WAIT)
    assert row.arrived == NOW > before
    assert archived(settings) == {"Chest follow-up": NOW}
    workstation.archive.archiving.toggle()
    qtbot.waitUntil(lambda: listed.index(0, 5).data() == str(NOW), timeout=WAIT)
    assert listed.index(0, 6).data() == "unread"


def test_cancelled_and_gone_on_by_dicomweb_with_a_login(
    qtbot: QtBot, shown: Workstation, settings: Settings
) -> None:
    look_for(qtbot, shown, "hall web", patient_name="Phantom")
    logins = shown.querying.logins
    qtbot.waitUntil(lambda: logins.dialog is not None and logins.dialog.isVisible(), timeout=WAIT)
    assert "no keyring" in texts(logins.dialog)
    photograph(shown, "query-login", logins.dialog)
    line = logins.dialog.line
    assert line.echoMode() is QLineEdit.EchoMode.Password
    qtbot.keyClicks(line, "wrong")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "does not accept the login" in texts(shown.query), timeout=WAIT)
    photograph(shown, "query-refused")
    first = logins.dialog
    push(qtbot, shown.query, "Retry")
    qtbot.waitUntil(lambda: logins.dialog is not first and logins.dialog.isVisible(), timeout=WAIT)
    logins.dialog.line.setText(PASSWORD)
    qtbot.keyClick(logins.dialog.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(shown.query.table.rows) == 4, timeout=WAIT)
    found(qtbot, shown, 4)
    row = next(one for one in shown.query.table.rows if one.answer.study_uid == "9.1")
    stop = []

    def cancel_once(one: object) -> None:
        if not stop and row.arrived >= 1:
            stop.append(one)
            shown.querying.cancel()

    shown.querying._fetching.changed.connect(cancel_once)
    shown.querying.retrieve([row], False)
    qtbot.waitUntil(lambda: bool(stop), timeout=WAIT)
    assert row.stage is Stage.INCOMPLETE
    with qtbot.waitSignal(shown.opening.loaded, timeout=WAIT):
        shown.querying.open(row)
    assert "INCOMPLETE" in texts(shown.window.strip)
    shown.querying.retrieve([row], False)
    qtbot.waitUntil(lambda: row.stage is Stage.KEPT, timeout=WAIT)
    assert archived(settings) == {"Chest follow-up": NOW}
    written = [path for path in settings.data_folder.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def test_a_peer_that_is_not_there_is_told(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> None:
    settings.pacs_peers[0].port = free_port()
    workstation = workstation_of(engine=no_model, settings=settings)
    workstation.querying.toggle()
    look_for(qtbot, workstation, patient_name="Phantom")
    qtbot.waitUntil(lambda: "Nobody listens" in texts(workstation.query), timeout=WAIT)
    photograph(workstation, "query-nobody")
    look_for(qtbot, workstation, patient_name="", date_from="yesterday")
    assert "'yesterday' is no date" in texts(workstation.query)


def test_silence_stops_no_window_and_is_cancelled(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.pacs_peers[0].port = silent.getsockname()[1]
        workstation = workstation_of(engine=no_model, settings=settings)
        workstation.querying.toggle()
        look_for(qtbot, workstation, patient_name="Phantom")
        qtbot.waitUntil(lambda: "asking hall" in texts(workstation.query), timeout=1000)
        assert workstation.querying.is_busy
        push(qtbot, workstation.query, "Cancel")
        assert not workstation.querying.is_busy
        assert "asking" not in texts(workstation.query)


@pytest.mark.parametrize("peer", ["hall", "hall web"])
def test_closing_does_not_wait_for_a_silent_peer(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings, peer: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.pacs_peers[0].port = silent.getsockname()[1]
        web = settings.dicomweb_peers[0]
        web.url, web.login = f"http://127.0.0.1:{silent.getsockname()[1]}/dicom-web", "none"
        workstation = workstation_of(engine=no_model, settings=settings)
        workstation.querying.toggle()
        look_for(qtbot, workstation, peer, patient_name="Phantom")
        qtbot.wait(1000)
        assert f"asking {peer}" in texts(workstation.query)
        began = time.monotonic()
        workstation.window.close()
        assert time.monotonic() - began < 2.0
        assert cancel_all(0), "nothing is left behind that waits for it"


def test_without_a_peer_the_panel_says_how_to_add_one(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], tmp_path: Path
) -> None:
    workstation = workstation_of(engine=no_model, settings=Settings(data_folder=tmp_path / "data"))
    qtbot.keyClick(workstation.window, Qt.Key.Key_F8)
    qtbot.waitUntil(workstation.query.isVisible)
    assert "No PACS is set up yet" in texts(workstation.query)
    push(qtbot, workstation.query, "Set up a PACS …")
    assert workstation.querying.connecting.configuring.dialog.isVisible()
    workstation.querying.connecting.configuring.dialog.reject()
    photograph(workstation, "query-none")
    workstation.window.resize(QSize(1280, 720))
    push(qtbot, workstation.query, "Close")
    assert not workstation.query.isVisible()
