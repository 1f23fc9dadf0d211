"""A series and the study it belongs to, as the list shows them; no pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class Severity(Enum):
    """How much a notice matters to the reader."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Notice:
    """Something the reader must know about the data, in one sentence.

    ``badge`` is the short form for the status line (``"resampled (tilt 18.5°)"``);
    empty if only the sentence is shown. ``details`` is for the fold.
    """

    text: str
    severity: Severity = Severity.WARNING
    badge: str = ""
    details: str = ""


@dataclass(frozen=True)
class Patient:
    """Whose scan it is, as the header says."""

    name: str = ""
    id: str = ""
    birth_date: str = ""
    age: str = ""
    sex: str = ""


@dataclass(frozen=True)
class SliceSource:
    """Where one slice is stored, and where its header says it lies.

    Attributes
    ----------
    file : Path
        The file that holds the slice.
    frame : int
        Index of the frame in the file; 0 for single-frame files.
    position : tuple of float or None
        LPS mm of the centre of the first pixel.
    orientation : tuple of six floats or None
        LPS unit vectors in which columns (first three) and rows (last three) grow.
    pixel_spacing : tuple of float or None
        mm between (rows, columns), in this order, as DICOM writes it.
    thickness, step : float or None
        Slice thickness and spacing between slices in mm, as the header says.
    tilt : float
        Gantry tilt in degrees, as the header says.
    """

    file: Path
    frame: int = 0
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None
    thickness: float | None = None
    step: float | None = None
    tilt: float = 0.0


@dataclass(frozen=True, eq=False)
class Series:
    """One series of a study, known from its headers.

    Attributes
    ----------
    key : str
        Stable identity made from content, not from UIDs alone.
    study_key : str
        Identity of the study: reports belong to it.
    files : tuple of Path
        In slice order along the normal, where geometry could be read.
    count : int
        Number of slices.
    size : tuple of int
        (rows, columns).
    spacing : tuple of float or None
        mm along (column, row, slice); None where the header does not say.
    thumbnail : ndarray of uint8, shape (h, w) or None
        Windowed picture of the middle slice.
    readable : str
        Empty, or the sentence why this series cannot be opened as a volume.
    missing : int
        Slices that its geometry shows to be missing between others.
    role : str
        ``"volume"``, ``"localizer"``, ``"capture"`` (secondary capture) or ``"document"``
        (report, dose report, presentation state …): all but volumes are set apart.
    slices : tuple of SliceSource
        Geometry per slice as scanned, in the order of ``files`` and frames; may be empty,
        then the loader reads the headers again.
    """

    key: str
    study_key: str
    files: tuple[Path, ...]
    count: int
    modality: str = ""
    description: str = ""
    number: int | None = None
    date: str = ""
    study_description: str = ""
    body_part: str = ""
    size: tuple[int, int] = (0, 0)
    spacing: tuple[float, float, float] | None = None
    patient: Patient = field(default_factory=Patient)
    synthetic: bool = False
    thumbnail: NDArray[np.uint8] | None = None
    notices: tuple[Notice, ...] = ()
    readable: str = ""
    format: str = "DICOM"
    missing: int = 0
    role: str = "volume"
    slices: tuple[SliceSource, ...] = ()

    @property
    def day(self) -> str:
        """The date to be read: ``2026-02-03`` for DICOM's ``20260203``, others as they are."""
        given = self.date
        if len(given) == 8 and given.isdigit():
            return f"{given[:4]}-{given[4:6]}-{given[6:]}"
        return given
