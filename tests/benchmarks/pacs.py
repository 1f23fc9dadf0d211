"""Retrieval of a series from Orthanc on loopback, against DCMTK's getscu and movescu in one run.

Run ``python tests/benchmarks/pacs.py [--slices 400]``; needs dcmtk and orthanc; prints Markdown.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from loading import write_series

from workstation.core.errors import NetworkError
from workstation.io.pacs.find import echo
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.receiver import Receiver, ReceiverOptions
from workstation.io.pacs.retrieval import SeriesKey
from workstation.io.pacs.retrieve import retrieve
from workstation.io.pacs.send import send

PATH = "/usr/bin:/usr/sbin:/usr/local/bin"
LOCAL = Local("BENCH")
NEVER = threading.Event()


def program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    if found is None:
        sys.exit(f"{name} is missing: apt-get install dcmtk orthanc")
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start_orthanc(folder: Path, back: int) -> tuple[subprocess.Popen[bytes], Peer]:
    peer = Peer("orthanc", "ORTHANC", "127.0.0.1", free_port())
    (folder / "orthanc.json").write_text(json.dumps({
        "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "Plugins": [], "HttpServerEnabled": False, "DicomAet": "ORTHANC", "DicomPort": peer.port,
        "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True, "DicomAlwaysAllowFind": True,
        "DicomModalities": {"us": ["BENCH", "127.0.0.1", back]},
    }))  # fmt: skip
    process = subprocess.Popen(
        [program("Orthanc"), str(folder / "orthanc.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for _ in range(200):
        try:
            echo(LOCAL, peer)
            break
        except NetworkError:
            time.sleep(0.1)
    return process, peer


def timed(name: str, folder: Path, count: int, job: Callable[[Path], None]) -> tuple[str, float]:
    out = folder / name.replace(" ", "-")
    out.mkdir()
    began = time.perf_counter()
    job(out)
    seconds = time.perf_counter() - began
    came = sum(1 for one in out.rglob("*") if one.is_file())
    if came != count:
        sys.exit(f"{name} brought {came} of {count} files")
    shutil.rmtree(out)
    return name, seconds


def dcmtk(tool: str, peer: Peer, key: SeriesKey, *more: str) -> Callable[[Path], None]:
    def job(out: Path) -> None:
        command = [
            program(tool), "-S", "-aet", "BENCH", "-aec", peer.ae_title, *more,
            "-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={key.study_uid}",
            "-k", f"SeriesInstanceUID={key.series_uid}", "-od", str(out),
            peer.host, str(peer.port),
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return job


def ours(peer: Peer, key: SeriesKey, port: int = 0) -> Callable[[Path], None]:
    def job(out: Path) -> None:
        if not port:
            (one,) = retrieve(LOCAL, peer, [key], out, NEVER)
        else:
            options = ReceiverOptions(out / "in", "BENCH", port=port, allowed=(("ORTHANC", ""),))
            with Receiver(options) as receiver:
                (one,) = retrieve(LOCAL, peer, [key], out, NEVER, receiver=receiver)
        if not one.complete:
            sys.exit(f"incomplete: {one.fault}")

    return job


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=400)
    count = parser.parse_args().slices
    with tempfile.TemporaryDirectory() as name:
        folder, back = Path(name), free_port()
        write_series(folder / "series", count, ExplicitVRLittleEndian)
        paths = sorted((folder / "series").iterdir())
        header = pydicom.dcmread(paths[0], stop_before_pixels=True)
        key = SeriesKey(str(header.StudyInstanceUID), str(header.SeriesInstanceUID))
        process, peer = start_orthanc(folder, back)
        try:
            send(LOCAL, peer, paths, NEVER)
            one = dataclasses.replace(peer, associations=1)
            moved = dataclasses.replace(peer, retrieve="move")
            destination = ("-aem", "BENCH", "--port", str(back))
            rows = [
                timed("getscu", folder, count, dcmtk("getscu", peer, key)),
                timed("Tomoscribe C-GET 1 association", folder, count, ours(one, key)),
                timed("Tomoscribe C-GET 3 associations", folder, count, ours(peer, key)),
                timed("movescu", folder, count, dcmtk("movescu", peer, key, *destination)),
                timed("Tomoscribe C-MOVE 3 associations", folder, count, ours(moved, key, back)),
            ]  # fmt: skip
        finally:
            process.kill()
            process.wait()
    print(f"| {count} slices of 512 × 512 | s | slices/s |\n|---|---|---|")
    for label, seconds in rows:
        print(f"| {label} | {seconds:.2f} | {count / seconds:.0f} |")


if __name__ == "__main__":
    main()
