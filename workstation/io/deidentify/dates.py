"""Dates and times as the standard writes them, moved by whole days."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_STAMP = re.compile(r"(\d{8})(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?")
DUMMIES = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}


def shifted(kind: str, value: str, days: timedelta) -> str:
    """Move a value of kind DA or DT; a time of day (TM) stays. What is not well formed goes.

    The offset from universal time goes too: it tells the place.
    """
    value = value.strip(" \0")
    if kind == "TM":
        return value if _TIME.fullmatch(value) else ""
    if kind == "DA":
        return _moved(value, days) if _DATE.fullmatch(value) else ""
    found = _STAMP.fullmatch(value)
    date = _moved(found[1], days) if found else ""
    return date + (found[2] or "") if found and date else ""


def _moved(date: str, days: timedelta) -> str:
    try:
        return (datetime.strptime(date, "%Y%m%d") + days).strftime("%Y%m%d")
    except (ValueError, OverflowError):
        return ""
