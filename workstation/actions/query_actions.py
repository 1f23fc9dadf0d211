"""The PACS: search, a patient's priors, cancel, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workstation.actions.action import Action


@dataclass(frozen=True)
class QueryDesk:
    """What the actions call; every field does one thing."""

    toggle: Callable[[], None]
    shown: Callable[[], bool]
    priors: Callable[[], None]
    has_patient: Callable[[], bool]
    cancel: Callable[[], None]
    is_busy: Callable[[], bool]
    settings: Callable[[], None]


def query_actions(desk: QueryDesk) -> tuple[Action, ...]:
    """Table for the menu PACS."""
    return (
        Action("pacs.query", "Search the PACS …", desk.toggle, ("F8",), checked=desk.shown),
        Action(
            "pacs.priors", "Retrieve the patient's priors", desk.priors, ("Ctrl+Shift+P",),
            desk.has_patient,
        ),
        Action("pacs.cancel", "Cancel the retrieval", desk.cancel, (), desk.is_busy),
        Action("pacs.settings", "PACS settings …", desk.settings, ("Ctrl+Alt+P",)),
    )  # fmt: skip
