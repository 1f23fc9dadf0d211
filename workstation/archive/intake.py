"""New series into the archive: a whole one or nothing, each content once."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from datetime import UTC, datetime

from workstation.archive.archive import Archive
from workstation.archive.arrivals import Added, NewFile, NewSeries
from workstation.archive.entering import Entry
from workstation.archive.file_store import Content, fingerprint
from workstation.core.errors import InputError, StorageError
from workstation.core.identifiers import is_legal_uid
from workstation.core.running import run_out

_PATIENCE = 30.0
_TRIES = 3


def add_series(archive: Archive, new: NewSeries) -> Added:
    """Import a series; files that are in the archive already are left as they are.

    Raises
    ------
    StorageError
        The archive cannot be written; nothing of this series is in it.
    """
    return run_out(adding(archive, new))


def adding(archive: Archive, new: NewSeries) -> Generator[int, None, Added]:
    """Do what :func:`add_series` does, telling after each file how many are read.

    Where it is not gone on with, nothing of the series is in the archive; copies that were
    made belong to nothing and are swept away later.
    """
    for _ in range(_TRIES):
        added = Added(illegal=sum(not is_legal_uid(file.uid) for file in new.files))
        files = yield from _taken(archive, new.files, added)
        with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
            if all(_is_there(archive, file, content) for file, content in files):
                Entry(connection, archive, new, added).enter(files, datetime.now(UTC))
                return added
    raise StorageError("Files vanish from the archive while they are imported. Try again.")


def _taken(
    archive: Archive, files: Iterable[NewFile], added: Added
) -> Generator[int, None, list[tuple[NewFile, Content]]]:
    taken = []
    for number, file in enumerate(files, start=1):
        try:
            if file.copy:
                content = archive.store.put(file.path, file.suffix)
            else:
                content = fingerprint(file.path)
        except InputError as error:
            added.skipped.append((file.path, error.message))
        else:
            taken.append((file, content))
        yield number
    return taken


def _is_there(archive: Archive, file: NewFile, content: Content) -> bool:
    """Whether a copy is still there, now that no purge can run."""
    return not file.copy or archive.store.path(content.sha256, file.suffix).exists()
