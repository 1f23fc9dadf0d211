"""What the scan needs to know of one DICOM file; plain values that travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workstation.core.study import Patient, SliceSource
from workstation.io.channel import Message


@dataclass(frozen=True)
class Frame:
    """Geometry of one frame; see :class:`workstation.core.study.SliceSource` for the units."""

    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    pixel_spacing: tuple[float, ...] | None = None
    thickness: float | None = None
    step: float | None = None
    tilt: float = 0.0


@dataclass(frozen=True)
class ScannedSlice(SliceSource):
    """A slice with the way to its pixels, as the reading process described it."""

    stored: Message | None = field(default=None, hash=False)


@dataclass(frozen=True)
class FileFacts:
    """Header of one DICOM file, without pixels.

    ``splitters`` holds the values that may tell apart slices at one position, in the order
    in which they are tried; ``trouble`` is empty or says why there are no pixels to show;
    ``without_meta`` says that the transfer syntax is not stated but was seen in the bytes.
    """

    path: str
    size_bytes: int = 0
    sop_class: str = ""
    sop_uid: str = ""
    content_hash: str = ""
    study_uid: str = ""
    series_uid: str = ""
    syntax: str = ""
    modality: str = ""
    description: str = ""
    study_description: str = ""
    body_part: str = ""
    accession: str = ""
    number: int | None = None
    instance: int | None = None
    location: float | None = None
    date: str = ""
    patient: tuple[str, str, str, str, str] = ("", "", "", "", "")
    synthetic: bool = False
    image_type: tuple[str, ...] = ()
    splitters: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    photometric: str = ""
    samples: int = 1
    frames: tuple[Frame, ...] = field(default=(Frame(),))
    trouble: str = ""
    without_meta: bool = False
    stored: Message | None = field(default=None, hash=False)

    def as_message(self) -> Message:
        """Write as plain values."""
        return {**vars(self), "frames": [vars(frame) for frame in self.frames]}

    @classmethod
    def from_message(cls, message: Message) -> FileFacts:
        """Read back what :meth:`as_message` wrote."""
        values = _with_tuples({**message, "frames": ()})
        values["frames"] = tuple(Frame(**_with_tuples(frame)) for frame in message["frames"])
        return cls(**values)

    @property
    def identity(self) -> str:
        """What tells the file apart: its digest where its identifier does not."""
        return self.content_hash or self.sop_uid

    def patient_shown(self) -> Patient:
        """Whose file it is."""
        name, identity, birth_date, age, sex = self.patient
        return Patient(name=name, id=identity, birth_date=birth_date, age=age, sex=sex)

    def sources(self) -> tuple[SliceSource, ...]:
        """Give the slices that the file holds, in stored order."""
        return tuple(
            ScannedSlice(file=Path(self.path), frame=index, stored=self.stored, **vars(frame))
            for index, frame in enumerate(self.frames)
        )


def _with_tuples(message: Message) -> Message:
    """Give what JSON made lists back as the tuples that they were."""
    return {key: _frozen(value) if type(value) is list else value for key, value in message.items()}


def _frozen(value: Any) -> Any:  # noqa: ANN401 - JSON in, the same with tuples out
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
