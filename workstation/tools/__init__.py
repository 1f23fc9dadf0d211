"""Measurements: one module of this folder per tool, found by being here.

A tool's module has ``LABEL`` (for menus, lists and reports), ``SHORTCUTS`` (keys in the
images), ``ORDER`` (its place in the tool bar), ``ICON`` (what stands inside a 24 × 24 SVG),
``HINTS`` (what to do, for each point) and ``measure(points, where)``, which turns as many
points in LPS mm as there are hints, on a :class:`~workstation.core.measurement.SlicePlane`,
into values and shapes. Modules whose name begins with ``_`` are no tools.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from weakref import WeakKeyDictionary

from workstation.core.geometry import Point
from workstation.core.measurement import Measurement, Result, SlicePlane
from workstation.core.volume import Volume

__all__ = ["Tool", "measure", "tools"]


@dataclass(frozen=True)
class Tool:
    """One way to measure."""

    key: str
    label: str
    shortcuts: tuple[str, ...]
    icon: str
    hints: tuple[str, ...]
    measure: Callable[[tuple[Point, ...], SlicePlane], Result]

    @property
    def points(self) -> int:
        """Points that a measurement has."""
        return len(self.hints)


@cache
def tools() -> dict[str, Tool]:
    """List the tools by key, in the order of the tool bar."""
    names = [m.name for m in iter_modules(__path__) if not m.name.startswith("_")]
    modules = [(name, import_module(f"{__name__}.{name}")) for name in names]
    ordered = sorted(modules, key=lambda found: found[1].ORDER)
    made = (Tool(name, m.LABEL, m.SHORTCUTS, m.ICON, m.HINTS, m.measure) for name, m in ordered)
    return {tool.key: tool for tool in made}


# A volume that is filling comes as a new value with every slice, so what was measured on it
# before goes with it.
_MEASURED: WeakKeyDictionary[Volume, dict[Measurement, Result]] = WeakKeyDictionary()
_MOST = 500


def measure(measurement: Measurement, volume: Volume) -> Result:
    """Tell what a measurement comes to on a volume; the same one is computed once."""
    known = _MEASURED.setdefault(volume, {})
    if measurement not in known:
        if len(known) >= _MOST:
            known.clear()
        known[measurement] = _measured(measurement, volume)
    return known[measurement]


def _measured(measurement: Measurement, volume: Volume) -> Result:
    tool = tools().get(measurement.tool)
    if tool is None or tool.points != len(measurement.points):
        return Result(remark="this program cannot measure it", label=measurement.tool)
    where = SlicePlane.of(volume, measurement.plane, measurement.points)
    if where is None:
        return Result(remark="not on a slice of this series", label=tool.label)
    return replace(tool.measure(measurement.points, where), label=tool.label)
