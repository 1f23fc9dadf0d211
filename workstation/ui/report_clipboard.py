"""Words on the clipboard that remember whose they are."""

from __future__ import annotations

import logging
from uuid import uuid4

from PySide6.QtCore import QMimeData

from model_runtime.api import Provenance
from workstation.core.authorship import Fragment, Piece, Run
from workstation.core.errors import StorageError
from workstation.core.report_json import fragment_from_json, fragment_to_json

logger = logging.getLogger(__name__)

_MIME = "application/x-tomoscribe-report"


def clip(fragment: Fragment, runs: tuple[Run, ...]) -> QMimeData:
    """Part of a report for the clipboard: plain text, and its authorship beside it."""
    data = QMimeData()
    data.setText(fragment.text)
    data.setData(_MIME, fragment_to_json(fragment, runs).encode())
    return data


def model_clip(text: str, provenance: Provenance | None) -> QMimeData:
    """Words of the model for the clipboard, so that a report they are pasted into knows."""
    run = Run(f"answer-{uuid4().hex}", text, ((len(text), float("nan")),), provenance)
    return clip(Fragment(text, (Piece(len(text), run.id),)), (run,))


def unclip(data: QMimeData) -> tuple[Fragment, tuple[Run, ...]]:
    """Words from the clipboard: with their authorship if they have one, else a person's."""
    if data.hasFormat(_MIME):
        try:
            return fragment_from_json(bytes(data.data(_MIME).data()).decode())
        except (StorageError, UnicodeDecodeError):
            logger.info("The clipboard's authorship cannot be read; its text is taken.")
    return Fragment.human(data.text().replace("\r\n", "\n").replace("\r", "\n")), ()
