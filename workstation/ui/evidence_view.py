"""What the scan says for a sentence or an answer: under way, told, or why not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from model_runtime.api import Evidence
from workstation.core.authorship import Origin
from workstation.core.claim import Claim
from workstation.core.geometry import Point
from workstation.ui.panel_parts import RunningLine, button, label, set_role

_WHOSE = {
    Origin.MODEL: "The model’s words",
    Origin.EDITED: "The model’s words, edited by a person",
    Origin.HUMAN: "A person’s words, as the model sees them",
}
_MOST_TOLD = 100
_LONGEST = 90


@dataclass(frozen=True, eq=False)
class Explained:
    """Evidence, what it is for, and the key of the volume that it was found in."""

    claim: Claim
    evidence: Evidence
    volume_key: str


def verdict(evidence: Evidence, origin: Origin = Origin.MODEL) -> str:
    """Say what part the image has in the words: grounded, or said from habit."""
    times = math.exp(min(evidence.grounding, math.log(_MOST_TOLD)))
    much = f"over {_MOST_TOLD}" if times >= _MOST_TOLD else f"{times:.1f}"
    likelier = f"with the image {much} times as likely, word for word"
    if evidence.grounded:
        return f"◎ Grounded: {likelier}"
    if origin is Origin.HUMAN:
        return f"○ Not grounded: {likelier}"
    return f"○ Said from habit: {likelier}"


class EvidenceView(QWidget):
    """Hidden until evidence is asked for; then running, told or failed.

    Signals
    -------
    cancel_requested()
        The search should stop.
    retry_requested(EvidenceView)
        It should be tried again.
    show_requested(EvidenceView, bool)
        The blocks on the images should come or go.
    go_requested(EvidenceView)
        The crosshair should go to the strongest cell, or back to where it was.
    told(Explained)
        Evidence was found and is shown here.
    """

    cancel_requested = Signal()
    retry_requested = Signal(object)
    show_requested = Signal(object, bool)
    go_requested = Signal(object)
    told = Signal(object)

    def __init__(self, names_sentence: bool = False) -> None:
        super().__init__()
        self.claim: Claim | None = None
        self.explained: Explained | None = None
        self.came_from: Point | None = None
        self._names_sentence = names_sentence
        self._shown = False
        self._running = RunningLine("Try again")
        self._about = label("", "dim")
        self._verdict = label("", "model")
        self._note = label("")
        self._caution = label("That does not make it true.", "dim")
        self._go = button("Go to", "crosshair", "", "Crosshair to the strongest cell")
        self._show = button("Hide", "evidence", "quiet", "Blocks on the images (Esc)")
        self._close = button("", "close", "quiet", "Dismiss")
        self._told = QWidget()
        self._lay_out()
        self.setAccessibleName("Evidence")
        self._running.cancel_requested.connect(self.cancel_requested)
        self._running.retry_requested.connect(self._on_retry)
        self._go.clicked.connect(self._on_go)
        self._show.clicked.connect(self._on_show)
        self._close.clicked.connect(self.dismiss)
        self.hide()

    def _lay_out(self) -> None:
        self._told.setProperty("role", "bare")
        words, top, buttons = QVBoxLayout(), QHBoxLayout(), QHBoxLayout()
        words.setSpacing(3)
        for each in (self._about, self._verdict, self._caution, self._note):
            words.addWidget(each)
        top.addLayout(words, 1)
        top.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        buttons.setSpacing(2)
        buttons.addWidget(self._go)
        buttons.addWidget(self._show)
        buttons.addStretch(1)
        told = QVBoxLayout(self._told)
        side = 10 if self._names_sentence else 0
        told.setContentsMargins(side, 4, side, 4)
        told.setSpacing(4)
        told.addLayout(top)
        told.addLayout(buttons)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._running)
        whole.addWidget(self._told)

    def run(self, text: str, fraction: float | None = None) -> None:
        """Show that the search is under way."""
        self._told.hide()
        self._running.run(text, fraction)
        self.show()

    def tell(self, explained: Explained) -> None:
        """Show what was found; the buttons only where it lies in one place."""
        claim, evidence = explained.claim, explained.evidence
        self.explained, self.came_from = explained, None
        self._running.hide()
        self._about.setText(f"{_WHOSE[claim.origin]}: “{_short(claim.target)}”")
        self._about.setVisible(self._names_sentence)
        self._verdict.setText(verdict(evidence, claim.origin))
        set_role(self._verdict, "model" if evidence.grounded else "dim")
        self._caution.setVisible(evidence.grounded)
        self._note.setText(evidence.note)
        self._go.setVisible(evidence.localised)
        self._show.setVisible(evidence.localised)
        self.set_went(False)
        self._told.show()
        self.show()
        self.told.emit(explained)

    def fail(self, message: str, details: str = "") -> None:
        """Show why there is no evidence."""
        self._told.hide()
        self._running.fail(message, details)
        self.show()

    def stop(self) -> None:
        """Show again what was told before, or nothing."""
        self._running.hide()
        self._told.setVisible(self.explained is not None)
        self.setVisible(self.explained is not None)

    @Slot()
    def dismiss(self) -> None:
        """Forget what was found; the images show nothing of it any more."""
        if self._shown:
            self.show_requested.emit(self, False)
        self.explained = None
        self.hide()

    def set_shown(self, shown: bool) -> None:
        """Tell whether the images show the blocks."""
        self._shown = shown
        self._show.setText("Hide" if shown else "Show")
        self._show.setAccessibleName("Hide on the images" if shown else "Show on the images")

    def set_went(self, went: bool) -> None:
        """Tell whether the crosshair was brought to the strongest cell."""
        self._go.setText("Back" if went else "Go to")
        self._go.setAccessibleName("Crosshair back" if went else "Go to the strongest cell")

    @Slot()
    def _on_retry(self) -> None:
        self.retry_requested.emit(self)

    @Slot()
    def _on_go(self) -> None:
        self.go_requested.emit(self)

    @Slot()
    def _on_show(self) -> None:
        self.show_requested.emit(self, not self._shown)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"
