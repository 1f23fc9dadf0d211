"""DICOM made in code, and a pool to read it with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.io.index import ScanEvent, ScanFinished, SeriesFound, scan
from workstation.io.load import load
from workstation.io.pool import WorkerPool

ENCODERS = {
    JPEG2000Lossless: lambda a: imagecodecs.jpeg2k_encode(a, level=0, codecformat="j2k"),
    HTJ2KLossless: lambda a: imagecodecs.htj2k_encode(a, level=0),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEGLosslessSV1: lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16),
}


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as running:
        yield running


@pytest.fixture
def never() -> threading.Event:
    """A cancel button nobody presses."""
    return threading.Event()


class Scan:
    """Everything one scan said."""

    def __init__(self, events: list[ScanEvent]) -> None:
        self.events = events
        self.series = [event.series for event in events if isinstance(event, SeriesFound)]
        self.finished = next(event for event in events if isinstance(event, ScanFinished))
        self.skipped = {one.path.name: one.reason for one in self.finished.skipped}

    @property
    def volumes(self) -> list[Series]:
        return [one for one in self.series if one.role == "volume"]


@pytest.fixture
def scanned(pool: WorkerPool, never: threading.Event) -> Callable[..., Scan]:
    """Scan paths to the end."""
    return lambda *paths: Scan(list(scan([Path(path) for path in paths], never, pool)))


@pytest.fixture
def loaded(pool: WorkerPool, never: threading.Event) -> Callable[[Series], Volume]:
    """Load a series to the end."""
    return lambda series: list(load(series, never, pool))[-1].volume


def _slice(index: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName = "Canary^Yellow"
    dataset.PatientID = "P1"
    dataset.Modality = "CT"
    dataset.SeriesDescription = "made in code"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = index + 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.5, 0.75]
    dataset.SliceThickness = 2
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowWidth, dataset.WindowCenter = 400, 40
    return dataset


def _pixels(dataset: FileDataset, stored: np.ndarray, syntax: str) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in ENCODERS:
        dataset.PixelData = encapsulate([bytes(ENCODERS[syntax](stored))])
        dataset["PixelData"].VR = "OB"
        return
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset["PixelData"].VR = "OW"
    if syntax == RLELossless:
        dataset.compress(
            RLELossless, stored, encoding_plugin="pydicom", generate_instance_uid=False
        )


def stored_volume(count: int, rows: int = 24, columns: int = 32) -> np.ndarray:
    """Stored values (slices, rows, columns) of uint16 below 4096, each voxel told from the next."""
    k, j, i = np.indices((count, rows, columns))
    return ((k * 997 + j * 61 + i * 7) % 4096).astype(np.uint16)


class SeriesMaker:
    """Writes series; ``change(dataset, k)`` spoils what a test wants spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str = "series",
        *,
        positions: list[tuple[float, float, float]] | None = None,
        count: int = 8,
        stored: np.ndarray | None = None,
        syntax: str = ExplicitVRLittleEndian,
        change: Callable[[FileDataset, int], None] = lambda dataset, k: None,
        shuffle: bool = True,
    ) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        places = positions or [(-10.0, -20.0, 30.0 + 2 * k) for k in range(count)]
        voxels = stored_volume(len(places)) if stored is None else stored
        study, series = generate_uid(), generate_uid()
        names = np.random.default_rng(7).permutation(len(places)) if shuffle else range(len(places))
        for k, place in enumerate(places):
            dataset = _slice(k)
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
            dataset.ImagePositionPatient = [*place]
            dataset.Rows, dataset.Columns = voxels[k].shape
            _pixels(dataset, voxels[k], syntax)
            change(dataset, k)
            self.write(dataset, folder / f"{names[k]:04d}.dcm")
        return folder

    @staticmethod
    def write(dataset: FileDataset, path: Path) -> None:
        young = dataset.file_meta.TransferSyntaxUID.startswith("1.2.840.10008.1.2.4.11")
        how = {"implicit_vr": False, "little_endian": True, "force_encoding": True}
        pydicom.dcmwrite(path, dataset, **(how if young else {"enforce_file_format": True}))


@pytest.fixture
def make_series(tmp_path: Path) -> SeriesMaker:
    """Write a CT series of 24 × 32 pixels with known values."""
    return SeriesMaker(tmp_path)


@pytest.fixture
def stored_values() -> Callable[..., np.ndarray]:
    """Known stored values of a series of ``count`` slices."""
    return stored_volume


@pytest.fixture
def native_syntaxes() -> tuple[str, ...]:
    return (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    )


@pytest.fixture
def lossless_syntaxes(native_syntaxes: tuple[str, ...]) -> tuple[str, ...]:
    return (*native_syntaxes, RLELossless, *ENCODERS)
