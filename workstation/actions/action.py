"""What a reader can do, as data: menus, toolbars and the key list are made from tables of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """Where an action's shortcut is heard."""

    WINDOW = "window"
    IMAGES = "images"
    PANELS = "panels"


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes
    ----------
    key : str
        Stable name, such as ``"view.invert"``; the part before the dot is its menu.
    text : str
        As menus and the key list show it.
    run : callable
        Does it.
    shortcuts : tuple of str
        Qt's portable key texts, the first being the one shown.
    enabled : callable
        Tells whether it can be done now.
    checked : callable or None
        For a switch: tells whether it is on.
    scope : Scope
        ``IMAGES``: the shortcut is heard only while the image area has the focus, so that
        single keys do not get in the way of typing or of lists. ``PANELS``: only while one of
        the panels around it has, so that a key can mean something else in the images.
    drawing : str
        Its picture, where it brings one: what stands inside a 24 × 24 SVG.
    """

    key: str
    text: str
    run: Callable[[], None]
    shortcuts: tuple[str, ...] = ()
    enabled: Callable[[], bool] = _always
    checked: Callable[[], bool] | None = None
    scope: Scope = Scope.WINDOW
    drawing: str = ""

    @property
    def shortcut(self) -> str:
        """The shortcut shown, or an empty string."""
        return self.shortcuts[0] if self.shortcuts else ""
