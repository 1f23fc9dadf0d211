"""CT series on disk for the benchmarks of loading and scanning, in every codec compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    generate_uid,
)

EDGE = 512
SYNTAXES = {
    "uncompressed": str(ExplicitVRLittleEndian),
    "JPEG Lossless": str(JPEGLosslessSV1),
    "JPEG-LS": str(JPEGLSLossless),
    "HTJ2K": str(HTJ2KLossless),
    "JPEG 2000": str(JPEG2000Lossless),
}
_ENCODERS: dict[str, Callable[[NDArray[np.uint16]], bytes]] = {
    JPEGLosslessSV1: lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=16),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    HTJ2KLossless: lambda pixels: imagecodecs.htj2k_encode(pixels, level=0),
    JPEG2000Lossless: lambda pixels: imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k"),
}
_USUAL = {
    "StudyDate": "20240102", "SeriesDate": "20240102", "AcquisitionDate": "20240102",
    "ContentDate": "20240102", "StudyTime": "101500.123", "SeriesTime": "101601.5",
    "AcquisitionTime": "101602.25", "ContentTime": "101603", "AccessionNumber": "A1",
    "Manufacturer": "NONE", "InstitutionName": "None", "StationName": "CT1",
    "StudyDescription": "CT chest", "SeriesDescription": "1 mm", "ManufacturerModelName": "None",
    "PatientBirthDate": "19500101", "PatientSex": "O", "PatientAge": "074Y",
    "BodyPartExamined": "CHEST", "ScanOptions": "HELICAL", "KVP": "120",
    "DataCollectionDiameter": "500", "SoftwareVersions": "1.0", "ProtocolName": "chest",
    "ReconstructionDiameter": "360", "DistanceSourceToDetector": "1085",
    "DistanceSourceToPatient": "595", "GantryDetectorTilt": "0", "TableHeight": "150.5",
    "RotationDirection": "CW", "ExposureTime": "500", "XRayTubeCurrent": "210", "Exposure": "105",
    "FilterType": "BODY", "GeneratorPower": "25", "FocalSpots": "1.2",
    "ConvolutionKernel": "SOFT", "PatientPosition": "HFS", "StudyID": "1", "SeriesNumber": "3",
    "AcquisitionNumber": "1", "PositionReferenceIndicator": "SN", "WindowCenter": "40",
    "WindowWidth": "400", "SpecificCharacterSet": "ISO_IR 100",
}  # fmt: skip


def slice_values(index: int, count: int, edge: int = EDGE) -> NDArray[np.uint16]:
    """Stored values of a round body with noise, of 12 bits."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[:edge, :edge] / edge - 0.5
    body = np.hypot(x / 0.42, y / 0.3) < 1
    spine = np.hypot(x, y - 0.15) < 0.05 + 0.02 * index / count
    values = np.where(spine, 1500, np.where(body, 1060, 24)) + rng.normal(0, 12, x.shape)
    return np.clip(values, 0, 4095).astype(np.uint16)


def write_series(folder: Path, count: int, syntax: str, edge: int = EDGE) -> None:
    """Write a CT series with a usual header, whose names are not in slice order."""
    folder.mkdir(parents=True)
    study, series = generate_uid(), generate_uid()
    for index, name in enumerate(np.random.default_rng(0).permutation(count)):
        dataset = _header(index, study, series, edge)
        values = slice_values(index, count, edge)
        dataset.file_meta.TransferSyntaxUID = syntax
        encoder = _ENCODERS.get(syntax)
        code = bytes(encoder(values)) if encoder else b""
        dataset.PixelData = encapsulate([code]) if encoder else values.tobytes()
        dataset["PixelData"].VR = "OB" if encoder else "OW"
        dataset.save_as(folder / f"IM{name:04d}", enforce_file_format=True)


def _header(index: int, study: str, series: str, edge: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword, value in _USUAL.items():
        setattr(dataset, keyword, value)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.FrameOfReferenceUID = study
    dataset.Modality, dataset.PatientID = "CT", "SYNTHETIC"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = index + 1
    dataset.ImagePositionPatient = [-180, -180, float(index)]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.SliceLocation = float(index)
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.7], 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.Rows = dataset.Columns = edge
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    private = dataset.private_block(0x0019, "NONE_ACQU", create=True)
    for element in range(30):
        private.add_new(element, "DS", "1.5")
    return dataset
