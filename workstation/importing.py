"""From folders and files into the archive: what the scan finds, series by series."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from workstation.archive.archive import Archive
from workstation.archive.arrivals import Added, NewFile, NewSeries
from workstation.archive.intake import adding
from workstation.core.errors import CancelledError, InputError
from workstation.core.study import Series
from workstation.io.facts import FileFacts
from workstation.io.formats import volume_suffix
from workstation.io.incomplete import incomplete_in
from workstation.io.index import Survey, surveying
from workstation.io.pool import WorkerPool

_LOG = logging.getLogger(__name__)
_IN_TWO_FILES = ".mhd"
_NOBODY_SAID: Mapping[str, int] = {}


@dataclass(frozen=True)
class ImportProgress:
    """How far an import is.

    ``files`` of ``files_total`` are read: headers first, and then, with ``series_total`` known,
    the files themselves; ``series`` are in the archive.
    """

    files: int
    files_total: int
    series: int = 0
    series_total: int = 0


def import_paths(
    archive: Archive,
    paths: Sequence[Path],
    cancelled: Event,
    pool: WorkerPool,
    *,
    copy: bool = True,
    expected: Mapping[str, int] = _NOBODY_SAID,
    told: Callable[[int, int], None] | None = None,
) -> Added:
    """Import all series of files and folders, the files of each or none.

    A series that a PACS sent in part is entered as incomplete, until the rest is imported.

    Parameters
    ----------
    copy : bool
        Without, the files stay where they are, but for those out of a ZIP.
    expected : mapping of str to int
        How many images a PACS said that a series has, by its UID. A series of which nothing
        is here is entered all the same, so that its study is known to be incomplete.
    told : callable or None
        Hears after each series: how many are done, of how many.

    Raises
    ------
    CancelledError
        Between two files; the series before are in the archive.
    InputError
        There is nothing to import.
    StorageError
        The archive cannot be written; the series before are in it.
    """
    steps = importing(archive, paths, cancelled, pool, copy=copy, expected=expected)
    return _ended(steps, told)


def _ended(
    steps: Generator[ImportProgress, None, Added], told: Callable[[int, int], None] | None
) -> Added:
    """Go through an import to its end, telling each series that is done."""
    done = 0
    while True:
        try:
            step = next(steps)
        except StopIteration as ended:
            added: Added = ended.value
            return added
        if told is not None and step.series > done:
            done = step.series
            told(done, step.series_total)


def importing(
    archive: Archive,
    paths: Sequence[Path],
    cancelled: Event,
    pool: WorkerPool,
    *,
    copy: bool = True,
    expected: Mapping[str, int] = _NOBODY_SAID,
) -> Generator[ImportProgress, None, Added]:
    """Do what :func:`import_paths` does, telling after each file how far it is."""
    found = yield from _surveyed(paths, cancelled, pool)
    added = Added(skipped=[(one.path, one.reason) for one in found.skipped])
    if cancelled.is_set():
        raise CancelledError("Cancelled; nothing was imported.")
    _demand_some(found, paths)
    stay = [] if copy else [path.absolute() for path in paths]
    arrivals, taken = _arrivals(found, stay)
    arrivals = _with_counts(arrivals, expected, added)
    far = ImportProgress(0, sum(len(new.files) for new in arrivals), 0, len(arrivals))
    for new in arrivals:
        added.add((yield from _added(archive, _without_halves(new, added), cancelled, far)))
        far = replace(far, files=far.files + len(new.files), series=far.series + 1)
        yield far
    added.duplicates += len(found.facts.keys() - taken)
    _LOG.info("%d files imported, %d there already", added.files, added.duplicates)
    return added


def _added(
    archive: Archive, new: NewSeries, cancelled: Event, far: ImportProgress
) -> Generator[ImportProgress, None, Added]:
    steps = adding(archive, new)
    while True:
        if cancelled.is_set():
            raise CancelledError(f"Cancelled; {far.series} series were imported.")
        try:
            part = next(steps)
        except StopIteration as ended:
            added: Added = ended.value
            return added
        yield replace(far, files=far.files + part)


def _surveyed(
    paths: Sequence[Path], cancelled: Event, pool: WorkerPool
) -> Generator[ImportProgress, None, Survey]:
    steps = surveying(paths, cancelled, pool)
    while True:
        try:
            step = next(steps)
        except StopIteration as ended:
            found: Survey = ended.value
            return found
        yield ImportProgress(step.files_done, step.files_total)


def _arrivals(found: Survey, stay: Sequence[Path]) -> tuple[list[NewSeries], set[Path]]:
    """Make one arrival of each series, and list the files that were looked at.

    Parts that the reader sees apart may be one series to DICOM.
    """
    arrivals: dict[str, NewSeries] = {}
    done: set[Path] = set()
    for series in found.series:
        files = [path for path in series.files if path not in done]
        done.update(files)
        new = _new_series(series, files, found.facts, stay)
        one = arrivals.get(new.key)
        if one is not None:
            new = replace(one, files=one.files + new.files, missing=one.missing + new.missing)
        arrivals[new.key] = new
    return list(arrivals.values()), done


def _marked(new: NewSeries, added: Added) -> NewSeries:
    """Say how many images a series should have that was retrieved in part only."""
    part = incomplete_in(file.path for file in new.files)
    if part is None:
        return new
    added.notices.append(f"Only {part.text} images of a series are here; it is incomplete.")
    unsaid = max(part.arrived, len(new.files)) + 1
    return replace(new, expected=unsaid if part.reported is None else part.reported)


def _with_counts(
    arrivals: Sequence[NewSeries], expected: Mapping[str, int], added: Added
) -> list[NewSeries]:
    """Say how many images each series should have, and add those of which none came."""
    here = {new.uid for new in arrivals}
    told = [
        replace(new, expected=expected[new.uid]) if new.uid in expected else _marked(new, added)
        for new in arrivals
    ]
    awaited = [
        NewSeries(
            first.study_key, first.patient, (), first.study_uid, first.date, first.accession,
            first.study_description, uid, expected=count,
        )
        for first in arrivals[:1] for uid, count in expected.items() if uid not in here and count
    ]  # fmt: skip
    return [*told, *awaited]


def _demand_some(found: Survey, paths: Sequence[Path]) -> None:
    if not found.series:
        names = ", ".join(str(path) for path in paths)
        raise InputError(f"No scan was found in {names}.")


def _new_series(
    series: Series, files: Sequence[Path], facts: dict[Path, FileFacts], stay: Sequence[Path]
) -> NewSeries:
    first = facts.get(series.files[0], FileFacts(""))
    return NewSeries(
        study_key=series.study_key,
        patient=series.patient,
        files=tuple(_new_file(path, facts.get(path), stay) for path in files),
        study_uid=first.study_uid,
        date=series.date,
        accession=first.accession,
        study_description=series.study_description or ("" if first.path else series.description),
        uid=first.series_uid,
        modality=series.modality,
        description=series.description,
        number=series.number,
        body_part=series.body_part,
        missing=series.missing,
    )


def _new_file(path: Path, facts: FileFacts | None, stay: Sequence[Path]) -> NewFile:
    stays = any(path.absolute().is_relative_to(root) for root in stay if root.suffix != ".zip")
    if facts is None:
        return NewFile(path, suffix=volume_suffix(path), copy=not stays)
    return NewFile(path, facts.sop_uid, facts.sop_class, facts.instance, copy=not stays)


def _without_halves(new: NewSeries, added: Added) -> NewSeries:
    """Leave out headers whose pixels lie in a second file that a copy would lose."""
    halves = [file for file in new.files if file.copy and file.suffix == _IN_TWO_FILES]
    added.skipped += [
        (file.path, "its pixels lie in another file; import it by reference") for file in halves
    ]
    whole = tuple(file for file in new.files if file not in halves)
    return replace(new, files=whole)
