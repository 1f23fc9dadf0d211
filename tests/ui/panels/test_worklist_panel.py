"""The worklist's panel on a real archive of many studies: typed, scrolled, never stale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from tests.benchmarks.worklist import fill
from workstation.archive.archive import Archive, open_archive
from workstation.archive.worklist import WorklistPage, WorklistQuery, WorklistRow, search
from workstation.searching import Searching
from workstation.ui.theme import apply_theme
from workstation.ui.worklist_model import faults_of, shown_name, status_of
from workstation.ui.worklist_panel import PAGE, WorklistPanel

ROW = WorklistRow(1, "k", "Doe^Jane", "P-1", "1950-01-01", "2026-02-03", "A-1", "CT chest", "CT",
                  "unread", 2, 400, None, 1)  # fmt: skip
_STUDIES = 1500


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("many")
    archive = open_archive(folder / "reports.db", folder)
    fill(archive, _STUDIES)
    yield archive
    archive.close()


@pytest.fixture
def panel(qtbot: QtBot, qapp: QApplication) -> Iterator[WorklistPanel]:
    apply_theme(qapp)
    panel = WorklistPanel()
    panel.resize(1100, 600)
    qtbot.addWidget(panel)
    with qtbot.waitActive(panel, timeout=10_000):
        panel.show()
        panel.activateWindow()
    yield panel
    qapp.setStyleSheet("")


@pytest.fixture
def joined(archive: Archive, panel: WorklistPanel) -> tuple[WorklistPanel, Searching]:
    """A panel that is answered by the archive."""
    searching = Searching(archive)

    def answer(query: WorklistQuery, page: WorklistPage) -> None:
        (panel.show_page if query.after is None else panel.add_page)(page)

    searching.found.connect(answer)
    panel.query_changed.connect(lambda: searching.ask(panel.query()))
    panel.more_wanted.connect(lambda: searching.ask(panel.query(after=panel.rows.next)))
    searching.ask(panel.query())
    return panel, searching


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Doe^Jane", "Doe, Jane"), ("Doe^Jane^Ann^Dr", "Doe, Jane Ann"), ("Doe", "Doe"), ("", ""),
     ("^Jane", "Jane"), ("山田^太郎=やまだ^たろう", "山田, 太郎"), (" Doe ^ Jane ", "Doe, Jane")],
)  # fmt: skip
def test_names_are_written_as_they_are_read(name: str, shown: str) -> None:
    assert shown_name(name) == shown


def test_status_and_faults_are_said() -> None:
    assert (status_of(ROW), faults_of(ROW)) == ("unread", "")
    wrong = replace(ROW, status="signed", missing=1, conflicts=2)
    assert status_of(wrong) == "signed · incomplete · conflict"
    assert faults_of(wrong).startswith("1 image is missing, ")
    assert "; 2 images carry the identifier" in faults_of(wrong)
    now = datetime.now(UTC)
    for hours, told in ((0, "24 h left"), (22.9, "1 h left"), (23.5, "under 1 h left")):
        gone = replace(ROW, deleted_utc=(now - timedelta(hours=hours)).isoformat())
        assert status_of(gone, now) == f"deleted · {told}"
    gone = replace(ROW, deleted_utc=(now - timedelta(hours=30)).isoformat())
    assert status_of(gone, now) == "deleted · under 1 h left", "until it is purged"


def test_typing_shows_only_what_is_typed_last(
    qtbot: QtBot, joined: tuple[WorklistPanel, Searching], archive: Archive
) -> None:
    panel, searching = joined
    answered: list[str] = []
    searching.found.connect(lambda query, _page: answered.append(query.words))
    panel.search.setFocus()
    name = search(archive.database, WorklistQuery(limit=1)).rows[0].name.lower()
    family, _, given = name.partition("^")
    typed = f"{family} {given[:2]}"
    for letter in typed:
        qtbot.keyClick(panel.search, letter)
        if len(answered) % 2:
            QApplication.processEvents()
    qtbot.waitUntil(lambda: not searching.is_busy, timeout=10_000)
    assert answered[-1] == typed
    assert all(typed.startswith(words) for words in answered)
    expected = search(archive.database, WorklistQuery(typed, limit=PAGE)).rows
    assert panel.rows.rows == list(expected)
    assert 0 < len(expected) < PAGE


def test_an_older_answer_never_replaces_a_newer_one(
    qtbot: QtBot, joined: tuple[WorklistPanel, Searching]
) -> None:
    _, searching = joined
    qtbot.waitUntil(lambda: not searching.is_busy)
    answered: list[str] = []
    searching.found.connect(lambda query, _page: answered.append(query.words))
    for words in ("a", "an", "ann", "mar", "maro"):
        searching.ask(WorklistQuery(words))
    qtbot.waitUntil(lambda: not searching.is_busy)
    assert answered == ["maro"]


def test_scrolling_to_the_end_brings_page_after_page_and_each_study_once(
    qtbot: QtBot, joined: tuple[WorklistPanel, Searching], archive: Archive
) -> None:
    panel, _ = joined
    qtbot.waitUntil(lambda: len(panel.rows.rows) == PAGE)
    bar = panel.table.verticalScrollBar()
    for _ in range(2 * _STUDIES // PAGE):
        before = len(panel.rows.rows)
        if panel.rows.next is None:
            break
        bar.setValue(bar.maximum())
        qtbot.waitUntil(lambda before=before: len(panel.rows.rows) > before)
    everything = search(archive.database, WorklistQuery(limit=_STUDIES)).rows
    assert panel.rows.rows == list(everything)


def test_a_refresh_keeps_the_current_study_and_its_place(
    qtbot: QtBot, joined: tuple[WorklistPanel, Searching]
) -> None:
    panel, searching = joined
    qtbot.waitUntil(lambda: len(panel.rows.rows) == PAGE)
    panel.table.go_to(40)
    here, scrolled = panel.table.current, panel.table.verticalScrollBar().value()
    rows = panel.rows.rows
    panel.show_page(WorklistPage((*rows[:5], *rows[6:]), panel.rows.next))
    assert panel.table.current == here
    assert panel.table.verticalScrollBar().value() == scrolled
    changed = replace(rows[2], status="signed", version=9)
    panel.show_page(WorklistPage((*rows[:2], changed, *rows[3:]), panel.rows.next))
    assert panel.rows.index(2, 6).data() == "signed"
    searching.ask(panel.query())
    qtbot.waitUntil(lambda: not searching.is_busy)


def test_keys_go_between_search_and_list(
    qtbot: QtBot, joined: tuple[WorklistPanel, Searching]
) -> None:
    panel, searching = joined
    qtbot.waitUntil(lambda: len(panel.rows.rows) == PAGE)
    panel.search.setFocus()
    qtbot.keyClick(panel.search, Qt.Key.Key_Down)
    assert panel.table.hasFocus()
    qtbot.keyClick(panel.table, Qt.Key.Key_Down)
    assert panel.table.currentIndex().row() == 1
    with qtbot.waitSignal(panel.chosen) as chosen:
        qtbot.keyClick(panel.table, Qt.Key.Key_Enter)
    assert chosen.args == [panel.rows.rows[1]]
    qtbot.keyClick(panel.table, "o")
    assert panel.search.hasFocus()
    assert panel.search.text() == "o"
    qtbot.waitUntil(lambda: not searching.is_busy)
    panel.table.setFocus()
    panel.table.go_to(0)
    qtbot.keyClick(panel.table, Qt.Key.Key_Up)
    assert panel.search.hasFocus()
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert panel.search.text() == ""
    with qtbot.waitSignal(panel.left):
        qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not searching.is_busy)


def test_each_empty_list_says_why(qtbot: QtBot, panel: WorklistPanel) -> None:
    def told() -> str:
        QApplication.processEvents()
        return "\n".join(one.text() for one in panel.findChildren(QLabel) if one.isVisible())

    panel.show_page(WorklistPage((), None))
    assert "Import a folder, a ZIP or files" in told()
    panel.search.setText("nobody")
    panel.show_page(WorklistPage((), None))
    assert "No study matches" in told()
    panel.search.clear()
    panel.filter.setCurrentText("Deleted")
    panel.show_page(WorklistPage((), None))
    assert "No study was deleted within the last day" in told()
    panel.show_fault("The archive is gone.", "details")
    assert "The archive is gone." in told()
    panel.show_page(WorklistPage((ROW,), None))
    assert "The archive is gone." not in told()
    assert "born 1950-01-01" in panel._details.text()


def test_fetching_is_asked_once_until_answered(archive: Archive, panel: WorklistPanel) -> None:
    panel.show_page(search(archive.database, panel.query()))
    asked: list[int] = []
    panel.rows.more_wanted.connect(lambda: asked.append(1))
    root = panel.table.rootIndex()
    panel.rows.fetchMore(root)
    panel.rows.fetchMore(root)
    assert not panel.rows.canFetchMore(root)
    assert len(asked) == 1
