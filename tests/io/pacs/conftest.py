"""Real peers on loopback: Orthanc and DCMTK's dcmqrscp, filled by our own sending."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from workstation.core.errors import NetworkError
from workstation.io.pacs.find import echo
from workstation.io.pacs.peer import Local, Peer, Timeouts
from workstation.io.pacs.send import send

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin"


def program(name: str) -> str:
    """Path of a peer's program; its absence fails the test."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.fail(f"{name} is missing; installers/test installs it", pytrace=False)
    return found


def _ports() -> Iterator[int]:
    """Ports that no other worker of pytest-xdist tries, and no outgoing connection gets."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 12_000 + 500 * (worker % 40)
    yield from itertools.cycle(range(first, first + 500))


_PORTS = _ports()


def free_port() -> int:
    """Give a port on which nobody listens, another one each time."""
    for port in _PORTS:
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports have no end")


class Study:
    """A study on disk."""

    def __init__(self, folder: Path, counts: tuple[int, ...], **header: str) -> None:
        self.uid = generate_uid()
        self.series = {generate_uid(): count for count in counts}
        self.files: dict[str, Path] = {}
        folder.mkdir()
        for series, count in self.series.items():
            for index in range(count):
                dataset = self._slice(series, index, header)
                path = folder / f"{len(self.files):03d}.dcm"
                pydicom.dcmwrite(path, dataset, enforce_file_format=True)
                self.files[dataset.SOPInstanceUID] = path

    def _slice(self, series: str, index: int, header: dict[str, str]) -> FileDataset:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SpecificCharacterSet = header.get("charset", "ISO_IR 100")
        dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = self.uid, series
        dataset.Modality, dataset.StudyID, dataset.SeriesNumber = "CT", "1", 1
        dataset.StudyTime, dataset.PatientSex = "101112", "O"
        dataset.SeriesDescription, dataset.InstanceNumber = "thin slices", index + 1
        dataset.Rows = dataset.Columns = 128
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
        dataset.PixelRepresentation = 0
        for keyword, value in header.items():
            if keyword != "charset":
                setattr(dataset, keyword, value)
        pixels = np.random.default_rng(index).integers(0, 4096, (128, 128), dtype=np.uint16)
        dataset.PixelData = pixels.tobytes()
        return dataset


@pytest.fixture(scope="session")
def studies(tmp_path_factory) -> dict[str, Study]:
    top = tmp_path_factory.mktemp("studies")
    return {
        "chest": Study(
            top / "chest", (30,), PatientName="Canary^Yellow", PatientID="P1",
            PatientBirthDate="19500102", AccessionNumber="ACC1", StudyDate="20240110",
            StudyDescription="Chest with contrast", ReferringPhysicianName="Referrer^One",
        ),
        "prior": Study(
            top / "prior", (3, 2), PatientName="Canary^Yellow", PatientID="P1",
            PatientBirthDate="19500102", AccessionNumber="ACC2", StudyDate="20230101",
            StudyDescription="Chest", ReferringPhysicianName="Referrer^One",
        ),
        "latin": Study(
            top / "latin", (1,), PatientName="Müller^Jörg", PatientID="P2",
            PatientBirthDate="19600203", AccessionNumber="ACC3", StudyDate="20250310",
            StudyDescription="Abdomen", ReferringPhysicianName="Other^Two",
        ),
        "kanji": Study(
            top / "kanji", (1,), charset="ISO_IR 192", PatientID="P3",
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", PatientBirthDate="19700304",
            AccessionNumber="ACC4", StudyDate="20250415", StudyDescription="Head",
            ReferringPhysicianName="Other^Two",
        ),
    }  # fmt: skip


LOCAL = Local("TOMOSCRIBE", Timeouts(connect=5.0, associate=5.0, answer=20.0, network=20.0))


@pytest.fixture(scope="session")
def local() -> Local:
    return LOCAL


@pytest.fixture(scope="session")
def receive_port() -> int:
    return free_port()


@pytest.fixture
def never() -> threading.Event:
    return threading.Event()


def _wait(peer: Peer, process: subprocess.Popen) -> None:
    for _ in range(200):
        try:
            echo(LOCAL, peer)
        except NetworkError:
            assert process.poll() is None, "the peer ended"
            time.sleep(0.05)
        else:
            return
    pytest.fail("the peer does not start")


class Running:
    """A peer's process."""

    def __init__(self, command: list[str], peer: Peer, folder: Path) -> None:
        self.peer, self.folder = peer, folder
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        _wait(peer, self._process)

    def fill(self, studies: dict[str, Study]) -> None:
        paths = [path for study in studies.values() for path in study.files.values()]
        sent = send(LOCAL, self.peer, paths, threading.Event())
        assert len(sent.taken) == len(paths), sent.refused

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


PASSWORD = "s3cret-canary-Wörd"


def dicomweb_plugin() -> str:
    """Path of Orthanc's DICOMweb plugin; its absence fails the test."""
    found = sorted(Path("/usr").glob("*/orthanc/**/libOrthancDicomWeb.so*"))
    if not found:
        pytest.fail("apt-get install orthanc-dicomweb", pytrace=False)
    return str(found[0])


