"""Reports as files: one module of this folder per format, found by being here.

A format's module has ``LABEL`` (for the menu), ``SUFFIX`` and ``render(document)``,
which gives the file's bytes. Modules whose name begins with ``_`` are no formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from workstation.core.atomic_file import write_atomically
from workstation.io.export._document import ExportDocument

__all__ = ["ExportDocument", "ExportFormat", "export", "formats"]


@dataclass(frozen=True)
class ExportFormat:
    """One way to write a report: ``suffix`` with its dot."""

    key: str
    label: str
    suffix: str
    render: Callable[[ExportDocument], bytes]


@cache
def formats() -> dict[str, ExportFormat]:
    """List the formats by key, in the order of their labels."""
    names = [m.name for m in iter_modules(__path__) if not m.name.startswith("_")]
    modules = [(name, import_module(f"{__name__}.{name}")) for name in names]
    found = [ExportFormat(name, m.LABEL, m.SUFFIX, m.render) for name, m in modules]
    return {each.key: each for each in sorted(found, key=lambda each: each.label)}


def export(document: ExportDocument, path: Path, key: str) -> None:
    """Write a report, as what it is: signed, an unsigned draft or an unsigned addendum.

    Raises
    ------
    KeyError
        No such format.
    StorageError
        The file cannot be written; an older file of that name is as it was.
    """
    write_atomically(path, formats()[key].render(document))
