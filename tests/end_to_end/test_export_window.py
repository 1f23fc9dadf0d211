"""Sign and export in the real window: every file says what it is."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from model_runtime.api import Engine
from workstation.app import Workstation
from workstation.core.errors import ModelError
from workstation.settings import Settings

_CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
_SUFFIXES = {"text": ".txt", "markdown": ".md", "pdf": ".pdf"}


def _no_model() -> Engine:
    raise ModelError("These tests need no model.")


@pytest.fixture
def window(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> Workstation:
    workstation = workstation_of(engine=_no_model)
    with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
        workstation.opening.open_paths([settings.study])
    qtbot.waitUntil(lambda: workstation.report.session is not None)
    return workstation


def _exported(qtbot: QtBot, workstation: Workstation, folder: Path) -> dict[str, str]:
    """Words of the report in every format, blanks and markup left out."""
    found = {}
    for key, suffix in _SUFFIXES.items():
        path = folder / f"report{suffix}"
        with qtbot.waitSignal(workstation.exporting.exported, timeout=20_000):
            workstation.choosing._format = key
            workstation.choosing._on_place(str(path))
        content = path.read_bytes()
        if key == "pdf":
            pages = PdfReader(BytesIO(content)).pages
            text = "\n".join(page.extract_text() for page in pages)
        else:
            text = content.decode().replace("\\", "")
        found[key] = " ".join(text.split())
    return found


def _sign(qtbot: QtBot, workstation: Workstation, version: int) -> None:
    qtbot.keyClick(workstation.report.editor, Qt.Key.Key_S, _CTRL_SHIFT)
    status = workstation.report
    qtbot.waitUntil(
        lambda: status.status.startswith("signed") and f"v{version}" in status.status,
        timeout=20_000,
    )


def test_an_export_says_whether_the_report_is_signed(
    qtbot: QtBot, window: Workstation, tmp_path: Path, settings: Settings,
    tomoscribe: Callable[..., subprocess.CompletedProcess[str]],
) -> None:  # fmt: skip
    editor = window.report.editor
    qtbot.keyClicks(editor, "Normal.")
    for text in _exported(qtbot, window, tmp_path).values():
        assert "UNSIGNED DRAFT" in text

    _sign(qtbot, window, 1)
    signed = window.report.session.status().signed
    for text in _exported(qtbot, window, tmp_path).values():
        assert "UNSIGNED" not in text
        assert "SIGNED" in text
        assert f"version 1, Dr. Test, {signed:%Y-%m-%d %H:%M:%S} UTC" in text
    assert "The signed report was written to report.pdf." in window.notifications.texts

    qtbot.keyClicks(editor, " A nodule.")
    for text in _exported(qtbot, window, tmp_path).values():
        assert "UNSIGNED ADDENDUM" in text
        assert "this text differs from what was signed (version 1, Dr. Test" in text

    _sign(qtbot, window, 2)
    for text in _exported(qtbot, window, tmp_path).values():
        assert "UNSIGNED" not in text
        assert "version 2, Dr. Test" in text

    window.window.close()
    done = tomoscribe("export", settings.study, "--format", "text", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "o").read_text()
    assert "UNSIGNED" not in text
    assert "version 2, Dr. Test" in text
    assert "A nodule." in text
