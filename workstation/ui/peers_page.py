"""The list of PACS with a form for the one that is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from workstation.ui import palette
from workstation.ui.field_form import Field, FieldForm
from workstation.ui.panel_parts import as_panel, button, label, set_role
from workstation.ui.theme import icon

PeerKind = Literal["node", "web"]
_KINDS = {"node": "DICOM node", "web": "DICOMweb"}
_EMPTY = (
    "No PACS is set up yet. Add a DICOM node (AE title, host and port) or a DICOMweb service "
    "(an https address)."
)
_LIST = 230

NODE_FIELDS = (
    Field("name", "Name", hint="what you call it"),
    Field("ae_title", "AE title", hint="what it calls itself"),
    Field("host", "Host", hint="pacs.example.org"),
    Field("port", "Port", hint="104", short=True),
    Field("retrieve", "Retrieves by", "choice", choices=(
        ("get", "C-GET (over the same connection)"),
        ("move", "C-MOVE (it sends to this program's port)"),
    )),
    Field("associations", "Associations", hint="3", short=True),
    Field("charset", "Character set", hint="ISO_IR 192", short=True),
    Field("tls", "Encryption", "check", hint="TLS, and never without"),
    Field("tls_host", "Name in its certificate", hint="its host, if empty"),
)  # fmt: skip
WEB_FIELDS = (
    Field("name", "Name", hint="what you call it"),
    Field("url", "Address", hint="https://pacs.example.org/dicom-web"),
    Field("login", "Login", "choice", choices=(
        ("none", "none"), ("basic", "user and password"), ("token", "token"),
    )),
    Field("user", "User"),
    Field("secret", "Password or token", "secret", hint="as it is known, if empty"),
    Field("verify", "Certificate", "check", hint="has to be valid"),
    Field("connections", "Connections", hint="4", short=True),
)  # fmt: skip
_NEW: dict[PeerKind, dict[str, Any]] = {
    "node": {"port": "104", "associations": "3", "charset": "ISO_IR 192", "retrieve": "get"},
    "web": {"url": "https://", "login": "none", "verify": True, "connections": "4"},
}


@dataclass
class PeerEntry:
    """A PACS as it is typed; ``known`` are the values that stand in the settings."""

    kind: PeerKind
    values: dict[str, Any]
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the reader calls it."""
        return str(self.values.get("name", "")).strip()


