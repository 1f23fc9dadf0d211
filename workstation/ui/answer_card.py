"""One question with its answer, what the model saw, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QPushButton, QWidget

from model_runtime.api import Provenance
from workstation.core.claim import Claim
from workstation.ui.evidence_view import EvidenceView
from workstation.ui.panel_parts import Card, Fold, button, label, set_role
from workstation.ui.receipt import what_it_saw, whole_receipt
from workstation.ui.report_clipboard import model_clip


class AnswerCard(Card):
    """Grows while the answer is written; then it is answered, stopped or failed for good.

    Signals
    -------
    insert_requested(str, Provenance, str)
        An answer, its receipt and its question should go into the report.
    again_requested(str, tuple)
        The question and its choices should be asked once more.
    evidence_requested(Claim, EvidenceView)
        What in the scan speaks for the answer should be looked for, and told there.
    """

    insert_requested = Signal(str, object, str)
    again_requested = Signal(str, object)
    evidence_requested = Signal(object, object)

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        super().__init__()
        self.question = question
        self._choices = tuple(choices)
        self._receipt: Provenance | None = None
        self._text = ""
        self._bars: QWidget | None = None
        self.evidence = EvidenceView()
        self.setAccessibleName(f"Question: {question}")
        self.body.addWidget(label(question, "title"))
        if choices:
            self.body.addWidget(label("Choices: " + "; ".join(choices), "dim"))
        self._answer = label("…", "answer")
        self._answer.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.body.addWidget(self._answer)

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self._text

    def add_text(self, text: str) -> None:
        """Write on."""
        self._text += text
        self._answer.setText(self._text.strip() or "…")

    def restart(self) -> None:
        """Drop what was answered so far: all of it comes once more."""
        self._text = ""
        self._answer.setText("…")
        if self._bars is not None:
            self._bars.deleteLater()
            self._bars = None

    def show_choices(self, probabilities: Sequence[tuple[str, float]]) -> None:
        """Show each choice with its probability as a bar and a number."""
        self._bars = QWidget()
        self._bars.setProperty("role", "bare")
        grid = QGridLayout(self._bars)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(0, 2)
        grid.setColumnStretch(1, 3)
        for row, (choice, share) in enumerate(probabilities):
            bar = QProgressBar()
            bar.setRange(0, 1000)
            bar.setValue(round(1000 * share))
            bar.setTextVisible(False)
            bar.setAccessibleName(f"{choice}: {share:.0%}")
            number = label(f"{100 * share:.0f}\u00a0%", "dim", wrap=False)
            grid.addWidget(label(choice), row, 0)
            grid.addWidget(bar, row, 1, Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(number, row, 2, Qt.AlignmentFlag.AlignRight)
        self.body.addWidget(self._bars)

    def finish(self, text: str, receipt: Provenance) -> None:
        """Show the whole answer, what it is about, and what can be done with it."""
        self._text = text.strip()
        self._receipt = receipt
        self._answer.setText(self._text or "The model gave no answer.")
        self.body.addWidget(label(what_it_saw(receipt), "dim"))
        for note in receipt.notes:
            self.body.addWidget(label(note, "warning"))
        insert = button("Insert", "insert", "quiet", "Insert into the report")
        insert.setAccessibleName("Insert into report")
        copy = button("Copy", "copy", "quiet", "Copy the answer")
        why = button("Evidence", "evidence", "quiet", "Show what in the scan speaks for the answer")
        why.setAccessibleName("Show evidence")
        for each in (insert, why):
            each.setEnabled(bool(self._text))
        insert.clicked.connect(self._on_insert)
        why.clicked.connect(self._on_evidence)
        copy.clicked.connect(self._on_copy)
        self._add_buttons(insert, why, copy, note=f"{receipt.seconds:.1f}\u00a0s")
        self.body.addWidget(self.evidence)
        self.body.addWidget(Fold("What made this answer", whole_receipt(receipt)))

    def stop(self) -> None:
        """Say that the reader stopped it; what was written stays."""
        self.body.addWidget(label("Stopped.", "dim"))
        if not self._text.strip():
            self._answer.hide()
        self._offer_again()

    def fail(self, message: str, details: str = "") -> None:
        """Show why there is no answer."""
        set_role(self._answer, "error")
        self._answer.setText(message)
        if details:
            self.body.addWidget(Fold("Details", details))
        self._offer_again()

    def _offer_again(self) -> None:
        again = button("Ask again", "reset", "quiet")
        again.clicked.connect(self._on_again)
        self._add_buttons(again)

    def _add_buttons(self, *buttons: QPushButton, note: str = "") -> None:
        line = QHBoxLayout()
        line.setSpacing(2)
        for each in buttons:
            line.addWidget(each)
        line.addStretch(1)
        if note:
            line.addWidget(label(note, "dim", wrap=False))
        self.body.addLayout(line)

    @Slot()
    def _on_insert(self) -> None:
        self.insert_requested.emit(self._text, self._receipt, self.question)

    @Slot()
    def _on_evidence(self) -> None:
        claim = Claim(
            self._text, question=self.question, choices=self._choices, receipt=self._receipt
        )
        self.evidence_requested.emit(claim, self.evidence)

    @Slot()
    def _on_copy(self) -> None:
        # Pasted into a report, the words stay the model's.
        QGuiApplication.clipboard().setMimeData(model_clip(self._text, self._receipt))

    @Slot()
    def _on_again(self) -> None:
        self.again_requested.emit(self.question, self._choices)
