"""A pytest plugin (``-p tests.without_gui``): Qt and VTK cannot be imported while it is loaded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_BLOCKED = ("PySide6", "shiboken6", "vtk", "vtkmodules", "pyvista")


class _Blocker(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] in _BLOCKED:
            raise ImportError(f"{fullname} is blocked: this part must work without it")
        return None


sys.meta_path.insert(0, _Blocker())
