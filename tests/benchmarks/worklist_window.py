"""How long the window stands still while a name is typed into the worklist of 100,000 studies.

Usage: ``xvfb-run -a -s "-screen 0 1920x1080x24" python -m tests.benchmarks.worklist_window``
(in the repository root)

The same letters are typed into the same panel on the same archive, answered in two ways: as
the window does it (index of words, off its thread, the newest query only) and as a plain
program would (a scan with ``LIKE '%word%'`` in the window's thread). A gap is the time between
two ticks of a 1 ms timer of the window's thread; the wait is from the last letter to its rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from PySide6.QtWidgets import QApplication

from tests.benchmarks.responsiveness import Heartbeat
from tests.benchmarks.worklist import fill
from workstation.archive.archive import Archive, open_archive
from workstation.archive.schema import patient, study
from workstation.archive.worklist import WorklistPage, WorklistQuery, WorklistRow
from workstation.searching import Searching
from workstation.ui.theme import apply_theme
from workstation.ui.worklist_panel import PAGE, WorklistPanel

_TYPED = ("schmian maro", "chest", "2024-03", "P-0012", "or kalin")
_SECONDS_BETWEEN_LETTERS = 0.08
Answer = Callable[[WorklistQuery], None]


def plain_search(archive: Archive, query: WorklistQuery) -> WorklistPage:
    """Look as one would without an index: every column of every study, newest first."""
    names = ("name", "identity", "birth_date")
    wanted = [study.c[one] for one in WorklistRow.__dataclass_fields__ if one not in names]
    columns = (patient.c.name, patient.c.identity, study.c.accession, study.c.description)
    statement = sa.select(*wanted, *(patient.c[one] for one in names)).join_from(study, patient)
    for word in query.words.split():
        texts = (*columns, study.c.date, study.c.modalities)
        statement = statement.where(sa.or_(*(text.ilike(f"%{word}%") for text in texts)))
    newest = (study.c.date.desc(), study.c.id.desc())
    with archive.database.transaction() as connection:
        rows = connection.execute(statement.order_by(*newest).limit(PAGE)).all()
    return WorklistPage(tuple(WorklistRow(**row._asdict()) for row in rows), None)


class Typist:
    """Types into a panel, letter by letter, and measures."""

    def __init__(self, application: QApplication, panel: WorklistPanel) -> None:
        self._application, self._panel = application, panel
        self._beat = Heartbeat()

    def type(self, text: str, is_busy: Callable[[], bool]) -> tuple[list[float], float]:
        """Return the gaps, and the wait for the last letter's rows, in ms."""
        self._panel.search.clear()
        self._run(0.3)
        self._beat.taken()
        for letter in text:
            self._panel.search.insert(letter)
            self._run(_SECONDS_BETWEEN_LETTERS)
        typed = time.perf_counter()
        self._panel.search.insert(" ")
        while is_busy():
            self._application.processEvents()
        waited = 1000 * (time.perf_counter() - typed)
        self._run(0.05)
        return self._beat.taken(), waited

    def rest(self, seconds: float) -> list[float]:
        """Return the gaps while nothing is typed, in ms."""
        self._run(0.3)
        self._beat.taken()
        self._run(seconds)
        return self._beat.taken()

    def _run(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._application.processEvents()


def main() -> None:
    """Fill an archive, type in both ways, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    application = QApplication([])
    apply_theme(application)
    with tempfile.TemporaryDirectory() as folder:
        archive = open_archive(Path(folder) / "reports.db", Path(folder))
        began = time.perf_counter()
        fill(archive, given.studies)
        print(f"{given.studies:,} studies written in {time.perf_counter() - began:.0f} s\n")
        print("| way | longest gap, ms | gaps over 50 ms | wait for rows, median ms | longest |")
        print("|---|---|---|---|---|")
        for way in ("nothing is typed", "this program", "plain"):
            _measure(application, archive, way, given.repeats)
        archive.close()


def _measure(application: QApplication, archive: Archive, way: str, repeats: int) -> None:
    """Print one row; where nothing is typed, the gaps are the machine's and the toolkit's."""
    panel = WorklistPanel()
    panel.resize(1366, 700)
    panel.show()
    searching = Searching(archive)
    searching.found.connect(lambda _query, page: panel.show_page(page))
    if way == "plain":
        panel.query_changed.connect(lambda: panel.show_page(plain_search(archive, panel.query())))
    else:
        panel.query_changed.connect(lambda: searching.ask(panel.query()))
    typist, gaps, waits = Typist(application, panel), [], []
    if way == "nothing is typed":
        gaps, waits = typist.rest(repeats * sum(map(len, _TYPED)) * _SECONDS_BETWEEN_LETTERS), [0.0]
        repeats = 0
    for _ in range(repeats):
        for text in _TYPED:
            late, waited = typist.type(text, lambda: searching.is_busy)
            gaps += late
            waits.append(waited)
    over = sum(gap > 50 for gap in gaps)
    median, longest = statistics.median(waits), max(waits)
    print(f"| {way} | {max(gaps):.0f} | {over} | {median:.0f} | {longest:.0f} |")
    panel.close()


if __name__ == "__main__":
    main()
