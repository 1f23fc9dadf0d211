"""Drawing is requested, not done: which view is drawn next."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

View = TypeVar("View", bound=Hashable)


class Scheduler(Generic[View]):
    """Requests for drawing, each view at most once, the active view before all others.

    The others follow in the order in which they were first asked for, so that none starves
    while the active one is scrolled: the caller takes the active view on every turn of its
    event loop and one of the others when the loop is idle.
    """

    def __init__(self) -> None:
        self._waiting: dict[View, None] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def request(self, view: View) -> None:
        """Ask for a view to be drawn; asking again before it is drawn changes nothing."""
        self._waiting.setdefault(view)

    def take(self, view: View) -> bool:
        """Take one view's request; False if there is none."""
        if view not in self._waiting:
            return False
        del self._waiting[view]
        return True

    def take_next(self) -> View | None:
        """Take the oldest request; None if nothing is waiting."""
        view = next(iter(self._waiting), None)
        if view is not None:
            del self._waiting[view]
        return view

    def clear(self) -> None:
        """Forget all requests."""
        self._waiting.clear()