def web_settings() -> dict[str, object]:
    """What makes Orthanc a DICOMweb service with a login."""
    return {
        "Plugins": [dicomweb_plugin()], "HttpServerEnabled": True, "HttpPort": free_port(),
        "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {"reader": PASSWORD}, "DicomWeb": {"Enable": True},
    }  # fmt: skip


class TlsFront:
    """Ends TLS before a service, as a hospital's gateway does; Debian's Orthanc crashes on TLS."""

    def __init__(self, port: int, folder: Path) -> None:
        self._target = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "ours.pem", folder / "ours.key")
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, plain: socket.socket) -> None:
        try:
            client = self._context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        upstream = socket.create_connection(("127.0.0.1", self._target))
        for one in (client, upstream):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pipe, args=(upstream, client), daemon=True)
        back.start()
        self._pipe(client, upstream)
        back.join()
        client.close()
        upstream.close()

    @staticmethod
    def _pipe(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()


def start_orthanc(folder: Path, receive_port: int, **more: object) -> Running:
    import json

    port = free_port()
    (folder / "orthanc.json").write_text(json.dumps({
        "Name": "test", "StorageDirectory": str(folder / "db"), "Plugins": [],
        "IndexDirectory": str(folder / "db"), "HttpServerEnabled": False,
        "DicomAet": "ORTHANC", "DicomPort": port, "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True, "CaseSensitivePN": False, "DefaultEncoding": "Utf8",
        "DicomModalities": {"us": ["TOMOSCRIBE", "127.0.0.1", receive_port]}, **more,
    }))  # fmt: skip
    peer = Peer("orthanc", "ORTHANC", "127.0.0.1", port)
    return Running([program("Orthanc"), str(folder / "orthanc.json")], peer, folder)


def start_dcmqrscp(folder: Path, receive_port: int, *options: str) -> Running:
    port = free_port()
    (folder / "QR").mkdir()
    (folder / "qr.cfg").write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 65536\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nus = (TOMOSCRIBE, 127.0.0.1, {receive_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nQR {folder / 'QR'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    peer = Peer("dcmqrscp", "QR", "127.0.0.1", port)
    return Running([program("dcmqrscp"), *options, "-c", str(folder / "qr.cfg")], peer, folder)


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory, studies, receive_port):
    running = start_orthanc(tmp_path_factory.mktemp("orthanc"), receive_port)
    running.fill(studies)
    yield running
    running.close()


@pytest.fixture(scope="session")
def dcmqrscp(tmp_path_factory, studies, receive_port):
    running = start_dcmqrscp(tmp_path_factory.mktemp("qr"), receive_port)
    running.fill(studies)
    yield running
    running.close()


@pytest.fixture
def own_dcmqrscp(tmp_path_factory, studies, receive_port):
    """One that a test may spoil."""
    running = start_dcmqrscp(tmp_path_factory.mktemp("own"), receive_port)
    running.fill({"chest": studies["chest"]})
    yield running
    running.close()


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def pacs(request) -> Running:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Path:
    """Two certificates for this machine that nobody else signed, with their keys."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ours", "stranger"):
        command = [
            program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def _start_web_orthanc(folder: Path, receive_port: int, certificates: Path):
    values = web_settings()
    running = start_orthanc(folder, receive_port, **values)
    front = TlsFront(values["HttpPort"], certificates)
    running.url = f"https://127.0.0.1:{front.port}/dicom-web"
    yield running
    front.close()
    running.close()


@pytest.fixture(scope="session")
def web_orthanc(tmp_path_factory, studies, receive_port, certificates):
    """Orthanc with its DICOMweb plugin, over TLS and with a login, filled by C-STORE."""
    folder = tmp_path_factory.mktemp("web")
    for running in _start_web_orthanc(folder, receive_port, certificates):
        running.fill(studies)
        yield running


@pytest.fixture(scope="session")
def empty_orthanc(tmp_path_factory, receive_port, certificates):
    """Another one, to send to: nobody counts what it has."""
    yield from _start_web_orthanc(tmp_path_factory.mktemp("empty"), receive_port, certificates)


class CuttingProxy:
    """Passes connections on; each of the first ``cuts`` breaks after ``after`` bytes back."""

    def __init__(self, port: int, after: int, cuts: int) -> None:
        self._target, self._after, self.cuts = port, after, cuts
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._target))
            threading.Thread(target=self._pipe, args=(client, upstream), daemon=True).start()
            threading.Thread(target=self._back, args=(upstream, client), daemon=True).start()

    @staticmethod
    def _pipe(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def break_for_good(self) -> None:
        """Let nothing through from now on."""
        self._after, self.cuts = 0, 1_000_000

    def _back(self, source: socket.socket, target: socket.socket) -> None:
        passed = 0
        try:
            while data := source.recv(16384):
                passed += len(data)
                if passed > self._after and self.cuts > 0:
                    self.cuts -= 1
                    target.shutdown(socket.SHUT_RDWR)
                    source.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self._server.close()


def same_images(paths, study: Study) -> None:
    """The files hold the study's instances, each data set equal to the last bit."""
    for path in paths:
        got = pydicom.dcmread(path)
        sent = pydicom.dcmread(study.files[got.SOPInstanceUID])
        assert got.PixelData == sent.PixelData
        assert got == sent
