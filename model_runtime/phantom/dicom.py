"""A case as a DICOM CT series that says in every slice that it is synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, JPEGLSLossless

from model_runtime.api import Region
from model_runtime.phantom.case import PHASES, Case
from model_runtime.phantom.render import acquire

SYNTHETIC = "SYNTHETIC PHANTOM - NOT A PATIENT"
_INTERCEPT = -1024
_WINDOWS = {Region.CHEST: (-600, 1500), Region.ABDOMEN: (40, 400), Region.HEAD: (35, 80)}
_IMAGE_TYPE = {"axial": "AXIAL", "coronal": "REFORMATTED", "sagittal": "REFORMATTED"}
_UID_ROOT = "tomoscribe synthetic phantom"


@dataclass(frozen=True)
class _Plane:
    """Where one slice lies.

    Attributes
    ----------
    number : int
        From 1.
    index_to_lps : ndarray of float64, shape (4, 4)
        Maps (column, row, slice, 1) indices of the series to LPS mm.
    index : int
        Of the slice in the series' array.
    """

    number: int
    index_to_lps: NDArray[np.float64]
    index: int

    @property
    def position(self) -> NDArray[np.float64]:
        """LPS mm of the first voxel."""
        position: NDArray[np.float64] = (self.index_to_lps @ (0, 0, self.index, 1))[:3]
        return position

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Distances in mm from column to column, row to row and slice to slice."""
        steps: NDArray[np.float64] = np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return steps

    @property
    def orientation(self) -> list[float]:
        """Directions in which the column and the row index grow."""
        directions = self.index_to_lps[:3, :2] / self.spacing[:2]
        return [float(value) + 0.0 for value in directions.T.ravel()]


def study_date(case: Case) -> date:
    """Return an invented date of examination, always the same for a case."""
    return date(2023, 1, 1) + timedelta(days=case.seed * 37 % 900)


def uid(case: Case, *parts: object) -> str:
    """Return a UID under 2.25, always the same for a case and its parts."""
    name = " ".join(str(part) for part in (_UID_ROOT, case.seed, *parts))
    return f"2.25.{uuid5(NAMESPACE_OID, name).int}"


def within_field(voxels: NDArray[np.int16]) -> NDArray[np.int16]:
    """Set what lies outside the circular field of view to −1024 HU, as scanners do.

    Parameters
    ----------
    voxels : ndarray of int16, shape (z, y, x)
        HU of a square field of view.
    """
    rows, columns = voxels.shape[1:]
    y = (np.arange(rows) + 0.5) / rows * 2 - 1
    x = (np.arange(columns) + 0.5) / columns * 2 - 1
    outside = y[:, None] ** 2 + x[None, :] ** 2 > 1
    return np.where(outside[None], np.int16(_INTERCEPT), voxels)


