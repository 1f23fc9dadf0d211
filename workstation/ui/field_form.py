"""Labelled fields with what is wrong beside each; made from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from workstation.ui.choice_box import ChoiceBox
from workstation.ui.panel_parts import button, label, set_role
from workstation.ui.tick_box import TickBox

Kind = Literal["text", "list", "secret", "file", "check", "choice"]
_SHORT = 110


@dataclass(frozen=True)
class Field:
    """One field: its name among the values, what stands before it, and how it is entered.

    ``hint`` is shown in the empty line, or behind a check box; ``choices`` are values with
    their texts; ``short`` lines hold numbers.
    """

    name: str
    label: str
    kind: Kind = "text"
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    short: bool = False


class _Line(QWidget):
    """A line of text, of several values, of a secret, or of a file with a button to look for it."""

    changed = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.setProperty("role", "bare")
        self._kind = field.kind
        self.line = QLineEdit()
        self.line.setPlaceholderText(field.hint)
        self.line.setAccessibleName(field.label)
        if field.kind == "secret":
            self.line.setEchoMode(QLineEdit.EchoMode.Password)
        if field.short:
            self.line.setFixedWidth(_SHORT)
        self.line.textChanged.connect(self.changed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 0 if field.short else 1)
        if field.short:
            row.addStretch(1)
        if field.kind == "file":
            looks = button("Choose …", "open", "", f"Look for the file: {field.label}")
            looks.clicked.connect(self._look)
            row.addWidget(looks)

    def value(self) -> object:
        text = self.line.text().strip() if self._kind != "secret" else self.line.text()
        if self._kind != "list":
            return text
        return [part.strip() for part in text.split(",") if part.strip()]

    def show_value(self, value: Any) -> None:  # noqa: ANN401 - whatever stands in the file
        given = value if isinstance(value, list | tuple) else [value]
        self.line.setText(", ".join("" if one is None else str(one) for one in given))
        self.line.setCursorPosition(0)

    @Slot()
    def _look(self) -> None:
        dialog = QFileDialog(self, "Choose a PEM file", self.line.text())
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.line.setText)
        dialog.open()


class _Check(TickBox):
    """Yes or no."""

    changed = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__(field.hint)
        self.setAccessibleName(field.label or field.hint)
        self.toggled.connect(self.changed)

    def value(self) -> object:
        return self.isChecked()

    def show_value(self, value: Any) -> None:  # noqa: ANN401
        self.setChecked(bool(value))


class _Choice(ChoiceBox):
    """One of a few."""

    changed = Signal()

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.setAccessibleName(field.label)
        for value, text in field.choices:
            self.addItem(text, value)
        self.currentIndexChanged.connect(self.changed)

    def value(self) -> object:
        return self.currentData()

    def show_value(self, value: Any) -> None:  # noqa: ANN401
        self.setCurrentIndex(max(self.findData(value), 0))


class FieldForm(QWidget):
    """The fields of a table, one below the other.

    Signals
    -------
    changed()
        Something was typed or chosen.
    """

    changed = Signal()

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self.setProperty("role", "bare")
        self.editors: dict[str, _Line | _Check | _Choice] = {}
        self._faults: dict[str, QLabel] = {}
        self._labels: dict[str, QLabel] = {}
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(1, 1)
        for number, field in enumerate(fields):
            self._add(grid, 2 * number, field)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(grid)
        whole.addStretch(1)

    def _add(self, grid: QGridLayout, row: int, field: Field) -> None:
        made: _Line | _Check | _Choice = (
            _Check(field) if field.kind == "check"
            else _Choice(field) if field.kind == "choice" else _Line(field)
        )  # fmt: skip
        made.changed.connect(self.changed)
        before = label(field.label, "dim", wrap=False)
        fault = label("", "error")
        fault.hide()
        middle = Qt.AlignmentFlag.AlignVCenter
        grid.addWidget(before, row, 0, middle)
        grid.addWidget(made, row, 1)
        grid.addWidget(fault, row + 1, 1)
        self.editors[field.name] = made
        self._faults[field.name] = fault
        self._labels[field.name] = before

    def values(self) -> dict[str, Any]:
        """Give what is entered: texts, lists of texts, yes or no."""
        return {name: editor.value() for name, editor in self.editors.items()}

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show other values; :attr:`changed` is not emitted."""
        before = self.blockSignals(True)
        for name, editor in self.editors.items():
            editor.show_value(values.get(name, ""))
        self.blockSignals(before)

    def show_faults(self, faults: Mapping[str, str]) -> None:
        """Say below each field what is wrong with it."""
        for name, fault in self._faults.items():
            text = faults.get(name, "")
            fault.setText(text)
            fault.setVisible(bool(text))
            set_role(self._labels[name], "error" if text else "dim")

    def show_field(self, name: str, visible: bool) -> None:
        """Show a field or leave it out; what it holds stays."""
        self.editors[name].setVisible(visible)
        self._labels[name].setVisible(visible)
        if not visible:
            self._faults[name].hide()

    def line(self, name: str) -> QLineEdit:
        """Give the line of a field that is typed."""
        editor = self.editors[name]
        if not isinstance(editor, _Line):
            raise TypeError(f"the field {name} has no line")
        return editor.line
