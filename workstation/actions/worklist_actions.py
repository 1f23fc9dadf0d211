"""The archive's worklist: show it, go through it, import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workstation.actions.action import Action, Scope


@dataclass(frozen=True)
class WorklistDesk:
    """What the actions call; every field does one thing."""

    toggle: Callable[[], None]
    is_shown: Callable[[], bool]
    neighbour: Callable[[int], None]
    choose: Callable[[bool], None]
    keep_open: Callable[[], None]
    has_scan: Callable[[], bool]


def worklist_actions(desk: WorklistDesk) -> tuple[Action, ...]:
    """Table for the menu Worklist."""
    return (
        Action("worklist.show", "Worklist", desk.toggle, ("F7",), checked=desk.is_shown),
        Action("worklist.next", "Next study", partial(desk.neighbour, 1), ("Ctrl+Down",),
               scope=Scope.IMAGES),
        Action("worklist.previous", "Previous study", partial(desk.neighbour, -1), ("Ctrl+Up",),
               scope=Scope.IMAGES),
        Action("worklist.keep", "Keep the open study in the archive", desk.keep_open,
               ("Ctrl+Shift+K",), desk.has_scan),
        Action("worklist.folder", "Import a folder …", partial(desk.choose, False),
               ("Ctrl+Shift+I",)),
        Action("worklist.files", "Import files …", partial(desk.choose, True)),
    )  # fmt: skip
