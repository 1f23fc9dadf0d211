"""Keeps the DICOM libraries silent: what they log can hold names and identifiers."""

from __future__ import annotations

import logging

import pydicom
from pynetdicom import _config


def keep_quiet() -> None:
    """Let none of them write a line, whatever the program's own log does."""
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_SEND_CHUNKED_DATASET = True
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    for name in ("pynetdicom", "pydicom", "dicomweb_client", "retrying", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


keep_quiet()
