"""Undo and redo of a report, while the model may be writing into it.

The history is a list of changes. When the model writes, its text is slipped beneath the
person's changes, so undo takes back what the person did and nothing else; a finished
draft is one step of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workstation.core.authorship import NOTHING, Fragment
from workstation.core.report import Report, Sentence, accept, replaced
from workstation.core.sentences import Span, sentences

_LIMIT = 500


@dataclass(frozen=True)
class Change:
    """One step: text replaced at a position, and acceptances lost and gained.

    ``lost`` spans lie in the text before the change, ``gained`` spans in the text after.
    ``run_id`` names the run whose writing this step is.
    """

    position: int
    removed: Fragment = NOTHING
    inserted: Fragment = NOTHING
    lost: frozenset[Span] = frozenset()
    gained: frozenset[Span] = frozenset()
    run_id: str = ""

    def inverse(self) -> Change:
        """Step that takes this one back."""
        return Change(
            self.position, self.inserted, self.removed, self.gained, self.lost, self.run_id
        )

    def apply(self, report: Report) -> Report:
        """Report after this step."""
        after = replaced(report, self.position, len(self.removed), self.inserted)
        # What the model wrote on to in the meantime is no longer what was accepted.
        wanted = (after.accepted - self.lost) | self.gained
        return replace(after, accepted=wanted & set(sentences(after.text)))


def replacing(report: Report, position: int, removed: int, inserted: Fragment) -> Change:
    """Step that replaces characters of a report."""
    after = replaced(report, position, removed, inserted)
    grown = len(inserted) - removed
    lost = frozenset(
        span
        for span in report.accepted
        if (span if span.end <= position else span.moved(grown)) not in after.accepted
    )
    return Change(position, report.content.part(position, position + removed), inserted, lost)


def accepting(report: Report, sentence: Sentence, accepted: bool) -> Change:
    """Step that accepts a sentence or takes that back."""
    after = accept(report, sentence, accepted)
    return Change(
        sentence.start,
        lost=report.accepted - after.accepted,
        gained=after.accepted - report.accepted,
    )


class ReportHistory:
    """Steps done and undone."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []

    def record(self, change: Change) -> None:
        """Add a step; typing goes on in the same step until a word ends."""
        self._undone.clear()
        merged = _typed_on(self._done[-1], change) if self._done else None
        if merged is not None:
            self._done[-1] = merged
        else:
            self._done.append(change)
            del self._done[:-_LIMIT]

    def undo(self, report: Report) -> Report | None:
        """Report before the last step; None if there is none, or the model still writes it."""
        if not self._done or _open(report, self._done[-1].run_id):
            return None
        change = self._done.pop()
        self._undone.append(change)
        return change.inverse().apply(report)

    def forget_unused(self, report: Report, run_id: str) -> Report | None:
        """Take back the place made for a run that wrote nothing; None if more was done since."""
        if not self._done or self._done[-1].run_id != run_id:
            return None
        return self._done.pop().inverse().apply(report)

    def redo(self, report: Report) -> Report | None:
        """Report with the last undone step done again; None if there is none."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._done.append(change)
        return change.apply(report)

    def written(self, position: int, fragment: Fragment, run_id: str) -> None:
        """Take note that a run wrote ``fragment`` at ``position`` of the present text."""
        self._shift_undone(position, len(fragment))
        at = position
        for index in reversed(range(len(self._done))):
            change = self._done[index]
            offset = at - change.position
            if change.run_id == run_id and 0 <= offset <= len(change.inserted):
                inserted = change.inserted.replaced(offset, 0, fragment)
                self._done[index] = replace(change, inserted=inserted)
                return
            if change.run_id == run_id or 0 < offset < len(change.inserted):
                # The place cannot be told apart from the step: forget it and all before.
                del self._done[: index + 1]
                return
            self._done[index], at = _pushed(change, at, len(fragment))

    def _shift_undone(self, position: int, length: int) -> None:
        at = position
        for index in reversed(range(len(self._undone))):
            change = self._undone[index].inverse()
            if 0 < at - change.position < len(change.inserted):
                del self._undone[: index + 1]
                return
            shifted, at = _pushed(change, at, length)
            self._undone[index] = shifted.inverse()


def _open(report: Report, run_id: str) -> bool:
    return any(run.id == run_id and run.anchor is not None for run in report.runs)


def _pushed(change: Change, at: int, length: int) -> tuple[Change, int]:
    """Change as if ``length`` characters at ``at`` had been written before it, and where."""
    if at <= change.position:
        before = at
        position = change.position + length
    else:
        before = at - len(change.inserted) + len(change.removed)
        position = change.position
    lost, gained = _made_room(change.lost, before, length), _made_room(change.gained, at, length)
    return replace(change, position=position, lost=lost, gained=gained), before


def _made_room(spans: frozenset[Span], at: int, length: int) -> frozenset[Span]:
    kept = (span for span in spans if span.end <= at or span.start >= at)
    return frozenset(span if span.end <= at else span.moved(length) for span in kept)


def _typed_on(last: Change, change: Change) -> Change | None:
    """Both steps as one, if they are one go of typing or of deleting; else None."""
    if last.lost or last.gained or change.lost or change.gained or last.run_id or change.run_id:
        return None
    if len(last.inserted) and not len(last.removed):
        return _one_more_typed(last, change)
    if len(last.removed) and not len(last.inserted) and not len(change.inserted):
        follows = change.position + len(change.removed) == last.position
        if follows and len(change.removed) == 1:
            return Change(change.position, change.removed + last.removed)
    return None


def _one_more_typed(last: Change, change: Change) -> Change | None:
    follows = change.position == last.position + len(last.inserted)
    new_word = last.inserted.text[-1].isspace() and not change.inserted.text.isspace()
    if follows and len(change.inserted) == 1 and not len(change.removed) and not new_word:
        return replace(last, inserted=last.inserted + change.inserted)
    return None
