"""Ask the reader for files and folders, never stopping the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QFileDialog

from workstation.io.export import formats
from workstation.opening import Opening
from workstation.ui.main_window import MainWindow


class Choosing(QObject):
    """File dialogs of the window; the last folder is remembered.

    Parameters
    ----------
    export : callable
        Writes the report to a path in a format.
    """

    def __init__(
        self, window: MainWindow, opening: Opening, export: Callable[[Path, str], None]
    ) -> None:
        super().__init__(window)
        self._window, self._opening, self._export = window, opening, export
        self._format = ""

    @Slot()
    def folder(self) -> None:
        """Ask for a folder of images to open."""
        self._open(QFileDialog.FileMode.Directory, "Open a folder of images")

    @Slot()
    def file(self) -> None:
        """Ask for files to open: DICOM, ZIP, NIfTI, NRRD or MHA."""
        self._open(QFileDialog.FileMode.ExistingFiles, "Open image files")

    def _open(self, mode: QFileDialog.FileMode, title: str) -> None:
        last = str(self._window.state.value("folder", str(Path.home())))
        dialog = QFileDialog(self._window, title, last)
        dialog.setFileMode(mode)
        dialog.filesSelected.connect(self._on_chosen)
        dialog.open()

    @Slot(object)
    def _on_chosen(self, names: Sequence[str]) -> None:
        paths = [Path(name) for name in names]
        self._window.state.setValue("folder", str(paths[0].parent))
        self._opening.open_paths(paths)

    @Slot(str)
    def export(self, key: str) -> None:
        """Ask where to write the report."""
        self._format = key
        suffix = formats()[key].suffix
        dialog = QFileDialog(self._window, "Export the report", f"report{suffix}")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suffix.lstrip("."))
        dialog.fileSelected.connect(self._on_place)
        dialog.open()

    @Slot(str)
    def _on_place(self, name: str) -> None:
        self._export(Path(name), self._format)
