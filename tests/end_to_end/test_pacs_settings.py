"""The settings of PACS in the real window: checked, tested against Orthanc, written, used."""

from __future__ import annotations

import os
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from model_runtime import api
from tests.end_to_end.pacs import Pacs
from tests.io.pacs.conftest import PASSWORD, free_port
from workstation.app import Workstation
from workstation.core.errors import ModelError, NetworkError
from workstation.io.pacs.find import echo
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.send import send
from workstation.settings import DicomwebPeer, PacsPeer, Settings, load_settings, settings_file
from workstation.ui.field_form import FieldForm
from workstation.ui.pacs_settings import PacsSettings

WAIT = 30_000


def no_model() -> api.Engine:
    raise ModelError("No model is loaded in this test.")


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file of this test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return settings_file()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_folder=tmp_path / "data")


@pytest.fixture
def memory() -> Iterator[Any]:
    """A keyring in memory; its class is known to the library from its import on, so not before."""
    before = keyring.get_keyring()
    from tests.io.pacs.test_login import MemoryKeyring

    keyring.set_keyring(MemoryKeyring())
    yield keyring.get_keyring()
    keyring.set_keyring(before)


@pytest.fixture
def page_of(
    qtbot: QtBot, workstation_of: Callable[..., Workstation]
) -> Callable[..., tuple[Workstation, PacsSettings]]:
    """Open a window and its page of settings, as the menu does."""

    def make(**more: object) -> tuple[Workstation, PacsSettings]:
        workstation = workstation_of(engine=no_model, **more)
        return workstation, open_page(qtbot, workstation)

    return make


def open_page(qtbot: QtBot, workstation: Workstation) -> PacsSettings:
    qtbot.keyClick(
        workstation.window, Qt.Key.Key_P,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier,
    )  # fmt: skip
    configuring = workstation.querying.connecting.configuring
    qtbot.waitUntil(lambda: configuring.dialog is not None and configuring.dialog.isVisible())
    return configuring.dialog


def photograph(page: PacsSettings, name: str, size: tuple[int, int] = (1366, 768)) -> None:
    if folder := os.environ.get("TOMOSCRIBE_SHOTS"):
        window = page.parentWidget()
        window.resize(QSize(*size))
        QTest.qWait(500)
        page.screen().grabWindow(0).save(str(Path(folder) / f"{name}.png"))


def texts(widget: QWidget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisible())


def push(qtbot: QtBot, widget: QWidget, text: str) -> None:
    (found,) = [
        one for one in widget.findChildren(QPushButton) if one.text() == text and one.isVisible()
    ]
    assert found.isEnabled(), text
    qtbot.mouseClick(found, Qt.MouseButton.LeftButton)


def type_into(qtbot: QtBot, form: FieldForm, **typed: str) -> None:
    for name, text in typed.items():
        form.line(name).clear()
        qtbot.keyClicks(form.line(name), text)


def answered(qtbot: QtBot, page: PacsSettings, text: str) -> None:
    qtbot.waitUntil(lambda: text in texts(page.peers), timeout=WAIT)


def test_a_node_is_set_up_checked_tested_and_searched_without_a_restart(
    qtbot: QtBot,
    page_of: Callable[..., tuple[Workstation, PacsSettings]],
    pacs: Pacs,
    file: Path,
    settings: Settings,
) -> None:
    workstation, page = page_of()
    assert "No PACS is set up yet" in texts(page)
    photograph(page, "settings-none")
    push(qtbot, page, "Add DICOM node")
    form = page.peers.forms["node"]
    # Not hasFocus: without a window manager another window may be the active one.
    assert page.focusWidget() is form.line("name")
    assert not page.saves.isEnabled()
    wrong = {"name": "hall", "ae_title": "AN_AE_TITLE_OF_17", "host": "127.0 .0.1", "port": "70000"}
    type_into(qtbot, form, **wrong, charset="KLINGON", associations="many")
    for sentence in ("1 to 16 ASCII characters", "an address, without blanks", "1 to 65535",
                     "No character set of DICOM", "from 1 to 16."):  # fmt: skip
        assert sentence in texts(form), sentence
    assert "5 entries have to be put right" in texts(page)
    assert not page.saves.isEnabled()
    photograph(page, "settings-faults")
    photograph(page, "settings-faults-large", (1920, 1080))
    photograph(page, "settings-faults-small", (1024, 600))
    type_into(qtbot, form, ae_title="ORTHANC", host="127.0.0.1", port=str(free_port()))
    type_into(qtbot, form, charset="ISO_IR 192", associations="2")
    assert page.saves.isEnabled()
    push(qtbot, page, "Test")
    answered(qtbot, page, "Nobody listens")
    photograph(page, "settings-nobody")
    type_into(qtbot, form, port=str(pacs.peer.port))
    assert "Nobody listens" not in texts(page), "an old result says nothing of the new port"
    push(qtbot, page, "Test")
    answered(qtbot, page, "It answered in")
    photograph(page, "settings-answered")
    push(qtbot, page, "Save")
    assert "Saved, and in force at once" in texts(page)
    assert tomllib.loads(file.read_text()) == {
        "pacs_peers": [{
            "name": "hall", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": pacs.peer.port,
            "associations": 2,
        }]
    }  # fmt: skip
    push(qtbot, page, "Close")
    assert not page.isVisible()
    workstation.querying.toggle()
    query = workstation.query
    query.form.fields["patient_name"].setText("Phantom")
    qtbot.keyClick(query.form.fields["patient_name"], Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(query.table.rows) == 4, timeout=WAIT)
    loaded, complaints = load_settings(file)
    assert (loaded.pacs_peers, complaints) == (settings.pacs_peers, [])


