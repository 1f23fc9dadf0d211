"""Folders, files and archives, de-identified in the reading processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workstation.core.errors import InputError, StorageError
from workstation.io.channel import Message
from workstation.io.deidentify.options import Options
from workstation.io.facts import FileFacts
from workstation.io.grouping import group_series
from workstation.io.index import list_files
from workstation.io.pool import WorkerPool
from workstation.io.unpack import SkippedFile

_MEMORY = 4 << 30
_SECONDS = 60.0
_LEAST_SECRET = 16
_BATCH = 16


@dataclass(frozen=True)
class Treated:
    """What became of one file: ``written``, or set apart with the ``reason``."""

    path: Path
    written: Path | None = None
    reason: str = ""
    remarks: tuple[str, ...] = ()


def deidentify(
    paths: Sequence[Path],
    out: Path,
    options: Options,
    *,
    secret: bytes,
    cancelled: threading.Event,
    pool: WorkerPool,
) -> Iterator[Treated]:
    """De-identify all images of the paths into a new folder; the originals stay as they are.

    Raises
    ------
    InputError
        If the folder is not empty or lies where it would be read, or the secret is short.
    StorageError
        If the disk refuses a file; what was written before is whole.
    """
    _check(paths, out, secret)
    skipped: list[SkippedFile] = []
    files = list_files(paths, cancelled, skipped)
    for one in skipped:
        yield Treated(one.path, reason=one.reason)
    more: Message = {
        "out": str(out.resolve()),
        "options": options.as_message(),
        "secret": secret.hex(),
    }
    digests = _digests(files, cancelled, pool)
    items: list[Message] = [{"path": str(path), **digests[path], **more} for path in files]
    work = pool.run("deidentify", items, cancelled, timeout=_SECONDS, memory=_MEMORY)
    try:
        for outcome in work:
            treated = _treated(files[outcome.index], outcome.value, outcome.reason)
            yield treated
    finally:
        for left in out.rglob("*.partial"):
            left.unlink(missing_ok=True)


def _digests(
    files: Sequence[Path], cancelled: threading.Event, pool: WorkerPool
) -> dict[Path, Message]:
    """Find for every file the keys, made from content, of itself, its series and its study."""
    items: list[Message] = [{"path": str(path)} for path in files]
    answers = pool.run("headers", items, cancelled, batch=_BATCH)
    facts = [FileFacts.from_message(one.value) for one in answers if one.value is not None]
    found, _ = group_series(sorted(facts, key=lambda one: one.path))
    keys = {file: (series.key, series.study_key) for series in found for file in series.files}
    by_identity = {one.identity: keys[Path(one.path)] for one in facts if Path(one.path) in keys}
    identities = {Path(one.path): one.identity for one in facts}
    digests: dict[Path, Message] = {}
    for path in files:
        identity = identities.get(path, "")
        series, study = keys.get(path) or by_identity.get(identity, (identity, identity))
        digests[path] = {"content": identity, "series": series, "study": study}
    return digests


def _check(paths: Sequence[Path], out: Path, secret: bytes) -> None:
    if len(secret) < _LEAST_SECRET:
        raise InputError(f"The secret is too short: it needs at least {_LEAST_SECRET} bytes.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder. Name a new one.")
    whole = out.resolve()
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist.")
        if whole == path.resolve() or path.resolve() in whole.parents:
            raise InputError(f"{out} lies inside {path}. Name a folder elsewhere.")


def _treated(path: Path, answer: Message | None, reason: str) -> Treated:
    if answer is None:
        return Treated(path, reason=reason)
    if "unsaved" in answer:
        raise StorageError(
            f"The files could not be written: {answer['unsaved']}. Those written before are whole."
        )
    if "apart" in answer:
        return Treated(path, reason=answer["apart"])
    return Treated(path, Path(answer["written"]), remarks=tuple(answer["remarks"]))
