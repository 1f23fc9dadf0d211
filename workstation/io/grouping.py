"""Files into series: by what they show and how it lies, not by their names."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

import numpy as np

from workstation.core.identifiers import tells_apart
from workstation.core.study import Notice, Series, Severity, SliceSource
from workstation.io.facts import FileFacts
from workstation.io.grid import along_normal, has_positions, plan_grid, slice_axes

_SAME_PLACE = 0.01  # mm
_DOCUMENTS = ("SR", "PR", "KO", "DOC", "RTSTRUCT", "RTPLAN", "REG", "AU", "PLAN", "RWV")


@dataclass(frozen=True, eq=False)
class _Entry:
    """One slice with the header it came from."""

    facts: FileFacts
    source: SliceSource


def group_series(files: Sequence[FileFacts]) -> tuple[list[Series], list[Notice]]:
    """Group scanned headers into series, sorted as a list shows them.

    Returns
    -------
    series : list of Series
        Volumes first, then what is set apart.
    notices : list of Notice
        What holds for the whole scan: several patients, identical copies.
    """
    unique, copies = _without_copies(files)
    notices = [_copies_notice(copies)] if copies else []
    if (patients := len({facts.patient[:3] for facts in unique})) > 1:
        text = f"These files belong to {patients} patients; their studies are listed separately."
        notices.append(Notice(text, badge=f"{patients} patients"))
    shared = _shared_by_patients(unique)
    series: list[Series] = []
    for bucket in _buckets(unique):
        parts = _split(bucket)
        series += [_series(part, _part_notices(part, parts, shared)) for part in parts]
    return sorted(series, key=_shown_order), notices


def _shown_order(series: Series) -> tuple[str, int, int, str]:
    roles = ("volume", "capture", "localizer", "document")
    return series.study_key, roles.index(series.role), series.number or 0, series.key


def _without_copies(files: Sequence[FileFacts]) -> tuple[list[FileFacts], int]:
    """Drop files that are identical byte for byte; keep those that only share a UID."""
    by_identity: dict[tuple[str, int], list[FileFacts]] = defaultdict(list)
    for facts in files:
        by_identity[facts.identity, facts.size_bytes].append(facts)
    unique: list[FileFacts] = []
    for same in by_identity.values():
        kept: list[FileFacts] = []
        for facts in same:
            if not any(_identical(facts, one) for one in kept):
                kept.append(facts)
        unique += kept
    return unique, len(files) - len(unique)


def _identical(one: FileFacts, other: FileFacts) -> bool:
    try:
        return cmp(one.path, other.path, shallow=False)
    except OSError:
        return False


def _copies_notice(copies: int) -> Notice:
    what = "file is an identical copy" if copies == 1 else "files are identical copies"
    return Notice(f"{copies} {what} of others and left out.", Severity.INFO)


def _shared_by_patients(files: Iterable[FileFacts]) -> set[str]:
    """Series UIDs that more than one patient uses."""
    patients: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for facts in files:
        patients[facts.series_uid].add(facts.patient[:3])
    return {uid for uid, owners in patients.items() if uid and len(owners) > 1}


def role_of(facts: FileFacts) -> str:
    """Name what a file is for: volume, localizer, capture or document."""
    if facts.modality in _DOCUMENTS or facts.trouble == "it holds no image":
        return "document"
    marks = {value.upper() for value in facts.image_type}
    if marks & {"LOCALIZER", "SCOUT", "TOPOGRAM"}:
        return "localizer"
    if facts.sop_class.startswith("1.2.840.10008.5.1.4.1.1.7") or "SCREEN SAVE" in marks:
        return "capture"
    return "volume"


def _buckets(files: Sequence[FileFacts]) -> list[list[_Entry]]:
    """Slices that share patient, series, size, kind and orientation."""
    buckets: dict[tuple[object, ...], list[_Entry]] = defaultdict(list)
    axes: list[np.ndarray] = []
    for facts in files:
        for source in facts.sources():
            folder = "" if facts.series_uid else str(Path(facts.path).parent)
            stored = facts.path if len(facts.frames) > 1 else ""
            key = (
                *facts.patient[:3],
                *(facts.study_uid, facts.series_uid, folder, stored),
                *(role_of(facts), facts.rows, facts.columns, facts.image_type[:3]),
                *(facts.modality, facts.trouble, facts.samples, source.pixel_spacing),
                _orientation(source, axes),
            )
            buckets[key].append(_Entry(facts, source))
    return list(buckets.values())


def _orientation(source: SliceSource, known: list[np.ndarray]) -> int:
    """Index of the known orientation that the slice has, to about half a degree; −1 if none."""
    axes = slice_axes(source)
    if axes is None or source.position is None:
        return -1
    for index, other in enumerate(known):
        if np.abs(axes - other).max() < 0.01:
            return index
    known.append(axes)
    return len(known) - 1


def _split(bucket: list[_Entry]) -> list[list[_Entry]]:
    """Part slices that lie at one position: by acquisition, phase, echo …, else by order."""
    if not _collide(bucket):
        return [bucket]
    for index in range(len(bucket[0].facts.splitters)):
        parts: dict[str, list[_Entry]] = defaultdict(list)
        for entry in bucket:
            parts[entry.facts.splitters[index]].append(entry)
        if len(parts) > 1 and not any(_collide(part) for part in parts.values()):
            return list(parts.values())
    return _peeled(bucket)


def _heights(entries: Sequence[_Entry]) -> np.ndarray | None:
    sources = [entry.source for entry in entries]
    return along_normal(sources) if has_positions(sources) else None


def _collide(entries: Sequence[_Entry]) -> bool:
    heights = _heights(entries)
    if heights is None or len(heights) < 2:
        return False
    return bool((np.diff(np.sort(heights)) < _SAME_PLACE).any())


def _peeled(bucket: list[_Entry]) -> list[list[_Entry]]:
    """Give every further slice at a position to a further series, never interleaving them."""
    heights = _heights(bucket)
    assert heights is not None
    order = sorted(
        range(len(bucket)),
        key=lambda n: (round(float(heights[n]) / _SAME_PLACE), _stored_order(bucket[n])),
    )
    parts: list[list[_Entry]] = []
    depth, last = 0, -np.inf
    for n in order:
        depth = depth + 1 if heights[n] - last < _SAME_PLACE else 0
        last = heights[n]
        if depth == len(parts):
            parts.append([])
        parts[depth].append(bucket[n])
    return parts


def _stored_order(entry: _Entry) -> tuple[float, int, list[str | int], int]:
    facts = entry.facts
    location = facts.location if facts.location is not None else 0.0
    return location, facts.instance or 0, _natural(facts.path), entry.source.frame


def _natural(name: str) -> list[str | int]:
    """Sort key that puts 2 before 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _part_notices(
    part: list[_Entry], parts: list[list[_Entry]], shared: set[str]
) -> tuple[Notice, ...]:
    notices: list[Notice] = []
    if len(parts) > 1:
        text = (
            f"Slices lie at the same positions; they were parted into {len(parts)} series, "
            f"{len(part)} of them here."
        )
        notices.append(Notice(text, badge="parted duplicates"))
    if part[0].facts.series_uid in shared:
        notices.append(
            Notice(
                "Several patients share this series' identifier; only one patient's slices are "
                "shown here.",
                badge="mixed patients",
            )
        )
    if bare := {entry.facts.path for entry in part if entry.facts.without_meta}:
        notices.append(
            Notice(
                f"{len(bare)} of the files do not state how they are encoded (no DICOM file meta "
                "information); it was guessed from their bytes.",
                badge="encoding guessed",
            )
        )
    uids = [entry.facts.sop_uid for entry in part if len(entry.facts.frames) == 1]
    if len(set(filter(None, uids))) < len([uid for uid in uids if uid]):
        notices.append(Notice("Different files carry the same identifier; all were kept."))
    return tuple(notices)