class PeersPage(QWidget):
    """Adds, changes, removes and tests PACS.

    Signals
    -------
    changed()
        Something was typed, added or removed.
    test_requested()
        Whether the one that is chosen answers.
    """

    changed = Signal()
    test_requested = Signal()

    def __init__(self, entries: Sequence[PeerEntry], secret_remark: str) -> None:
        super().__init__()
        as_panel(self)
        self.entries = list(entries)
        self.list = QListWidget()
        self.list.setAccessibleName("PACS")
        self.list.setProperty("role", "boxed")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setIconSize(QSize(14, 14))
        self.forms = {"node": FieldForm(NODE_FIELDS), "web": FieldForm(WEB_FIELDS)}
        self._hint = label(_EMPTY, "dim")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._remark = label(secret_remark, "dim")
        self._tests = button("Test", "search", "", "Ask whether it answers (C-ECHO, or a search)")
        self._result = label("")
        self._removes = button("Remove", "delete", "", "Take this PACS out of the settings")
        self._pages = QStackedWidget()
        self._pages.setProperty("role", "bare")
        self._lay_out()
        for form in self.forms.values():
            form.changed.connect(self._on_typed)
        self.list.currentRowChanged.connect(self._on_chosen)
        self._removes.clicked.connect(self._on_remove)
        self._tests.clicked.connect(self.test_requested)
        self._renew_list(0)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.addWidget(self.list, 1)
        for kind, text in _KINDS.items():
            adds = button(f"Add {text}", "add")
            adds.clicked.connect(lambda _=False, kind=kind: self.add(kind))
            left.addWidget(adds)
        self.list.setFixedWidth(_LIST)
        for kind, form in self.forms.items():
            page = QWidget()
            page.setProperty("role", "bare")
            column = QVBoxLayout(page)
            column.setContentsMargins(4, 0, 10, 0)
            column.addWidget(form)
            if kind == "web":
                column.addWidget(self._remark)
            column.addStretch(1)
            scroll = QScrollArea()
            scroll.setWidgetResizable(True)
            scroll.setWidget(page)
            self._pages.addWidget(scroll)
        self._pages.addWidget(self._hint)
        below = QHBoxLayout()
        below.addWidget(self._tests, 0, Qt.AlignmentFlag.AlignTop)
        below.addWidget(self._result, 1)
        below.addWidget(self._removes, 0, Qt.AlignmentFlag.AlignTop)
        right = QVBoxLayout()
        right.addWidget(self._pages, 1)
        right.addLayout(below)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(12, 12, 12, 8)
        whole.setSpacing(14)
        whole.addLayout(left)
        whole.addLayout(right, 1)

    @property
    def current(self) -> PeerEntry | None:
        """The PACS whose form is shown."""
        row = self.list.currentRow()
        return self.entries[row] if 0 <= row < len(self.entries) else None

    def add(self, kind: PeerKind) -> None:
        """Add a PACS, and put the cursor into its name."""
        self.entries.append(PeerEntry(kind, dict(_NEW[kind])))
        self._renew_list(len(self.entries) - 1)
        self.forms[kind].line("name").setFocus()
        self.changed.emit()

    def show_faults(self, faults: Sequence[Mapping[str, str]]) -> None:
        """Say what is wrong with each PACS: in its form, and by a sign in the list."""
        for row, found in enumerate(faults):
            item = self.list.item(row)
            sign = icon("warning", palette.WARNING) if found else icon("beside", palette.DIM)
            item.setIcon(sign)
            item.setToolTip("\n".join(found.values()))
        row = self.list.currentRow()
        if 0 <= row < len(faults):
            self.forms[self.entries[row].kind].show_faults(faults[row])
            self._tests.setEnabled(not faults[row])

    def show_result(self, text: str, role: str = "") -> None:
        """Say how the test went."""
        self._result.setText(text)
        set_role(self._result, role)

    def _renew_list(self, row: int) -> None:
        before = self.list.blockSignals(True)
        self.list.clear()
        for one in self.entries:
            self.list.addItem(QListWidgetItem(icon("beside", palette.DIM), _line(one)))
        self.list.setCurrentRow(min(row, len(self.entries) - 1))
        self.list.blockSignals(before)
        self._on_chosen()

    @Slot()
    def _on_chosen(self) -> None:
        one = self.current
        self.show_result("")
        for widget in (self._tests, self._removes):
            widget.setVisible(one is not None)
        if one is None:
            self._pages.setCurrentIndex(2)
            return
        self.forms[one.kind].show_values(one.values)
        self._show_login()
        self._pages.setCurrentIndex(0 if one.kind == "node" else 1)
        self.changed.emit()

    @Slot()
    def _on_typed(self) -> None:
        one = self.current
        if one is None:
            return
        one.values = {**one.values, **self.forms[one.kind].values()}
        self.list.item(self.list.currentRow()).setText(_line(one))
        self.show_result("")
        self._show_login()
        self.changed.emit()

    def _show_login(self) -> None:
        """Ask for a user and a password only where the login needs them."""
        form = self.forms["web"]
        login = form.values()["login"]
        form.show_field("user", login == "basic")
        form.show_field("secret", login != "none")
        self._remark.setVisible(login != "none")

    @Slot()
    def _on_remove(self) -> None:
        row = self.list.currentRow()
        if 0 <= row < len(self.entries):
            del self.entries[row]
            self._renew_list(row)
            self.changed.emit()


def _line(one: PeerEntry) -> str:
    kind = "DICOM" if one.kind == "node" else _KINDS[one.kind]
    return f"{one.name or '(no name)'}  ·  {kind}"
