"""What of the report is safe, in the status line's words."""

from __future__ import annotations

from datetime import UTC, datetime

from workstation.archive.report_session import SaveStatus


def status_line(status: SaveStatus, now: datetime | None = None) -> str:
    """Say what is saved; ``now`` in UTC, the clock's time if not given."""
    if status.saving:
        return "saving …"
    if not status.unsaved:
        return "" if status.version is None else _saved(status)
    return f"unsaved · {_journal(status, now or datetime.now(UTC))}"


def _saved(status: SaveStatus) -> str:
    clock = "" if status.saved is None else f"{status.saved.astimezone():%H:%M:%S}"
    if status.signed is not None:
        return f"signed {status.signed.astimezone():%H:%M:%S} · v{status.version}"
    return f"saved {clock} · v{status.version}"


def _journal(status: SaveStatus, now: datetime) -> str:
    journal = status.journal
    if journal.error is not None:
        return "not on the disk"
    if journal.written is None:
        return "writing journal …" if journal.pending else "recovered"
    seconds = max((now - journal.written).total_seconds(), 0.0)
    if seconds < 10:
        return f"journal {seconds:.1f} s ago"
    return f"journal {journal.written.astimezone():%H:%M:%S}"
