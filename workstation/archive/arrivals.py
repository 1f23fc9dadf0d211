"""What comes to be imported, as its headers tell, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from workstation.core.study import Patient


@dataclass(frozen=True)
class NewFile:
    """A file to import; ``copy`` puts it into the store, else only its place is kept."""

    path: Path
    uid: str = ""
    sop_class: str = ""
    number: int | None = None
    suffix: str = ""
    copy: bool = True


@dataclass(frozen=True)
class NewSeries:
    """A series to import as its headers tell; ``study_key`` is that of reports.

    ``missing`` images are known from its geometry not to be among its files; ``expected`` is how
    many the series has, as a PACS said, None where nobody did. Without files it is awaited.
    """

    study_key: str
    patient: Patient
    files: tuple[NewFile, ...]
    study_uid: str = ""
    date: str = ""
    accession: str = ""
    study_description: str = ""
    uid: str = ""
    modality: str = ""
    description: str = ""
    number: int | None = None
    body_part: str = ""
    missing: int = 0
    expected: int | None = None

    @property
    def key(self) -> str:
        """Identity of the series: its UID within its study, else what its header says."""
        told = (self.modality, str(self.number), self.description, self.body_part)
        parts = (self.study_key, self.uid, *(() if self.uid else told))
        return _hash(parts)

    @property
    def patient_key(self) -> str:
        """Identity of the patient: name, id and birth date together."""
        return _hash((self.patient.name, self.patient.id, self.patient.birth_date))


@dataclass
class Added:
    """What became of files: counts, and sentences for what the reader must know.

    ``studies`` got something new; ``known`` had some of the files already.
    """

    studies: set[int] = field(default_factory=set)
    known: set[int] = field(default_factory=set)
    files: int = 0
    duplicates: int = 0
    conflicts: int = 0
    illegal: int = 0
    restored: int = 0
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def add(self, other: Added) -> None:
        """Take the counts of another into this one."""
        self.studies |= other.studies
        self.known |= other.known
        for name in ("files", "duplicates", "conflicts", "illegal", "restored"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.skipped += other.skipped
        self.notices += [one for one in other.notices if one not in self.notices]


def _hash(parts: Iterable[str]) -> str:
    text = "\n".join(parts).encode("utf-8", "replace")
    return hashlib.sha256(text).hexdigest()[:32]
