"""Associations with compressed syntaxes, both ways: nothing is changed on the way."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

from tests.io.pacs.conftest import (
    PASSWORD,
    Running,
    free_port,
    program,
    start_dcmqrscp,
)
from workstation.io.dicomweb import retrieve as web
from workstation.io.dicomweb.peer import WebPeer
from workstation.io.dicomweb.send import send as stow
from workstation.io.dicomweb.session import opened
from workstation.io.pacs.peer import Peer
from workstation.io.pacs.receiver import Receiver, ReceiverOptions
from workstation.io.pacs.retrieval import SeriesKey
from workstation.io.pacs.retrieve import retrieve
from workstation.io.pacs.send import send

SYNTAXES = {
    "jpeg-ls": (uid.JPEGLSLossless, "t"),
    "jpeg-2000": (uid.JPEG2000Lossless, "v"),
    "rle": (uid.RLELossless, "r"),
    "jpeg-lossless": (uid.JPEGLosslessSV1, "s"),
}


class Compressed:
    """A series of three slices in one syntax, with the raw pixels of each."""

    def __init__(self, folder: Path, name: str) -> None:
        self.syntax, self.letter = SYNTAXES[name]
        self.key = SeriesKey(uid.generate_uid(), uid.generate_uid())
        self.files: dict[str, Path] = {}
        self.raw: dict[str, np.ndarray] = {}
        for index in range(3):
            dataset = pydicom.dcmread(pydicom.data.get_testdata_file("CT_small.dcm"))
            dataset.PatientName, dataset.PatientID = "Canary^Yellow", "PC"
            dataset.StudyInstanceUID = self.key.study_uid
            dataset.SeriesInstanceUID = self.key.series_uid
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = (
                uid.generate_uid()
            )
            own = str(dataset.SOPInstanceUID)
            pixels = np.roll(dataset.pixel_array, index, axis=1)
            dataset.PixelData = pixels.tobytes()
            self.raw[own] = pixels
            self.files[own] = folder / f"{name}-{index}.dcm"
            self._write(dataset, self.files[own])

    def _write(self, dataset: pydicom.FileDataset, path: Path) -> None:
        if self.syntax == uid.JPEGLosslessSV1:
            dataset.save_as(path)
            subprocess.run([program("dcmcjpeg"), "+e1", "+un", path, path], check=True)
        else:
            dataset.compress(self.syntax, generate_instance_uid=False)
            dataset.save_as(path)

    def _pixels(self, path: Path) -> np.ndarray:
        if self.syntax == uid.JPEGLosslessSV1:
            raw = path.with_suffix(".raw")
            subprocess.run([program("dcmdjpeg"), path, raw], check=True)
            path = raw
        return pydicom.dcmread(path).pixel_array

    def arrived(self, paths) -> None:
        """The files have this syntax, the same compressed bytes and the raw pixels."""
        paths = list(paths)
        assert len(paths) == 3
        for path in paths:
            got = pydicom.dcmread(path)
            own = str(got.SOPInstanceUID)
            assert got.file_meta.TransferSyntaxUID == self.syntax
            assert _frames(got) == _frames(pydicom.dcmread(self.files[own]))
            assert np.array_equal(self._pixels(path), self.raw[own])


def _frames(dataset: pydicom.Dataset) -> list[bytes]:
    return list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))


@pytest.fixture(scope="module", params=SYNTAXES)
def series(request, tmp_path_factory) -> Compressed:
    return Compressed(tmp_path_factory.mktemp("compressed"), request.param)


def test_orthanc_by_store_get_and_move(local, empty_orthanc, series, tmp_path, never, receive_port):
    sent = send(local, empty_orthanc.peer, list(series.files.values()), never)
    assert len(sent.taken) == 3, sent.refused
    (one,) = retrieve(local, empty_orthanc.peer, [series.key], tmp_path / "get", never)
    assert one.complete, one.fault
    series.arrived(one.arrived)
    move = replace(empty_orthanc.peer, retrieve="move")
    options = ReceiverOptions(tmp_path / "in", port=receive_port, allowed=(("ORTHANC", ""),))
    with Receiver(options) as receiver:
        (one,) = retrieve(local, move, [series.key], tmp_path / "move", never, receiver=receiver)
    assert one.complete, one.fault
    series.arrived(one.arrived)


def test_orthanc_by_stow_and_wado(empty_orthanc, certificates, series, tmp_path, never):
    peer = WebPeer(
        "hall", empty_orthanc.url, "basic", "reader", authority=certificates / "ours.pem"
    )
    with opened(peer, PASSWORD, never) as session:
        sent = stow(session, list(series.files.values()))
        assert len(sent.taken) == 3, sent.refused
        (one,) = web.retrieve(session, [series.key], tmp_path)
    assert one.complete, one.fault
    series.arrived(one.arrived)


@pytest.fixture
def preferring(tmp_path_factory, series, receive_port) -> Running:
    """A dcmqrscp that takes this compression and proposes it."""
    letter = series.letter
    running = start_dcmqrscp(
        tmp_path_factory.mktemp("qr"), receive_port, f"+x{letter}", f"-x{letter}"
    )
    yield running
    running.close()


def test_dcmqrscp_by_store_and_get(local, preferring, series, tmp_path, never):
    sent = send(local, preferring.peer, list(series.files.values()), never)
    assert len(sent.taken) == 3, sent.refused
    (one,) = retrieve(local, preferring.peer, [series.key], tmp_path, never)
    assert one.complete, one.fault
    series.arrived(one.arrived)


def test_storescu_to_our_receiver(series, tmp_path, never):
    stored = []
    options = ReceiverOptions(tmp_path, port=free_port(), allowed=(("SENDER", ""),))
    with Receiver(options, stored.append) as receiver:
        command = [
            program("storescu"), f"-x{series.letter}", "-aet", "SENDER", "-aec", "TOMOSCRIBE",
            "127.0.0.1", str(receiver.port), *map(str, series.files.values()),
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=60)
        while len(stored) < 3:
            never.wait(0.02)
    series.arrived(one.path for one in stored)


@pytest.fixture
def storescp(request, tmp_path, never):
    running = []

    def storescp(*options):
        peer = Peer("storescp", "STORE", "127.0.0.1", free_port())
        command = [program("storescp"), "-aet", "STORE", *options, "-od", str(tmp_path)]
        running.append(Running([*command, str(peer.port)], peer, tmp_path))
        return peer

    yield storescp
    for one in running:
        one.close()


def test_storescp_from_us(local, series, storescp, tmp_path, never):
    sent = send(local, storescp("+xa"), list(series.files.values()), never)
    assert len(sent.taken) == 3, sent.refused
    series.arrived(tmp_path.glob("CT.*"))


def test_who_takes_no_compression_is_sent_none(local, series, storescp, tmp_path, never, studies):
    plain = list(studies["prior"].files.values())
    sent = send(local, storescp("+x="), [*series.files.values(), *plain], never)
    assert sent.taken == plain
    assert {one.path for one in sent.refused} == set(series.files.values())
    assert "does not take CT Image Storage as" in sent.refused[0].reason
