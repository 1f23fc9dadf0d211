"""Undo as a list of values: what was there, and what came in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
_LIMIT = 500


@dataclass(frozen=True)
class Edit(Generic[Thing]):
    """One thing changed; ``before`` None: it was made, ``after`` None: it was removed."""

    before: Thing | None
    after: Thing | None

    def inverse(self) -> Edit[Thing]:
        """Edit that takes this one back."""
        return Edit(self.after, self.before)


class History(Generic[Thing]):
    """Edits done and undone."""

    def __init__(self) -> None:
        self._done: list[Edit[Thing]] = []
        self._undone: list[Edit[Thing]] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether an edit was taken back."""
        return bool(self._undone)

    def record(self, edit: Edit[Thing]) -> None:
        """Take note of an edit; what was undone before can no longer be done again."""
        self._undone.clear()
        self._done.append(edit)
        del self._done[:-_LIMIT]

    def undo(self) -> Edit[Thing] | None:
        """Edit that takes the last one back; None if there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1].inverse()

    def redo(self) -> Edit[Thing] | None:
        """Edit that was undone last, to be done again; None if there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    def forget(self) -> None:
        """Begin anew."""
        self._done.clear()
        self._undone.clear()
