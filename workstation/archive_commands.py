"""``tomoscribe archive``: import, list, verify, back up, delete and undo."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Any

from workstation.archive import checking, studies, trash, worklist
from workstation.archive.archive import Archive, open_archive
from workstation.archive.arrivals import Added
from workstation.archive.worklist import FAULTS, STATUSES, WorklistQuery, WorklistRow
from workstation.core.errors import CancelledError, InputError, StorageError
from workstation.importing import import_paths
from workstation.io.pool import WorkerPool
from workstation.settings import Settings

_DAY = re.compile(r"(\d{4}(-\d{2}(-\d{2})?)?)?")


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add ``archive`` and what it can do to the program's commands."""
    archive = commands.add_parser("archive", help="keep studies: import, list, verify, delete")
    jobs = archive.add_subparsers(dest="job", metavar="JOB", required=True)
    new = jobs.add_parser("import", help="folders, files and ZIP archives")
    way = new.add_mutually_exclusive_group()
    way.add_argument("--copy", action="store_true", help="into the archive's files; the default")
    way.add_argument("--reference", action="store_true", help="leave the files where they are")
    new.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    listed = jobs.add_parser("list", help="studies, newest first")
    listed.add_argument("words", nargs="*", help="beginnings of names, ids, descriptions ...")
    listed.add_argument("--date", default="", metavar="DAY[..DAY]", help="2026, 2026-02 ...")
    listed.add_argument("--modality", default="")
    listed.add_argument("--status", default="", choices=("", *STATUSES, *FAULTS), metavar="STATUS")
    listed.add_argument("--deleted", action="store_true", help="those that can be brought back")
    listed.add_argument("--count", type=int, default=50)
    verify = jobs.add_parser("verify", help="read every file and compare it with its checksum")
    verify.add_argument("--sweep", action="store_true", help="remove files of nothing first")
    jobs.add_parser("backup", help="copy the database beside itself")
    for name, text in (("delete", "for good after a day"), ("undo", "bring a study back")):
        jobs.add_parser(name, help=text).add_argument("study", type=int, metavar="NUMBER")


def run_archive_command(
    given: argparse.Namespace, settings: Settings, cancelled: Event, pool: WorkerPool
) -> None:
    """Do what was typed after ``tomoscribe archive``."""
    archive = open_archive(settings.archive_address, settings.archive_folder, settings.author)
    try:
        if given.job == "import":
            _import(archive, given, cancelled, pool)
        else:
            _JOBS[given.job](archive, given)
    finally:
        archive.close()


def _import(
    archive: Archive, given: argparse.Namespace, cancelled: Event, pool: WorkerPool
) -> None:
    trash.purge(archive)
    added = import_paths(archive, given.paths, cancelled, pool, copy=not given.reference)
    if cancelled.is_set():
        raise CancelledError("Cancelled.")
    for path, reason in added.skipped:
        sys.stderr.write(f"skipped {path}: {reason}\n")
    for sentence in (*added.notices, *_told(added)):
        sys.stderr.write(f"warning: {sentence}\n")
    _say(f"{added.files} files added to {len(added.studies)} studies, "
         f"{added.duplicates} there already, {len(added.skipped)} skipped")  # fmt: skip


def _told(added: Added) -> Iterable[str]:
    if added.conflicts:
        yield f"{added.conflicts} files carry the identifier of another file; all are kept."
    if added.illegal:
        yield f"{added.illegal} files carry no legal identifier; they are kept by their content."
    if added.restored:
        yield f"{added.restored} studies that were deleted are back."


def _list(archive: Archive, given: argparse.Namespace) -> None:
    first, last = _days(given.date)
    query = WorklistQuery(
        words=" ".join(given.words),
        first_day=first,
        last_day=last,
        modality=given.modality,
        status=given.status,
        deleted=given.deleted,
        limit=max(given.count, 1),
    )
    page = worklist.search(archive.database, query)
    for row in page.rows:
        _say(_line(row))
    if page.next is not None:
        sys.stderr.write("There are more; type more words, or give a greater --count.\n")


def _line(row: WorklistRow) -> str:
    cells = (f"{row.id:>6}", row.date or "-", row.modalities or "-", row.status, row.identity)
    told = [f"({row.file_count} files)"]
    whole = row.file_count + row.missing
    told += [f"INCOMPLETE: {row.file_count} of {whole}, {row.missing} missing"] * (row.missing > 0)
    told += [f"CONFLICTING: {row.conflicts}"] * (row.conflicts > 0)
    return "  ".join((*cells, row.name, row.description, *told))


def _days(text: str) -> tuple[str, str]:
    first, dots, last = text.partition("..")
    if not (_DAY.fullmatch(first) and _DAY.fullmatch(last)):
        raise InputError(f"'{text}' is no date; write 2026-02-03, 2026-02 or 2026-01..2026-03.")
    last = last if dots else first
    # All days of a month or year come before its name with a letter behind.
    return first, last if len(last) in (0, 10) else f"{last}-~"


def _verify(archive: Archive, given: argparse.Namespace) -> None:
    if given.sweep:
        _say(f"{trash.sweep(archive)} files of nothing removed")
    sound = checking.check(archive)
    for fault in sound.faults:
        sys.stderr.write(f"{fault}\n")
    _say(f"{sound.studies} studies, {sound.files} files, {sound.audit_rows} rows of audit read")
    if sound.orphans:
        _say(f"{sound.orphans} files belong to nothing; --sweep removes them after a day")
    if sound.faults:
        raise StorageError(f"{len(sound.faults)} faults were found in {archive.database.place}.")


def _backup(archive: Archive, _given: argparse.Namespace) -> None:
    _say(archive.database.back_up())


def _delete(archive: Archive, given: argparse.Namespace) -> None:
    trash.purge(archive)
    trash.delete(archive, given.study, studies.find(archive, given.study).version)
    _say(f"Study {given.study} is deleted; 'archive undo {given.study}' brings it back for a day.")


def _undo(archive: Archive, given: argparse.Namespace) -> None:
    trash.undo(archive, given.study, studies.find(archive, given.study).version)
    _say(f"Study {given.study} is back.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


_JOBS: dict[str, Callable[[Archive, argparse.Namespace], None]] = {
    "list": _list,
    "verify": _verify,
    "backup": _backup,
    "delete": _delete,
    "undo": _undo,
}
