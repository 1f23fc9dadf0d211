"""Measuring on the images: the tools, and what is done with what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from workstation.actions.action import Action, Scope
from workstation.core.measurement import Measurement
from workstation.core.session import Reading
from workstation.tools import Tool, tools


@dataclass(frozen=True)
class MeasureDesk:
    """What the actions call; every field does one thing."""

    undo: Callable[[], None]
    can_undo: Callable[[], bool]
    redo: Callable[[], None]
    can_redo: Callable[[], bool]
    insert: Callable[[], None]
    can_insert: Callable[[], bool]


def measure_actions(reading: Reading, desk: MeasureDesk) -> tuple[Action, ...]:
    """Table for the menu Measure."""
    images = Scope.IMAGES

    def chosen() -> bool:
        return reading.measurement(reading.selected) is not None

    def some() -> bool:
        return bool(reading.measurements)

    return (
        *(_tool_action(reading, tool) for tool in tools().values()),
        Action("measure.delete", "Delete the measurement",
               lambda: reading.remove(reading.selected), ("Del", "Backspace"), chosen,
               scope=images),
        Action("measure.undo", "Undo measuring", desk.undo, ("Ctrl+Z",), desk.can_undo,
               scope=images),
        Action("measure.redo", "Redo measuring", desk.redo, ("Ctrl+Shift+Z",), desk.can_redo,
               scope=images),
        Action("measure.next", "Next measurement", partial(_go, reading, 1), ("N",), some,
               scope=images),
        Action("measure.previous", "Previous measurement", partial(_go, reading, -1),
               ("Shift+N",), some, scope=images),
        Action("measure.insert", "Insert into the report", desk.insert,
               ("Ctrl+M",), desk.can_insert),
    )  # fmt: skip


def _tool_action(reading: Reading, tool: Tool) -> Action:
    def toggle() -> None:
        reading.drawing = None
        reading.tool = "" if reading.tool == tool.key else tool.key

    return Action(
        f"measure.{tool.key}",
        tool.label,
        toggle,
        tool.shortcuts,
        lambda: reading.volume is not None,
        checked=lambda: reading.tool == tool.key,
        scope=Scope.IMAGES,
        drawing=tool.icon,
    )


def _go(reading: Reading, step: int) -> None:
    """Go to the next measurement from the chosen one, round and round."""
    order: list[Measurement] = list(reading.measurements)
    chosen = reading.measurement(reading.selected)
    here = order.index(chosen) if chosen is not None else (-1 if step > 0 else 0)
    reading.show_measurement(order[(here + step) % len(order)].id)
