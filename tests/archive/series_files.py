"""Series to import, and processes that do it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zlib import crc32

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
