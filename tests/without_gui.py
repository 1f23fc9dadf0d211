"""A pytest plugin (``-p tests.without_gui``): Qt and VTK cannot be imported while it is loaded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

_BLOCKED = ("PySide6", "shiboken6", "vtk", "vtkmodules", "pyvista")


class _Blocker(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.split(".", maxsplit=1)[0] in _BLOCKED:
            raise ImportError(f"{fullname} is blocked: this part must work without it")
        return None


sys.meta_path.insert(0, _Blocker())


def _loaded() -> list[str]:
    return sorted(set(_BLOCKED) & set(sys.modules))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Prove it: nothing was loaded before the block, or around it, in each worker too."""
    if _loaded():
        raise RuntimeError(f"loaded although blocked: {_loaded()}")
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["without_gui"] = True


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Hear from each of pytest-xdist's workers that it was blocked."""
    if error is None and not node.workeroutput.get("without_gui"):
        raise RuntimeError(f"{node.gateway.id} ran without the block")
