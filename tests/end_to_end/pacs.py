"""A PACS on this machine with studies of one patient, cut out of the bundled scan."""

from __future__ import annotations

import threading
from pathlib import Path

import pydicom

from tests.io.pacs.conftest import Running, free_port, start_orthanc, web_settings
from workstation.io.pacs.peer import Local
from workstation.io.pacs.send import send
from workstation.settings import Settings

STUDIES = {
    "now": ("9.1", "20260110", "Chest follow-up", 55),
    "prior": ("9.2", "20250110", "Chest", 12),
    "older": ("9.3", "20240110", "Abdomen", 6),
}


def _fill(folder: Path, bundled: Path) -> dict[str, list[Path]]:
    """Studies of one patient, and one of a namesake number, out of the bundled scan."""
    sources = sorted(bundled.rglob("*.dcm"))
    made: dict[str, list[Path]] = {}
    for name, (uid, day, description, count) in {
        **STUDIES, "other": ("9.4", "20230110", "Head", 3)
    }.items():  # fmt: skip
        made[name] = []
        for number in range(count):
            dataset = pydicom.dcmread(sources[number * (len(sources) // count)])
            dataset.PatientID, dataset.PatientName = "PAT-7", "Phantom^Maria"
            dataset.PatientBirthDate = "19990101" if name == "other" else "19500102"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, f"{uid}.1"
            dataset.SOPInstanceUID = f"{uid}.1.{number + 1}"
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.StudyDate, dataset.StudyDescription = day, description
            dataset.SeriesDescription, dataset.AccessionNumber = "thin", f"A-{uid}"
            dataset.InstanceNumber = number + 1
            made[name].append(folder / f"{name}-{number}.dcm")
            dataset.save_as(made[name][-1])
    return made


class Pacs:
    """An Orthanc, and the files that it was sent."""

    def __init__(self, folder: Path) -> None:
        values = web_settings()
        self.files = _fill(folder, Settings().study)
        self.receive_port = free_port()
        self._running: Running = start_orthanc(folder, self.receive_port, **values)
        self.peer = self._running.peer
        self.url = f"http://127.0.0.1:{values['HttpPort']}/dicom-web"
        every = [path for paths in self.files.values() for path in paths]
        assert len(send(Local(), self.peer, every, threading.Event()).taken) == len(every)

    def close(self) -> None:
        self._running.close()
