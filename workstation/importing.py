"""From folders and files into the archive: what the scan finds, series by series."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event

from workstation.archive.archive import Archive
from workstation.archive.arrivals import Added, NewFile, NewSeries
from workstation.archive.intake import add_series
from workstation.core.errors import CancelledError, InputError
from workstation.core.study import Series
from workstation.io.facts import FileFacts
from workstation.io.formats import volume_suffix
from workstation.io.incomplete import incomplete_in
from workstation.io.index import Survey, survey
from workstation.io.pool import WorkerPool

_LOG = logging.getLogger(__name__)
_IN_TWO_FILES = ".mhd"


def import_paths(
    archive: Archive,
    paths: Sequence[Path],
    cancelled: Event,
    pool: WorkerPool,
    *,
    copy: bool = True,
    told: Callable[[int, int], None] | None = None,
) -> Added:
    """Import all series of files and folders, each whole or not at all.

    Without ``copy`` the files stay where they are, but for those out of a ZIP. ``told``
    hears after each series: how many are done, of how many.

    Raises
    ------
    CancelledError
        Between two series; those before are in the archive.
    InputError
        There is nothing to import.
    StorageError
        The archive cannot be written; the series before are in it.
    """
    found = survey(paths, cancelled, pool)
    added = Added(skipped=[(one.path, one.reason) for one in found.skipped])
    _demand_some(found, paths)
    roots = [path.absolute() for path in paths]
    done: set[Path] = set()
    for number, series in enumerate(found.series, start=1):
        if cancelled.is_set():
            raise CancelledError(f"Cancelled; {number - 1} series were imported.")
        files = [path for path in series.files if path not in done]
        done.update(files)
        if not _is_part(files, added):
            new = _new_series(series, files, found.facts, roots if not copy else [])
            added.add(add_series(archive, _without_halves(new, added)))
        if told is not None:
            told(number, len(found.series))
    added.duplicates += len(found.facts.keys() - done)
    _LOG.info("%d files imported, %d there already", added.files, added.duplicates)
    return added


def _is_part(files: Sequence[Path], added: Added) -> bool:
    """Leave out a series that was retrieved in part only, and tell it."""
    part = incomplete_in(files)
    if part is not None:
        reason = f"only {part.text} images of it were retrieved; retrieve the rest first"
        added.skipped.append((files[0].parent, reason))
    return part is not None


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
    return NewSeries(**{**vars(new), "files": whole})
