"""What to import, and whether to copy it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QPushButton

from workstation.ui.theme import icon


class ImportButton(QPushButton):
    """A button with a menu.

    Signals
    -------
    wanted(bool)
        Files (or else a folder) are to be imported.
    copy_chosen(bool)
        Whether imports copy the files into the archive.
    """

    wanted = Signal(bool)
    copy_chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__(icon("insert"), "Import")
        self.setToolTip("Put scans into the archive")
        self.setAutoDefault(False)
        menu = QMenu(self)
        menu.addAction("Import a folder …").setData(False)
        menu.addAction("Import files …").setData(True)
        menu.addSeparator()
        self._copies = menu.addAction("Copy the files into the archive")
        self._copies.setCheckable(True)
        self._copies.setChecked(True)
        self._copies.toggled.connect(self.copy_chosen)
        menu.triggered.connect(self._on_menu)
        self.setMenu(menu)

    def set_copies(self, copies: bool) -> None:
        """Say whether imports copy the files, or leave them where they are."""
        self._copies.setChecked(copies)

    @Slot(QAction)
    def _on_menu(self, action: QAction) -> None:
        if action.data() is not None:
            self.wanted.emit(bool(action.data()))
