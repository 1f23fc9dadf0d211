"""Prior cases that resemble the open scan, or a typed description."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QProgressBar, QVBoxLayout, QWidget

from workstation.core.similar import SimilarCase
from workstation.ui.panel_parts import Card, RunningLine, Scroll, as_panel, button, label
from workstation.ui.pictures import thumbnail_pixmap
from workstation.ui.theme import icon

_HINT = (
    "Find prior cases that look like the open scan, "
    "or search for words such as “right lower lobe nodule”."
)
_THUMBNAIL = 88


class CaseCard(Card):
    """One prior case: whose, how near, what it had, its report."""

    open_requested = Signal(str)

    def __init__(self, case: SimilarCase, bold: Sequence[str]) -> None:
        super().__init__()
        self.case = case
        banner = "OTHER PATIENT · SYNTHETIC" if case.synthetic else "OTHER PATIENT"
        self.body.addWidget(label(banner, "banner"))
        line = QHBoxLayout()
        picture = QLabel()
        picture.setPixmap(thumbnail_pixmap(case.thumbnail, _THUMBNAIL))
        picture.setFixedSize(_THUMBNAIL, _THUMBNAIL)
        line.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(self._facts(case), 1)
        self.body.addLayout(line)
        findings = QLabel(_emphasised(", ".join(case.findings) or "no abnormality", bold))
        findings.setWordWrap(True)
        self.body.addWidget(findings)
        self._report = QLabel(_emphasised(case.report, bold))
        self._report.setProperty("role", "dim")
        self._report.setWordWrap(True)
        self._report.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._report.hide()
        buttons = QHBoxLayout()
        beside = button("Open beside", "beside", "quiet", "Show this case beside the open scan")
        report = button("Report", "chevron-right", "quiet", "Show or hide the report")
        self._head = report
        beside.clicked.connect(self._on_open)
        report.clicked.connect(self._on_report)
        buttons.addWidget(beside)
        buttons.addWidget(report)
        buttons.addStretch(1)
        self.body.addLayout(buttons)
        self.body.addWidget(self._report)
        self.setAccessibleName(f"Prior case {case.case_id}, score {case.score:.2f}")

    @staticmethod
    def _facts(case: SimilarCase) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(3)
        column.addWidget(label(case.description or case.case_id, "title"))
        facts = (case.region, case.sex, case.age, case.date)
        column.addWidget(label(" · ".join(fact for fact in facts if fact), "dim"))
        score = QHBoxLayout()
        bar = QProgressBar()
        bar.setRange(0, 1000)
        bar.setValue(round(1000 * max(0.0, case.score)))
        bar.setTextVisible(False)
        bar.setToolTip("Cosine of the two scans' (or the words') embeddings; 1 is the same")
        bar.setAccessibleName(f"Score {case.score:.2f}")
        score.addWidget(bar, 1)
        score.addWidget(label(f"{case.score:.3f}", "dim", wrap=False))
        column.addLayout(score)
        column.addStretch(1)
        return column

    @Slot()
    def _on_open(self) -> None:
        self.open_requested.emit(self.case.case_id)

    @Slot()
    def _on_report(self) -> None:
        opened = self._report.isHidden()
        self._report.setVisible(opened)
        self._head.setIcon(icon("chevron-down" if opened else "chevron-right"))


def _emphasised(text: str, bold: Sequence[str]) -> str:
    """Write as rich text with the shared words in bold."""
    written = html.escape(text).replace("\n", "<br>")
    phrases = [re.escape(html.escape(phrase)) for phrase in sorted(bold, key=len, reverse=True)]
    if not phrases:
        return written
    # All at once, so that nothing is sought in the marks of an earlier find.
    pattern = re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)
    return pattern.sub(lambda found: f"<b>{found.group(0)}</b>", written)


class SimilarPanel(QWidget):
    """Search by scan or by words, and the cases found.

    Signals
    -------
    similar_requested(), text_search_requested(str)
        What to look for.
    open_beside_requested(str)
        Identifier of the case to show beside the scan.
    """

    similar_requested = Signal()
    text_search_requested = Signal(str)
    open_beside_requested = Signal(str)
    cancel_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self._last_search = ""
        self._line = QLineEdit()
        self._line.setPlaceholderText("Search the prior cases by words")
        self._line.setAccessibleName("Search text")
        self._find = button("Find similar", "similar", "primary", "Prior cases like the open scan")
        self._search = button("", "search", "", "Search by words (Return)")
        self._running = RunningLine()
        self._heading = label("", "heading")
        self._heading.setContentsMargins(10, 0, 10, 0)
        self._heading.hide()
        self.cases = Scroll(_HINT)
        self._find.clicked.connect(self._on_find)
        self._search.clicked.connect(self._on_search)
        self._line.returnPressed.connect(self._on_search)
        self._running.cancel_requested.connect(self.cancel_requested)
        self._running.retry_requested.connect(self._on_retry)
        line = QHBoxLayout()
        line.addWidget(self._line, 1)
        line.addWidget(self._search)
        top = QVBoxLayout()
        top.setContentsMargins(10, 10, 10, 2)
        top.addWidget(self._find)
        top.addLayout(line)
        self._line.setClearButtonEnabled(True)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(top)
        whole.addWidget(self._running)
        whole.addWidget(self._heading)
        whole.addWidget(self.cases, 1)

    def run(self, text: str, fraction: float | None = None) -> None:
        """Show that a search is under way."""
        self._running.run(text, fraction)

    def show_cases(
        self, heading: str, cases: Sequence[SimilarCase], bold: Sequence[str] = ()
    ) -> None:
        """Show the cases found, nearest first; ``bold`` are findings in common or words sought."""
        self._running.hide()
        self.cases.clear()
        self._heading.setText(heading)
        self._heading.show()
        for case in cases:
            card = CaseCard(case, bold)
            card.open_requested.connect(self.open_beside_requested)
            self.cases.add(card)

    def fail(self, message: str, details: str = "") -> None:
        """Show why nothing was found."""
        self._running.fail(message, details)

    def stop(self) -> None:
        """Show that nothing is under way any more; the last result stays."""
        self._running.hide()

    def clear(self) -> None:
        """Forget the result, as another study is opened."""
        self._running.hide()
        self._heading.hide()
        self.cases.clear()

    @Slot()
    def _on_find(self) -> None:
        self._last_search = ""
        self.similar_requested.emit()

    @Slot()
    def _on_search(self) -> None:
        text = self._line.text().strip()
        if text:
            self._last_search = text
            self.text_search_requested.emit(text)

    @Slot()
    def _on_retry(self) -> None:
        """Do again what failed."""
        if self._last_search:
            self.text_search_requested.emit(self._last_search)
        else:
            self.similar_requested.emit()
