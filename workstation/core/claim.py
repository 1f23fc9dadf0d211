"""What is to be explained: a sentence or an answer, and what the model had before it."""

from __future__ import annotations

from dataclasses import dataclass

from model_runtime.api import HuWindow, Provenance, Task
from workstation.core.authorship import Origin
from workstation.core.report import Report, Sentence


@dataclass(frozen=True)
class Claim:
    """A sentence or an answer whose evidence is looked for.

    Attributes
    ----------
    origin : Origin
        Whose words it is.
    question, choices
        What it answers; empty for a report.
    context : str
        What stands before it in the draft.
    receipt : Provenance or None
        What the model saw when it wrote this; None for a person's words.
    """

    target: str
    origin: Origin = Origin.MODEL
    question: str = ""
    choices: tuple[str, ...] = ()
    context: str = ""
    receipt: Provenance | None = None

    @property
    def window(self) -> HuWindow | None:
        """Window in which the model saw the scan; None: not known."""
        return None if self.receipt is None else self.receipt.window

    def is_about(self, series: str, slice_count: int) -> bool:
        """Whether it can have been written about a series of this description and size."""
        receipt = self.receipt
        if receipt is None or receipt.slice_count == 0:
            return True
        return (receipt.series, receipt.slice_count) == (series, slice_count)


def claim_of(report: Report, sentence: Sentence) -> Claim:
    """Claim that a sentence of a report makes.

    A person's sentence is read after all that stands before it; the model's after what the
    model itself had written before, whatever became of that.
    """
    if sentence.origin is Origin.HUMAN:
        return Claim(sentence.text, Origin.HUMAN, context=report.text[: sentence.start])
    run = report.run(sentence.run_id)
    pieces = report.content.part(sentence.start, sentence.end).pieces
    own = [piece for piece in pieces if piece.run_id == run.id]
    around = run.sentences_around(own)
    start = around[0].start if around else own[0].start
    receipt = run.provenance
    asked = receipt is not None and receipt.task is Task.QUESTION
    return Claim(
        sentence.text,
        sentence.origin,
        question=receipt.prompt.strip() if receipt is not None and asked else "",
        context=run.text[:start],
        receipt=receipt,
    )
