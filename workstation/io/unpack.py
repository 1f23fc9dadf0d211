"""ZIP archives, unpacked with limits: a small file must not fill the disk or leave its folder."""

from __future__ import annotations

import atexit
import shutil
import stat
import tempfile
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOST_ENTRIES = 100_000
MOST_BYTES = 20 * 2**30
MOST_RATIO = 200
MOST_DEPTH = 2
_SMALL = 2**20
_CHUNK = 2**20


@dataclass(frozen=True)
class SkippedFile:
    """A file that was left out, and why: a clause such as "it is empty"."""

    path: Path
    reason: str


@dataclass
class Unpacked:
    """What came out of an archive."""

    files: list[Path]
    skipped: list[SkippedFile]


class _TooMuch(Exception):
    """An entry unpacks to more than it may."""


def unpack(archive: Path, cancelled: threading.Event, depth: int = 1) -> Unpacked:
    """Unpack a ZIP archive into a temporary folder that lasts as long as the program."""
    result = Unpacked([], [])
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            if reason := _refusal(entries):
                result.skipped.append(SkippedFile(archive, reason))
                return result
            folder = Path(tempfile.mkdtemp(prefix="tomoscribe-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            for index, entry in enumerate(entries):
                if cancelled.is_set():
                    break
                if not entry.is_dir():
                    _unpack_entry(source, entry, _Place(archive, folder, index, depth), result)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        result.skipped.append(SkippedFile(archive, "the archive is damaged or cut off"))
    _unpack_nested(result, cancelled, depth)
    return result


@dataclass(frozen=True)
class _Place:
    archive: Path
    folder: Path
    index: int
    depth: int

    def shown(self, entry: zipfile.ZipInfo) -> Path:
        """Path of an entry as a reader would write it."""
        return self.archive / PurePosixPath(entry.filename).name


def _refusal(entries: list[zipfile.ZipInfo]) -> str:
    """Reason not to unpack the archive at all, or nothing."""
    if len(entries) > MOST_ENTRIES:
        return f"it holds {len(entries)} files, more than {MOST_ENTRIES}"
    if any(entry.flag_bits & 1 for entry in entries):
        return "it is encrypted; unpack it with its password and open the folder"
    total = sum(entry.file_size for entry in entries)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if total > min(MOST_BYTES, free - 2**28):
        return f"it unpacks to {total / 2**30:.1f} GB, more than may be unpacked here"
    return ""


def _entry_refusal(entry: zipfile.ZipInfo) -> str:
    parts = PurePosixPath(entry.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or "\x00" in entry.filename:
        return "its name points outside the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a link"
    if entry.file_size > max(_SMALL, entry.compress_size * MOST_RATIO):
        return "it unpacks to far more than its own size"
    return ""


def _unpack_entry(
    source: zipfile.ZipFile, entry: zipfile.ZipInfo, place: _Place, result: Unpacked
) -> None:
    """Write one entry under a folder of our own numbering, keeping only its last name."""
    reason = _entry_refusal(entry)
    parent = place.folder / f"{place.index:06d}"
    target = parent / PurePosixPath(entry.filename).name[-120:]
    if not reason:
        try:
            parent.mkdir()
            _copy(source, entry, target)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError):
            reason = "it is damaged or cannot be unpacked"
        except _TooMuch:
            reason = "it unpacks to more than the archive says"
    if reason:
        target.unlink(missing_ok=True)
        result.skipped.append(SkippedFile(place.shown(entry), reason))
        return
    result.files.append(target)


def _copy(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    left = entry.file_size
    with source.open(entry) as stream, target.open("xb") as out:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _TooMuch
            out.write(chunk)


def _unpack_nested(result: Unpacked, cancelled: threading.Event, depth: int) -> None:
    nested = [path for path in result.files if zipfile.is_zipfile(path)]
    for path in nested:
        result.files.remove(path)
        if depth >= MOST_DEPTH:
            result.skipped.append(SkippedFile(path, "it is an archive inside an archive"))
            continue
        inner = unpack(path, cancelled, depth + 1)
        result.files += inner.files
        result.skipped += inner.skipped
