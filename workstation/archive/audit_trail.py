"""Who did what and when: rows that each cover the one before by a hash.

A row that is changed, left out or put between breaks the chain from there on, and the number
and hash of the last row stand apart, so that a cut-off end shows too. This tells accidents
and careless hands; whoever may rewrite the whole database can rewrite the whole chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from workstation.archive.schema import about, audit

_BEGIN = "0" * 64
_HEAD = "audit_head"


@dataclass(frozen=True)
class AuditCheck:
    """Number of rows that were read, and the first that is wrong with the reason."""

    rows: int
    broken: int | None = None
    reason: str = ""


def append(
    connection: sa.Connection,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, str | int] | None = None,
) -> None:
    """Add a row within a writing transaction; ``subject`` is a key, never a patient's name."""
    newest = connection.execute(
        sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    ).first()
    number, previous = (1, _BEGIN) if newest is None else (newest.number + 1, newest.hash)
    row = {
        "number": number,
        "written_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
        "actor": actor,
        "action": action,
        "subject": subject,
        "details": json.dumps(dict(details or {}), sort_keys=True),
        "previous": previous,
    }
    covered = _hash(row)
    connection.execute(sa.insert(audit).values(**row, hash=covered))
    connection.execute(sa.delete(about).where(about.c.name == _HEAD))
    connection.execute(sa.insert(about).values(name=_HEAD, value=f"{number} {covered}"))


def verify(connection: sa.Connection) -> AuditCheck:
    """Follow the chain from its beginning and name the first row that does not fit."""
    count, previous = 0, _BEGIN
    for row in connection.execute(sa.select(audit).order_by(audit.c.number)):
        count += 1
        if reason := _fault(row._asdict(), count, previous):
            return AuditCheck(count, count, reason)
        previous = row.hash
    head = connection.scalar(sa.select(about.c.value).where(about.c.name == _HEAD))
    if count and head != f"{count} {previous}":
        return AuditCheck(count, count + 1, "rows are missing at the end")
    return AuditCheck(count)


def _fault(row: dict[str, Any], number: int, previous: str) -> str:
    if row["number"] != number:
        return "it is missing"
    if row["previous"] != previous:
        return "it does not follow the row before"
    return "" if _hash(row) == row["hash"] else "it was changed"


def _hash(row: Mapping[str, Any]) -> str:
    names = ("number", "written_utc", "actor", "action", "subject", "details", "previous")
    content = json.dumps([row[name] for name in names], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