def test_a_service_with_a_password_that_only_the_keyring_gets(
    qtbot: QtBot,
    page_of: Callable[..., tuple[Workstation, PacsSettings]],
    pacs: Pacs,
    file: Path,
    memory: Any,
    settings: Settings,
) -> None:
    settings.pacs_peers.append(PacsPeer(name="hall", ae_title="A", host="h"))
    workstation, page = page_of(settings=settings)
    push(qtbot, page, "Add DICOMweb")
    form = page.peers.forms["web"]
    type_into(qtbot, form, name="hall", url="http://pacs.example/web")
    assert "Another peer has this name" in texts(form)
    type_into(qtbot, form, name="hall web")
    assert page.saves.isEnabled()
    form.editors["login"].setCurrentIndex(1)
    assert "without encryption" in texts(form)
    type_into(qtbot, form, url=pacs.url)
    assert "needs the setting 'user'" in texts(form)
    type_into(qtbot, form, user="reader", secret="wrong")
    push(qtbot, page, "Test")
    answered(qtbot, page, "does not accept the login")
    form.line("secret").setText(PASSWORD)  # Qt's test keyboard has no umlauts
    push(qtbot, page, "Test")
    answered(qtbot, page, "It answered in")
    photograph(page, "settings-web")
    push(qtbot, page, "Save")
    qtbot.waitUntil(lambda: bool(memory.kept), timeout=WAIT)
    assert memory.kept == {(f"tomoscribe {pacs.url}", "reader"): PASSWORD}
    assert PASSWORD not in file.read_text()
    assert form.line("secret").text() == ""
    assert "password" not in file.read_text().lower()
    logins = workstation.querying.logins
    assert logins.secret(workstation.querying.connecting.source("hall web").peer) == PASSWORD
    push(qtbot, page, "Remove")
    push(qtbot, page, "Save")
    qtbot.waitUntil(lambda: not memory.kept, timeout=WAIT)
    assert "dicomweb_peers" not in tomllib.loads(file.read_text())
    assert workstation.query.form.peer.count() == 1


def test_the_receiver_is_switched_on_and_off(
    qtbot: QtBot,
    page_of: Callable[..., tuple[Workstation, PacsSettings]],
    pacs: Pacs,
    tmp_path: Path,
    file: Path,
) -> None:
    workstation, page = page_of()
    page.tabs.setCurrentIndex(1)
    port = free_port()
    type_into(qtbot, page.own, pacs_port=str(port), pacs_allowed="SCANNER@127.0.0.1, BAD\\ONE")
    page.own.editors["pacs_tls"].setChecked(True)
    type_into(qtbot, page.own, pacs_certificate=str(tmp_path / "none.pem"), pacs_ae_title="A B")
    for sentence in ("'BAD\\ONE' is neither", "This file does not exist", "1 to 16 ASCII"):
        assert sentence in texts(page.own), sentence
    photograph(page, "settings-own-faults")
    type_into(qtbot, page.own, pacs_certificate="", pacs_allowed="SCANNER@127.0.0.1")
    type_into(qtbot, page.own, pacs_ae_title="READER")
    assert texts(page.own).count("Receiving over TLS needs it") == 2
    page.own.editors["pacs_tls"].setChecked(False)
    page.own.editors["pacs_receive"].setChecked(True)
    push(qtbot, page, "Save")
    qtbot.waitUntil(lambda: f"Receiving as READER at 127.0.0.1:{port}" in texts(page), timeout=WAIT)
    photograph(page, "settings-receiving")
    photograph(page, "settings-receiving-large", (1920, 1080))
    us = Peer("us", "READER", "127.0.0.1", port)
    with qtbot.waitSignal(workstation.querying.connecting.receiving.imported, timeout=WAIT):
        sent = send(Local("SCANNER"), us, pacs.files["older"], threading.Event())
        assert len(sent.taken) == 6
    assert "6 images of 1 study received" in texts(workstation.window)
    with pytest.raises(NetworkError):
        echo(Local("STRANGER"), us)
    listed = workstation.archive.archiving.panel.rows
    workstation.archive.archiving.refresh()
    qtbot.waitUntil(lambda: len(listed.rows) == 1, timeout=WAIT)
    assert listed.rows[0].description == "Abdomen"
    assert not list((tmp_path / "data" / "received").rglob("*.dcm"))
    type_into(qtbot, page.own, pacs_ae_title="OTHER")
    push(qtbot, page, "Save")
    qtbot.waitUntil(lambda: "Receiving as OTHER" in texts(page), timeout=WAIT)
    page.own.editors["pacs_receive"].setChecked(False)
    push(qtbot, page, "Save")
    qtbot.waitUntil(lambda: "The receiver is off" in texts(page), timeout=WAIT)
    with pytest.raises(NetworkError):
        echo(Local("SCANNER"), us)
    assert tomllib.loads(file.read_text())["pacs_ae_title"] == "OTHER"


