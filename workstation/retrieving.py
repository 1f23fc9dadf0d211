"""One study from a peer into the archive: whole, or marked incomplete until it is."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from workstation.archive import studies
from workstation.archive.archive import open_archive
from workstation.archive.arrivals import Added
from workstation.core.errors import NetworkError, StorageError
from workstation.importing import import_paths
from workstation.io.pool import WorkerPool
from workstation.settings import Settings
from workstation.tasks.telling import telling

if TYPE_CHECKING:
    from workstation.io.pacs.retrieval import Progress, Retrieval, SeriesKey
    from workstation.io.pacs.source import Source

_SECONDS_BETWEEN = 0.1


@dataclass(frozen=True)
class Arriving:
    """How many images of a study are here, of how many, and in which folders."""

    arrived: int
    reported: int | None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Kept:
    """The study is in the archive, whole; ``notices`` are sentences about it."""

    arrived: int
    paths: tuple[Path, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partly:
    """Something is missing; what came is in the archive, which says so.

    It lies in the marked folders ``paths`` as well, where a later try goes on.
    """

    arrived: int
    reported: int | None
    paths: tuple[Path, ...]
    fault: str
    notices: tuple[str, ...] = ()


def bring_study(
    source: Source,
    study_uid: str,
    expected: int | None,
    *,
    settings: Settings,
    pool: WorkerPool,
    cancelled: Event,
) -> Iterator[Arriving | Kept | Partly]:
    """Retrieve a study and import it; the last step tells what became of it.

    Parameters
    ----------
    expected : int or None
        How many images the peer said the study has.

    Raises
    ------
    NetworkError
        Where the peer cannot even be asked what there is.
    StorageError
        Where the images cannot be stored, or not imported.
    """
    keys = source.series_of(study_uid, cancelled)
    if not keys:
        raise NetworkError(f"The peer {source.shown} has no such study.")
    folder = settings.data_folder / "retrieved"
    begun = Arriving(0, expected, _folders(folder, keys))
    yield begun

    def call(tell: Callable[[Arriving], None]) -> tuple[Retrieval, ...]:
        return source.retrieve(keys, folder, cancelled, _Counter(begun, tell).note)

    retrievals = yield from telling(call)
    if not any(one.arrived for one in retrievals):
        yield _partly(retrievals)
        return
    added, files = _archived(retrievals, settings, pool, cancelled)
    yield _outcome(retrievals, files, tuple(added.notices))


def _outcome(
    retrievals: Sequence[Retrieval], files: tuple[Path, ...], notices: tuple[str, ...]
) -> Kept | Partly:
    """Tell what is in the archive; what came whole need not wait for a rest."""
    if not all(one.complete for one in retrievals):
        return replace(_partly(retrievals), notices=notices)
    for one in retrievals:
        shutil.rmtree(one.folder, ignore_errors=True)
    return Kept(sum(len(one.arrived) for one in retrievals), files, notices)


def _folders(folder: Path, keys: Sequence[SeriesKey]) -> tuple[Path, ...]:
    from workstation.io.pacs.store import InstanceStore

    store = InstanceStore(folder)
    return tuple(store.series_folder(key.study_uid, key.series_uid) for key in keys)


class _Counter:
    """Sums up what the series of a study tell, a few times a second."""

    def __init__(self, begun: Arriving, tell: Callable[[Arriving], None]) -> None:
        self._begun, self._tell = begun, tell
        self._arrived: dict[SeriesKey, int] = {}
        self._lock = threading.Lock()
        self._told = 0.0

    def note(self, progress: Progress) -> None:
        with self._lock:
            self._arrived[progress.key] = max(progress.arrived, self._arrived.get(progress.key, 0))
            count = sum(self._arrived.values())
            now = time.monotonic()
            if now - self._told < _SECONDS_BETWEEN and count != self._begun.reported:
                return
            self._told = now
        self._tell(replace(self._begun, arrived=count))


def _partly(retrievals: Sequence[Retrieval]) -> Partly:
    known = [one.reported for one in retrievals if one.reported is not None]
    return Partly(
        sum(len(one.arrived) for one in retrievals),
        sum(known) if len(known) == len(retrievals) else None,
        tuple(one.folder for one in retrievals if one.arrived),
        next((one.fault for one in retrievals if one.fault), "") or _reason(retrievals),
    )


def _reason(retrievals: Sequence[Retrieval]) -> str:
    reasons = [failed.reason for one in retrievals for failed in one.missing]
    if reasons:
        return f"{len(reasons)} images are missing: {reasons[0]}."
    return "The peer counts more images than it lists."


def _archived(
    retrievals: Sequence[Retrieval], settings: Settings, pool: WorkerPool, cancelled: Event
) -> tuple[Added, tuple[Path, ...]]:
    """Import what came; returns the study's files in the archive."""
    folders = [one.folder for one in retrievals if one.arrived]
    archive = open_archive(settings.archive_address, settings.archive_folder, settings.author)
    try:
        added = import_paths(archive, folders, cancelled, pool, expected=_expected(retrievals))
        numbers = sorted(added.studies | added.known)
        series = [one for number in numbers for one in studies.series_of(archive, number)]
    finally:
        archive.close()
    if added.skipped:
        path, reason = added.skipped[0]
        raise StorageError(
            f"{len(added.skipped)} of the retrieved files were not taken into the archive; they "
            f"stay in {path.parent}.",
            reason,
        )
    return added, tuple(file for one in series for file in one.files)


def _expected(retrievals: Sequence[Retrieval]) -> dict[str, int]:
    """How many images each series has; one more than came where that is all that is known."""
    return {
        one.key.series_uid: len(one.arrived) + (not one.complete)
        if one.reported is None
        else max(one.reported, len(one.arrived) + len(one.missing))
        for one in retrievals
    }
