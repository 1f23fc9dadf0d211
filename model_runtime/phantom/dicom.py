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
from model_runtime.phantom.render import render

SYNTHETIC = "SYNTHETIC PHANTOM - NOT A PATIENT"
_INTERCEPT = -1024
_WINDOWS = {Region.CHEST: (-600, 1500), Region.ABDOMEN: (40, 400), Region.HEAD: (35, 80)}
_UID_ROOT = "tomoscribe synthetic phantom"


@dataclass(frozen=True)
class _Plane:
    """Where one slice lies: LPS mm of its first voxel, its number, its spacing (z, y, x)."""

    number: int
    position: tuple[float, float, float]
    spacing: tuple[float, float, float]


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
    """Render a case and write it as one CT series, a file a slice.

    Parameters
    ----------
    case : Case
        Who is scanned.
    folder : Path
        Where to write; made if absent, and must be empty.
    shape : tuple of int
        (z, y, x) voxels.

    Returns
    -------
    list of Path
        The files, the most superior slice first (instance 1).
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; give a new or an empty folder.")
    voxels, index_to_lps = render(case, shape)
    stored = (within_field(voxels).astype(np.int32) - _INTERCEPT).astype(np.uint16)
    spacing = (index_to_lps[2, 2], index_to_lps[1, 1], index_to_lps[0, 0])
    files = []
    for number, z in enumerate(reversed(range(shape[0])), start=1):
        x0, y0, z0 = (index_to_lps @ (0, 0, z, 1))[:3]
        plane = _Plane(number, (x0, y0, z0), spacing)
        files.append(folder / f"IM{number:04d}.dcm")
        _write_slice(case, plane, stored[z], files[-1])
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
    slice_.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    slice_.BodyPartExamined = case.region.value.upper()
    slice_.StudyDescription = f"SYNTHETIC CT {case.region.value}"
    slice_.SeriesDescription = f"SYNTHETIC {case.region.value}, {case.phase}"
    slice_.ContrastBolusAgent = "" if case.phase == PHASES[0] else f"simulated, {case.phase}"
    slice_.PatientPosition = "HFS"
    slice_.KVP = "120"


def _tell_pixels(
    slice_: Dataset, case: Case, plane: _Plane, pixels: NDArray[np.uint16]
) -> None:
    z, y, x = (float(step) for step in plane.spacing)
    slice_.ImagePositionPatient = [_decimal(value) for value in plane.position]
    slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_.PixelSpacing = [_decimal(y), _decimal(x)]
    slice_.SliceThickness = slice_.SpacingBetweenSlices = _decimal(z)
    slice_.SliceLocation = _decimal(plane.position[2])
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