def test_a_port_that_is_taken_is_told(
    qtbot: QtBot, page_of: Callable[..., tuple[Workstation, PacsSettings]]
) -> None:
    _, page = page_of()
    page.tabs.setCurrentIndex(1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        type_into(qtbot, page.own, pacs_port=str(taken.getsockname()[1]))
        page.own.editors["pacs_receive"].setChecked(True)
        push(qtbot, page, "Save")
        qtbot.waitUntil(lambda: "cannot be received at" in texts(page), timeout=WAIT)
    photograph(page, "settings-port-taken")


def test_the_file_keeps_its_comments_and_is_never_overwritten_unread(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    file: Path,
) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(
        "# by hand\nauthor = 'Dr. X'  # me\n\n[[pacs_peers]]\nname = 'hall'  # the big one\n"
        "ae_title = 'A'\nhost = 'h'\nport = 99999\n\n[[dicomweb_peers]]\nname = 'web'\n"
        "url = 'https://w'\n"
    )
    settings, complaints = load_settings()
    assert (settings.pacs_peers, len(complaints)) == ([], 1)
    settings.data_folder = file.parent / "data"
    workstation = workstation_of(engine=no_model, settings=settings)
    page = open_page(qtbot, workstation)
    assert "1 to 65535" in texts(page), "what the program left out can be put right"
    type_into(qtbot, page.peers.forms["node"], port="104")
    push(qtbot, page, "Save")
    text = file.read_text()
    assert text.startswith("# by hand\nauthor = 'Dr. X'  # me\n")
    assert "name = 'hall'  # the big one" in text
    assert "port = 104" in text
    file.write_text(text + "# another window\n")
    type_into(qtbot, page.peers.forms["node"], port="105")
    push(qtbot, page, "Save")
    assert "was changed meanwhile" in texts(page)
    assert file.read_text() == text + "# another window\n"
    push(qtbot, page, "Close")
    assert page.isVisible()
    assert "is not saved" in texts(page)
    push(qtbot, page, "Close")
    assert not page.isVisible()
    file.write_text("author = ")
    workstation.querying.connecting.configuring.open()
    assert "cannot be understood" in texts(workstation.window)
    assert file.read_text() == "author = "


def test_a_full_disk_changes_neither_the_file_nor_what_is_in_force(
    qtbot: QtBot,
    page_of: Callable[..., tuple[Workstation, PacsSettings]],
    file: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.dicomweb_peers.append(DicomwebPeer(name="web", url="https://w"))
    _, page = page_of(settings=settings)
    type_into(qtbot, page.peers.forms["web"], name="other")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        push(qtbot, page, "Save")
    assert "the disk is full" in texts(page)
    assert not file.exists()
    assert [one.name for one in settings.dicomweb_peers] == ["web"]
    push(qtbot, page, "Save")
    assert [one.name for one in settings.dicomweb_peers] == ["other"]


def test_a_silent_peer_stops_neither_the_page_nor_its_closing(
    qtbot: QtBot, page_of: Callable[..., tuple[Workstation, PacsSettings]], settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.pacs_peers.append(PacsPeer(name="mute", ae_title="A", host="127.0.0.1", port=port))
        _, page = page_of(settings=settings)
        push(qtbot, page, "Test")
        assert "asking mute …" in texts(page)
        push(qtbot, page, "Close")
        assert not page.isVisible()
