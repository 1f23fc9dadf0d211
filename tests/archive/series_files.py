"""Series to import, and processes that do it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from workstation.archive.arrivals import NewFile, NewSeries
from workstation.core.report import Report, edited
from workstation.core.study import Patient

ROOT = Path(__file__).resolve().parents[2]
NAME = "Zyxwvut^Quentin"


def typed(text):
    return edited(Report(), text)


def write_files(folder, *contents):
    """Files with these contents, by their number."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.dcm"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return paths


def a_series(paths, key="k1", copy=True, uids=None, patient=None, **more):
    """A series of files; ``uids`` instead of legal ones made from the content."""
    files = tuple(
        NewFile(path, f"1.2.{crc32(str(path).encode())}.{n + 1}" if uids is None else uids[n],
                "1.2.840.10008.5.1.4.1.1.2", n + 1, copy=copy)
        for n, path in enumerate(paths)
    )  # fmt: skip
    known = {"study_uid": f"1.2.3.{key[-1:]}", "uid": "1.2.9", "modality": "CT",
             "date": "20260203", "study_description": "CT chest", "accession": "A-77"}  # fmt: skip
    patient = patient or Patient(NAME, "P-0012", "19500101", "", "F")
    return NewSeries(key, patient, files, **(known | more))


def write_slice(*args, **more):
    """Write a CT slice; also one whose identifiers are illegal."""
    with pydicom.config.disable_value_validation():
        _write_slice(*args, **more)


def _write_slice(path, number, study="1.2.3", series="1.2.3.4", uid=None, name=NAME, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    slice_ = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.SOPClassUID = CTImageStorage
    slice_.SOPInstanceUID = f"1.2.3.4.{number}" if uid is None else uid
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
    slice_.PatientName, slice_.PatientID, slice_.Modality = name, "P-1", "CT"
    slice_.StudyDate, slice_.StudyDescription, slice_.AccessionNumber = "20260203", "Chest", "A-9"
    slice_.SeriesNumber, slice_.InstanceNumber = 2, number
    slice_.ImagePositionPatient, slice_.PixelSpacing = [0, 0, number], [1, 1]
    slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_.Rows = slice_.Columns = 4
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation, slice_.SamplesPerPixel = 15, 1, 1
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.PixelData = np.full((4, 4), number, np.int16).tobytes()
    for key, value in more.items():
        setattr(slice_, key, value)
    slice_.save_as(path, enforce_file_format=True)


def child(code, *arguments, fails=False):
    """Run Python code in a process of its own; its output."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert fails or done.returncode == 0, done.stderr
    return done.stdout