def write_study(
    case: Case, folder: Path, shape: tuple[int, int, int] = (110, 320, 320)
) -> list[Path]:
    """Acquire a case in its plane and write it as one CT series, a file a slice.

    Parameters
    ----------
    case : Case
        Who is scanned.
    folder : Path
        Where to write; made if absent, and must be empty.
    shape : tuple of int
        (slices, rows, columns).

    Returns
    -------
    list of Path
        The files by instance: axial slices from the head, coronal ones from the front,
        sagittal ones from the right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; give a new or an empty folder.")
    voxels, index_to_lps = acquire(case, shape)
    if case.plane == "axial":
        voxels = within_field(voxels)
    stored = (voxels.astype(np.int32) - _INTERCEPT).astype(np.uint16)
    files = []
    indices = range(shape[0]) if case.plane == "coronal" else reversed(range(shape[0]))
    for number, index in enumerate(indices, start=1):
        files.append(folder / f"IM{number:04d}.dcm")
        _write_slice(case, _Plane(number, index_to_lps, index), stored[index], files[-1])
    return files


def _write_slice(case: Case, plane: _Plane, pixels: NDArray[np.uint16], file: Path) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid(case, "image", plane.number)
    meta.TransferSyntaxUID = JPEGLSLossless
    slice_ = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
    _tell_patient(slice_, case)
    _tell_scan(slice_, case, plane)
    _tell_pixels(slice_, case, plane, pixels)
    slice_.compress(JPEGLSLossless, pixels, encoding_plugin="pyjpegls", generate_instance_uid=False)
    slice_.save_as(file, enforce_file_format=True)


def _tell_patient(slice_: Dataset, case: Case) -> None:
    slice_.PatientName = f"SYNTHETIC^{case.region.value.upper()} PHANTOM"
    slice_.PatientID = f"SYNTHETIC-{case.seed:06d}"
    slice_.PatientBirthDate = ""
    slice_.PatientSex = case.sex[0].upper()
    slice_.PatientAge = f"{case.age:03d}Y"
    slice_.ImageComments = SYNTHETIC
    slice_.PatientComments = SYNTHETIC
    slice_.QualityControlSubject = "YES"
    slice_.SyntheticData = "YES"


def _tell_scan(slice_: Dataset, case: Case, plane: _Plane) -> None:
    day = study_date(case).strftime("%Y%m%d")
    slice_.SOPClassUID = CTImageStorage
    slice_.SOPInstanceUID = uid(case, "image", plane.number)
    slice_.StudyInstanceUID = uid(case, "study")
    slice_.SeriesInstanceUID = uid(case, "series")
    slice_.FrameOfReferenceUID = uid(case, "frame")
    slice_.PositionReferenceIndicator = ""
    slice_.StudyDate = slice_.SeriesDate = slice_.AcquisitionDate = slice_.ContentDate = day
    slice_.StudyTime = slice_.SeriesTime = slice_.AcquisitionTime = slice_.ContentTime = "101500"
    slice_.AccessionNumber = f"SYN{case.seed:06d}"
    slice_.ReferringPhysicianName = ""
    slice_.StudyID = "1"
    slice_.SeriesNumber, slice_.AcquisitionNumber, slice_.InstanceNumber = 1, 1, plane.number
    slice_.Modality = "CT"
    slice_.Manufacturer = "Tomoscribe"
    slice_.ManufacturerModelName = "Procedural phantom"
    slice_.ImageType = ["DERIVED", "PRIMARY", _IMAGE_TYPE[case.plane]]
    slice_.BodyPartExamined = case.region.value.upper()
    slice_.StudyDescription = f"SYNTHETIC CT {case.region.value}"
    slice_.SeriesDescription = f"SYNTHETIC {case.region.value}, {case.plane}, {case.phase}"
    slice_.ContrastBolusAgent = "" if case.phase == PHASES[0] else f"simulated, {case.phase}"
    slice_.PatientPosition = "HFS"
    slice_.KVP = "120"


def _tell_pixels(slice_: Dataset, case: Case, plane: _Plane, pixels: NDArray[np.uint16]) -> None:
    x, y, z = (float(step) for step in plane.spacing)
    slice_.ImagePositionPatient = [_decimal(value) for value in plane.position]
    slice_.ImageOrientationPatient = plane.orientation
    slice_.PixelSpacing = [_decimal(y), _decimal(x)]
    # Slices overlap where they are thicker than they are apart, and are never thinner.
    slice_.SliceThickness = _decimal(max(case.thickness, z))
    slice_.SpacingBetweenSlices = _decimal(z)
    axis = int(np.abs(plane.index_to_lps[:3, 2]).argmax())
    slice_.SliceLocation = _decimal(plane.position[axis])
    slice_.SamplesPerPixel = 1
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.Rows, slice_.Columns = pixels.shape
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 12, 11
    slice_.PixelRepresentation = 0
    slice_.RescaleIntercept, slice_.RescaleSlope = str(_INTERCEPT), "1"
    slice_.RescaleType = "HU"
    slice_.WindowCenter, slice_.WindowWidth = (str(value) for value in _WINDOWS[case.region])


def _decimal(value: float) -> str:
    """Write a DICOM decimal string: at most 16 characters, to a tenth of a micrometre or better."""
    return f"{float(value):.8f}"[:16]