def _series(entries: list[_Entry], notices: tuple[Notice, ...]) -> Series:
    entries = sorted(entries, key=_stored_order)
    facts = entries[0].facts
    slices = tuple(entry.source for entry in entries)
    spacing, missing = None, 0
    size = (facts.rows, facts.columns)
    if not facts.trouble:
        plan = plan_grid(slices, size)
        slices = plan.slices
        spacing = plan.geometry.spacing if plan.calibrated else None
        missing = plan.missing
    key = _content_key(entries)
    return Series(
        key=key,
        study_key=_study_key(facts, key),
        files=tuple(dict.fromkeys(source.file for source in slices)),
        count=0 if role_of(facts) == "document" else len(slices),
        modality=facts.modality,
        description=facts.description,
        number=facts.number,
        date=facts.date,
        study_description=facts.study_description,
        body_part=facts.body_part,
        size=size,
        spacing=spacing,
        patient=facts.patient_shown(),
        synthetic=all(entry.facts.synthetic for entry in entries),
        notices=notices,
        readable=_unreadable(facts),
        missing=missing if role_of(facts) == "volume" else 0,
        role=role_of(facts),
        slices=slices,
    )


def _unreadable(facts: FileFacts) -> str:
    if not facts.trouble:
        return ""
    name = Path(facts.path).name
    if facts.trouble == "it holds no image":
        return f"{name} is a report or another document without an image ({facts.modality})."
    return f"{name} cannot be shown: {facts.trouble}."


def _content_key(entries: Sequence[_Entry]) -> str:
    """Identity from what the files are, not from where they lie."""
    names = sorted(
        f"{entry.facts.identity} {entry.facts.size_bytes} {entry.source.frame}" for entry in entries
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def _study_key(facts: FileFacts, series_key: str) -> str:
    """Identity of the study; without an identifier that tells it apart, a series is its own.

    Never where the files lie: another scan in the same folder would meet the first one's report.
    """
    content = "" if tells_apart(facts.study_uid) else series_key
    parts = (facts.study_uid, content, *facts.patient[:3])
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
