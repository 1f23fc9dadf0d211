"""Questions about the scan and their answers, newest first, kept for each study."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from model_runtime.api import Provenance
from workstation.ui.answer_card import AnswerCard
from workstation.ui.flow import FlowLayout
from workstation.ui.panel_parts import RunningLine, Scroll, as_panel, button

_HINT = "Ask about the open scan, such as “Is there a pleural effusion?”. Answers stay here."


@dataclass(frozen=True)
class ReadyQuestion:
    """A question offered as a chip."""

    text: str
    choices: tuple[str, ...] = ()


def ready_questions(path: Path) -> tuple[ReadyQuestion, ...]:
    """Read the questions of a file like ``resources/questions.toml``."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(ReadyQuestion(q["text"], tuple(q["choices"])) for q in table["question"])


class AskPanel(QWidget):
    """The question line, ready questions, and the history of answers.

    Signals
    -------
    asked(str, tuple)
        A question and its choices (empty: open).
    cancel_requested()
        The running question should stop.
    insert_requested(str, Provenance, str)
        An answer that goes into the report.
    evidence_requested(Claim, EvidenceView)
        An answer whose evidence is wanted, and where it is told.
    """

    asked = Signal(str, object)
    cancel_requested = Signal()
    insert_requested = Signal(str, object, str)
    evidence_requested = Signal(object, object)

    def __init__(self, ready: Sequence[ReadyQuestion] = ()) -> None:
        super().__init__()
        as_panel(self)
        self._card: AnswerCard | None = None
        self._line = QLineEdit()
        self._line.setPlaceholderText("Ask about this scan")
        self._line.setAccessibleName("Question")
        self._choices = QLineEdit()
        self._choices.setPlaceholderText("Choices, separated by ;  (optional)")
        self._choices.setAccessibleName("Choices, separated by semicolons")
        self._ask = button("Ask", "ask", "primary", "Ask the model about the open scan (Return)")
        self._running = RunningLine()
        self._histories: dict[str, Scroll] = {}
        self._stack = QStackedWidget()
        self._line.returnPressed.connect(self._on_ask)
        self._choices.returnPressed.connect(self._on_ask)
        self._ask.clicked.connect(self._on_ask)
        self._running.cancel_requested.connect(self.cancel_requested)
        self.show_study("")
        self._lay_out(ready)

    def _lay_out(self, ready: Sequence[ReadyQuestion]) -> None:
        first, top = QHBoxLayout(), QVBoxLayout()
        first.addWidget(self._line, 1)
        first.addWidget(self._ask)
        top.setContentsMargins(10, 10, 10, 4)
        top.addLayout(first)
        top.addWidget(self._choices)
        chips = FlowLayout()
        for question in ready:
            hint = "; ".join(question.choices)
            chip = button(question.text.rstrip("?"), role="chip", hint=hint)
            chip.setProperty("question", question.text)
            chip.setProperty("choices", "; ".join(question.choices))
            chip.clicked.connect(self._on_chip)
            chips.add(chip)
        top.addLayout(chips)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(top)
        whole.addWidget(self._running)
        whole.addWidget(self._stack, 1)

    @property
    def history(self) -> Scroll:
        """Cards of the study that is shown."""
        current = self._stack.currentWidget()
        if not isinstance(current, Scroll):
            raise TypeError("only histories are stacked here")
        return current

    def show_study(self, key: str) -> None:
        """Show the answers about a study; a question that runs in another one stops there."""
        self.stop()
        if key not in self._histories:
            self._histories[key] = Scroll(_HINT)
            self._stack.addWidget(self._histories[key])
        self._stack.setCurrentWidget(self._histories[key])

    def focus_question(self) -> None:
        """Put the cursor into the question line."""
        self._line.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._line.selectAll()

    def begin(self, question: str, choices: Sequence[str]) -> None:
        """Open a card for a question that has been asked."""
        self._card = AnswerCard(question, choices)
        self._card.insert_requested.connect(self.insert_requested)
        self._card.again_requested.connect(self._on_again)
        self._card.evidence_requested.connect(self.evidence_requested)
        self.history.add(self._card, at=0)
        self.history.verticalScrollBar().setValue(0)
        self._ask.setEnabled(False)
        self._running.run("asking …")

    def set_progress(self, text: str, fraction: float | None) -> None:
        """Show where the model stands."""
        if self._card is not None:
            self._running.run(text, fraction)

    def add_text(self, text: str) -> None:
        """Write on in the open card; without one the text is late and dropped."""
        if self._card is not None:
            self._card.add_text(text)

    def restart(self) -> None:
        """Empty the open card: its answer comes once more from the beginning."""
        if self._card is not None:
            self._card.restart()

    def set_choices(self, probabilities: Sequence[tuple[str, float]]) -> None:
        """Show the probabilities of the open card's choices."""
        if self._card is not None:
            self._card.show_choices(probabilities)

    def finish(self, text: str, receipt: Provenance) -> None:
        """Complete the open card."""
        if self._card is not None:
            self._card.finish(text, receipt)
        self._end()

    def fail(self, message: str, details: str = "") -> None:
        """Show in the open card why there is no answer."""
        if self._card is not None:
            self._card.fail(message, details)
        self._end()

    def stop(self) -> None:
        """Show in the open card that the reader stopped it."""
        if self._card is not None:
            self._card.stop()
        self._end()

    def clear(self) -> None:
        """Forget the answers about the study that is shown."""
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
            self._line.selectAll()

    @Slot()
    def _on_chip(self) -> None:
        chip = self.sender()
        if chip is not None and self._ask.isEnabled():
            self._line.setText(str(chip.property("question")))
            self._choices.setText(str(chip.property("choices")))
            self._on_ask()

    @Slot(str, object)
    def _on_again(self, question: str, choices: tuple[str, ...]) -> None:
        if self._ask.isEnabled():
            self.asked.emit(question, choices)
