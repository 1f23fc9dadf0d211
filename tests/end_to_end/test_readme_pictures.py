"""README's pictures are made here, from the real window; set TOMOSCRIBE_PICTURES to keep them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.archive.series_files import a_series, typed, write_files
from tests.end_to_end.pacs import Pacs
from workstation.app import Workstation
from workstation.archive.intake import add_series
from workstation.archive.report_archive import ReportArchive
from workstation.core.display import Window
from workstation.core.session import Pane
from workstation.core.study import Patient
from workstation.settings import DicomwebPeer, PacsPeer, Settings
from workstation.ui.slice_pane import SlicePane


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


def test_picture_of_measuring(
    qtbot: QtBot, opened: Workstation, keep: Callable[[Workstation, str], QImage]
) -> None:
    opened.window.resize(QSize(1440, 810))
    opened.reading.window = Window(400, 40)
    pane = opened.images.pane(Pane.AXIAL)
    assert isinstance(pane, SlicePane)
    volume_pane = opened.images.pane(Pane.VOLUME)
    qtbot.waitUntil(lambda: pane.scene and volume_pane.picture is not None, timeout=60_000)
    middle = pane.rect().center()
    for tool, places in (
        ("length", ((-60, -30), (60, -30))),
        ("ellipse", ((-110, 20), (-60, 60))),
        ("angle", ((-20, -100), (20, -70), (60, -100))),
    ):
        opened.reading.tool = tool
        for place in places:
            qtbot.mouseClick(pane, Qt.MouseButton.LeftButton, pos=middle + QPoint(*place))
            qtbot.wait(30)
    opened.reading.tool = ""
    qtbot.waitUntil(lambda: opened.measured.rows.count() == 3)
    opened.window.raise_dock("measured")
    assert _colours(keep(opened, "measure")) > 50


# Nobody's names: made up for the picture.
_PEOPLE = (
    ("Hollander^Mira", "P-10442", "CT chest with contrast"),
    ("Okafor^Daniel", "P-10443", "CT head"),
    ("Lindqvist^Åsa", "P-10298", "CT abdomen and pelvis"),
    ("Marchetti^Paolo", "P-9981", "CT chest"),
    ("Brandt^Johanna Marie", "P-10011", "CT angiography, aorta"),
    ("Sørensen^Nils", "P-8820", "CT head"),
    ("Petrova^Irina", "P-10120", "CT chest, low dose"),
    ("Hollander^Mira", "P-10442", "CT chest"),
    ("Duarte^Tomás", "P-7719", "CT abdomen, portal venous"),
    ("Whitfield^Grace", "P-9440", "CT head"),
    ("Kaya^Deniz", "P-10377", "CT pulmonary angiography"),
    ("Moreau^Élise", "P-6102", "CT neck"),
)


def _fill(workstation: Workstation, settings: Settings, folder: Path) -> None:
    """Put made-up studies into the archive: read, half read, incomplete, conflicting."""
    reports = ReportArchive(settings.archive_address)
    for number, (name, identity, description) in enumerate(_PEOPLE):
        count = 40 + 37 * number % 90
        files = write_files(folder / str(number), *(f"{number} {n}" for n in range(count)))
        same = [f"1.2.{max(n, 3)}.{number}" for n in range(count)] if number == 6 else None
        new = a_series(
            files, f"study {number}", patient=Patient(name, identity, f"19{42 + 3 * number}0517"),
            date=f"202602{27 - 2 * number:02d}", uid=f"1.4.{number}", study_uid=f"1.3.{number}",
            study_description=description, accession=f"A-{7710 - number}", uids=same, copy=False,
            missing=4 if number == 2 else 0,
        )  # fmt: skip
        add_series(workstation.archive.archive, new)
        if number in (1, 4, 7, 8, 9, 11):
            reports.sign(f"study {number}", typed("Normal."), "Dr. Test")
        elif number in (3, 6):
            reports.write_journal(f"study {number}", typed("Begun."))
    reports.close()


def test_picture_of_the_worklist(
    qtbot: QtBot, opened: Workstation, keep: Callable[[Workstation, str], QImage],
    settings: Settings, tmp_path: Path,
) -> None:  # fmt: skip
    opened.window.resize(QSize(1440, 810))
    opened.archive.keep_open()
    _fill(opened, settings, tmp_path / "in")
    qtbot.waitUntil(lambda: not opened.archive.storing.is_busy, timeout=60_000)
    archiving = opened.archive.archiving
    archiving.toggle()
    panel = archiving.panel
    qtbot.waitUntil(lambda: len(panel.rows.rows) == len(_PEOPLE) + 1, timeout=10_000)
    panel.table.go_to(2)
    panel.show_place("reports.db in your data folder")
    for card in list(opened.notifications._cards):
        card.closed.emit(card)
    assert _colours(keep(opened, "worklist")) > 20


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


def test_picture_of_the_pacs_settings(
    qtbot: QtBot,
    workstation_of: Callable[..., Workstation],
    settings: Settings,
    keep: Callable[[Workstation, str], QImage],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings.pacs_peers = [
        PacsPeer(name="hospital", ae_title="PACS", host="pacs.example.org", port=104),
        PacsPeer(name="emergency room", ae_title="ER_PACS_TOO_LONG", host="er.example.org"),
    ]
    settings.dicomweb_peers = [
        DicomwebPeer(name="archive", url="https://pacs.example.org/web", login="token")
    ]
    workstation = workstation_of(settings=settings)
    workstation.querying.connecting.configuring.open()
    page = workstation.querying.connecting.configuring.dialog
    page.peers.list.setCurrentRow(1)
    page.peers.forms["node"].line("ae_title").setText("ER_PACS_IS_TOO_LONG")
    picture = page.grab().toImage()
    folder = Path(os.environ.get("TOMOSCRIBE_PICTURES", tmp_path))
    assert picture.save(str(folder / "pacs_settings.png"))
    assert _colours(picture) > 20
    page.peers.forms["node"].line("ae_title").setText("ER_PACS")
    page.reject()
    page.reject()
    assert not page.isVisible()
