"""The page of settings for PACS: which there are, and how this program receives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QHBoxLayout, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from workstation.ui import palette
from workstation.ui.field_form import Field, FieldForm
from workstation.ui.panel_parts import as_panel, button, label, set_role
from workstation.ui.peers_page import PeerEntry, PeersPage
from workstation.ui.theme import icon

OWN_FIELDS = (
    Field("pacs_receive", "Receiver", "check", hint="take images while this window is open"),
    Field("pacs_ae_title", "AE title", hint="TOMOSCRIBE"),
    Field("pacs_host", "Listens at", hint="127.0.0.1 is this machine only, 0.0.0.0 every network"),
    Field("pacs_port", "Port", hint="11112", short=True),
    Field("pacs_allowed", "Who else may send", "list", hint="AE titles or AE@ADDRESS, by commas"),
    Field("pacs_tls", "Encryption", "check", hint="receive over TLS only"),
    Field("pacs_certificate", "Own certificate", "file", hint="PEM file"),
    Field("pacs_key", "Its key", "file", hint="PEM file"),
    Field("pacs_authority", "Authority", "file", hint="who signed the peers' certificates (PEM)"),
)
_OWN = (
    "Under this AE title the program asks, and receives what a PACS sends it: for C-MOVE while a "
    "study is retrieved, and at any time with the receiver on. The PACS of these settings may send "
    "always. Certificates serve both ways, and DICOMweb too."
)
_UNSAVED = "What you changed is not saved. Close once more to give it up."
_SIZE = (860, 600)


class PacsSettings(QDialog):
    """Two pages, Save and Close.

    Signals
    -------
    changed()
        Something was typed, added or removed.
    test_requested()
        Whether the PACS that is chosen answers.
    save_requested()
    """

    changed = Signal()
    test_requested = Signal()
    save_requested = Signal()

    def __init__(
        self,
        entries: Sequence[PeerEntry],
        own: Mapping[str, Any],
        secret_remark: str,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("PACS settings")
        self.peers = PeersPage(entries, secret_remark)
        self.own = FieldForm(OWN_FIELDS)
        self.own.show_values(own)
        self._state = label("", "dim")
        self._told = label("", "dim")
        self.saves = button("Save", "save", "primary")
        self.closes = button("Close", "close")
        self.tabs = QTabWidget()
        self.tabs.addTab(self.peers, "PACS")
        self.tabs.addTab(self._own_page(), "This program")
        self._dirty = self._warned = False
        self._lay_out()
        available = parent.size()
        self.resize(min(_SIZE[0], available.width() - 40), min(_SIZE[1], available.height() - 40))
        self.peers.changed.connect(self.changed)
        self.peers.test_requested.connect(self.test_requested)
        self.own.changed.connect(self.changed)
        self.saves.clicked.connect(self.save_requested)
        self.closes.clicked.connect(self.reject)

    def _own_page(self) -> QWidget:
        page = QWidget()
        as_panel(page)
        column = QVBoxLayout(page)
        column.setContentsMargins(12, 12, 12, 8)
        column.setSpacing(10)
        column.addWidget(label(_OWN, "dim"))
        column.addWidget(self.own)
        column.addWidget(self._state)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(page)
        return scroll

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setContentsMargins(12, 0, 12, 0)
        buttons.addWidget(self._told, 1)
        buttons.addWidget(self.saves, 0, Qt.AlignmentFlag.AlignTop)
        buttons.addWidget(self.closes, 0, Qt.AlignmentFlag.AlignTop)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 4, 0, 12)
        whole.addWidget(self.tabs, 1)
        whole.addLayout(buttons)

    def show_faults(
        self, peers: Sequence[Mapping[str, str]], own: Mapping[str, str], dirty: bool
    ) -> None:
        """Say what is wrong beside each field; saved is only what is sound."""
        self.peers.show_faults(peers)
        self.own.show_faults(own)
        for tab, wrong in enumerate((any(peers), bool(own))):
            self.tabs.setTabIcon(tab, icon("warning", palette.WARNING) if wrong else QIcon())
        count = sum(len(one) for one in peers) + len(own)
        self._dirty, self._warned = dirty, False
        self.saves.setEnabled(dirty and not count)
        if count:
            self.say(f"{count} {'entry has' if count == 1 else 'entries have'} to be put right.",
                     "warning")  # fmt: skip
        else:
            self.say("Not saved yet." if dirty else "")

    def say(self, text: str, role: str = "dim") -> None:
        """Tell something beside the buttons."""
        self._told.setText(text)
        set_role(self._told, role)

    def show_receiver(self, text: str, role: str = "dim") -> None:
        """Say whether images are received now."""
        self._state.setText(text)
        set_role(self._state, role)

    @Slot()
    def reject(self) -> None:
        """Close; what is typed and not saved is given up only when that was said."""
        if self._dirty and not self._warned:
            self._warned = True
            self.say(_UNSAVED, "warning")
            return
        super().reject()
