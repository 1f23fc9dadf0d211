"""Questions about the scan and their answers, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from model_runtime.api import Provenance
from workstation.ui.panel_parts import Card, Fold, RunningLine, Scroll, button, label
from workstation.ui.receipt import what_it_saw, whole_receipt
from workstation.ui.report_clipboard import model_clip

_HINT = "Ask about the open scan, such as “Is there a pleural effusion?”. Answers stay here."


@dataclass(frozen=True)
class ReadyQuestion:
    """A question offered as a chip."""

    text: str
    choices: tuple[str, ...] = ()


class AnswerCard(Card):
    """One question with its answer, what the model saw, and what can be done with it."""

    insert_requested = Signal(str, object)

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        super().__init__()
        self.question = question
        self._receipt: Provenance | None = None
        self.body.addWidget(label(question, "title"))
        if choices:
            self.body.addWidget(label("Choices: " + "; ".join(choices), "dim"))
        self._answer = label("…", "model")
        self._answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.body.addWidget(self._answer)
        self._text = ""

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self._text

    def add_text(self, text: str) -> None:
        """Write on."""
        self._text += text
        self._answer.setText(self._text)

    def show_choices(self, probabilities: Sequence[tuple[str, float]]) -> None:
        """Show each choice with its probability as a bar and a number."""
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (choice, share) in enumerate(probabilities):
            bar = QProgressBar()
            bar.setRange(0, 1000)
            bar.setValue(round(1000 * share))
            bar.setTextVisible(False)
            bar.setAccessibleName(f"{choice}: {share:.0%}")
            grid.addWidget(label(choice, wrap=False), row, 0)
            grid.addWidget(bar, row, 1)
            grid.addWidget(label(f"{100 * share:.0f} %", "dim", wrap=False), row, 2)
        self.body.addLayout(grid)

    def finish(self, text: str, receipt: Provenance) -> None:
        """Show the whole answer, what it is about, and what can be done with it."""
        self._text = text
        self._receipt = receipt
        self._answer.setText(text)
        self.body.addWidget(label(what_it_saw(receipt), "dim"))
        for note in receipt.notes:
            self.body.addWidget(label(note, "warning"))
        line = QHBoxLayout()
        insert = button("Insert into report", "insert", "quiet")
        copy = button("Copy", "copy", "quiet")
        insert.clicked.connect(self._on_insert)
        copy.clicked.connect(self._on_copy)
        line.addWidget(insert)
        line.addWidget(copy)
        line.addStretch(1)
        line.addWidget(label(f"{receipt.seconds:.1f} s", "dim", wrap=False))
        self.body.addLayout(line)
        self.body.addWidget(Fold("What made this answer", whole_receipt(receipt)))

    def fail(self, message: str) -> None:
        """Show why there is no answer."""
        self._answer.setProperty("role", "error")
        self._answer.style().polish(self._answer)
        self._answer.setText(message)

    @Slot()
    def _on_insert(self) -> None:
        self.insert_requested.emit(f"{self.question} {self._text}".strip(), self._receipt)

    @Slot()
    def _on_copy(self) -> None:
        # Pasted into a report, the words stay the model's.
        QGuiApplication.clipboard().setMimeData(model_clip(self._text, self._receipt))


class AskPanel(QWidget):
    """The question line, ready questions, and the history of answers.

    Signals
    -------
    asked(str, tuple)
        A question and its choices (empty: open).
    insert_requested(str, Provenance)
        An answer that goes into the report.
    """

    asked = Signal(str, object)
    cancel_requested = Signal()
    insert_requested = Signal(str, object)

    def __init__(self, ready: Sequence[ReadyQuestion] = ()) -> None:
        super().__init__()
        self._card: AnswerCard | None = None
        self._line = QLineEdit()
        self._line.setPlaceholderText("Ask about this scan")
        self._line.setAccessibleName("Question")
        self._choices = QLineEdit()
        self._choices.setPlaceholderText("Choices, separated by ;  (optional)")
        self._choices.setAccessibleName("Choices, separated by semicolons")
        self._ask = button("Ask", "ask", "primary", "Ask the model about the open scan (Return)")
        self._running = RunningLine()
        self.history = Scroll(_HINT)
        self._line.returnPressed.connect(self._on_ask)
        self._choices.returnPressed.connect(self._on_ask)
        self._ask.clicked.connect(self._on_ask)
        self._running.cancel_requested.connect(self.cancel_requested)
        self._running.retry_requested.connect(self._on_ask)
        self._lay_out(ready)

    def _lay_out(self, ready: Sequence[ReadyQuestion]) -> None:
        first, top = QHBoxLayout(), QVBoxLayout()
        first.addWidget(self._line, 1)
        first.addWidget(self._ask)
        top.setContentsMargins(10, 10, 10, 2)
        top.addLayout(first)
        top.addWidget(self._choices)
        chips = QGridLayout()
        chips.setSpacing(4)
        for place, question in enumerate(ready):
            chip = button(question.text.rstrip("?"), role="chip", hint=question.text)
            chip.setProperty("question", question.text)
            chip.setProperty("choices", "; ".join(question.choices))
            chip.clicked.connect(self._on_chip)
            chips.addWidget(chip, place // 2, place % 2)
        top.addLayout(chips)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(top)
        whole.addWidget(self._running)
        whole.addWidget(self.history, 1)

    def focus_question(self) -> None:
        """Put the cursor into the question line."""
        self._line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._line.selectAll()

    def begin(self, question: str, choices: Sequence[str]) -> None:
        """Open a card for a question that has been asked."""
        self._card = AnswerCard(question, choices)
        self._card.insert_requested.connect(self.insert_requested)
        self.history.add(self._card, at=0)
        self._ask.setEnabled(False)
        self._running.run("asking …")

    def set_progress(self, text: str, fraction: float | None) -> None:
        """Show where the model stands."""
        self._running.run(text, fraction)

    def add_text(self, text: str) -> None:
        """Write on in the open card."""
        if self._card is not None:
            self._card.add_text(text)

    def set_choices(self, probabilities: Sequence[tuple[str, float]]) -> None:
        """Show the probabilities of the open card's choices."""
        if self._card is not None:
            self._card.show_choices(probabilities)

    def finish(self, text: str, receipt: Provenance) -> None:
        """Complete the open card."""
        if self._card is not None:
            self._card.finish(text, receipt)
        self._end()

    def fail(self, message: str) -> None:
        """Show in the open card why there is no answer."""
        if self._card is not None:
            self._card.fail(message)
        self._end()

    def clear(self) -> None:
        """Forget the history, as another study is opened."""
        self._end()
        self.history.clear()

    def _end(self) -> None:
        self._card = None
        self._ask.setEnabled(True)
        self._running.hide()

    @Slot()
    def _on_ask(self) -> None:
        text = self._line.text().strip()
        if text and self._ask.isEnabled():
            parts = (part.strip() for part in self._choices.text().split(";"))
            self.asked.emit(text, tuple(part for part in parts if part))

    @Slot()
    def _on_chip(self) -> None:
        chip = self.sender()
        self._line.setText(str(chip.property("question")))
        self._choices.setText(str(chip.property("choices")))
        self._on_ask()
