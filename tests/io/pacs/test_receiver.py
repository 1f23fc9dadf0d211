"""The storage SCP in its process, attacked and killed; senders are DCMTK's and our own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pydicom
import pytest

from tests.io.pacs.conftest import free_port, program, same_images
from workstation.core.errors import NetworkError, PeerRefusedError
from workstation.io.pacs.find import Query, echo, find
from workstation.io.pacs.link import associate
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Local, Peer, Tls
from workstation.io.pacs.receiver import Receiver, ReceiverOptions
from workstation.io.pacs.send import send


class Inbox:
    """A receiver and what it told."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.stored, self.refused = [], []
        values = {"port": free_port(), "allowed": (("TOMOSCRIBE", ""),)} | options
        self.receiver = Receiver(
            ReceiverOptions(folder, **values), self.stored.append, self.refused.append
        )
        self.peer = Peer("us", "TOMOSCRIBE", "127.0.0.1", self.receiver.port)


@pytest.fixture
def inbox(tmp_path):
    made = []

    def make(**options):
        made.append(Inbox(tmp_path / "in", **options))
        return made[-1]

    yield make
    for one in made:
        one.receiver.close()


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def storescu(inbox, *arguments):
    command = [program("storescu"), "-R", "-aec", "TOMOSCRIBE", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_what_is_sent_is_stored_and_told(local, inbox, studies, never):
    box = inbox()
    study = studies["prior"]
    files = list(study.files.values())
    done = storescu(box, "-aet", "TOMOSCRIBE", "127.0.0.1", box.peer.port, *files)
    assert done.returncode == 0, done.stderr
    until(lambda: len(box.stored) == 5)
    assert {one.study_uid for one in box.stored} == {study.uid}
    same_images([one.path for one in box.stored], study)
    send(local, box.peer, files, never)
    until(lambda: len(box.stored) == 10)
    assert len(list(box.folder.rglob("*.dcm"))) == 5


def test_other_content_under_the_same_uid_is_kept_beside(local, inbox, studies, never, tmp_path):
    box = inbox()
    source = next(iter(studies["prior"].files.values()))
    changed = pydicom.dcmread(source)
    changed.SeriesDescription = "other"
    changed.save_as(tmp_path / "other.dcm")
    send(local, box.peer, [source, tmp_path / "other.dcm"], never)
    until(lambda: len(box.stored) == 2)
    assert len({one.path for one in box.stored}) == 2


def test_who_is_not_on_the_list_is_refused(inbox, studies, never):
    box = inbox()
    path = next(iter(studies["prior"].files.values()))
    with pytest.raises(PeerRefusedError, match="does not know this program's AE title STRANGER"):
        send(Local("STRANGER"), box.peer, [path], never)
    assert storescu(box, "-aet", "OTHER", "127.0.0.1", box.peer.port, path).returncode != 0
    until(lambda: len(box.refused) >= 2)
    assert "STRANGER" in box.refused[0]
    assert box.stored == []


def test_a_wrong_address_is_refused(local, inbox):
    box = inbox(allowed=(("TOMOSCRIBE", "192.0.2.7"),))
    with pytest.raises(NetworkError):
        echo(local, box.peer)
    until(lambda: bool(box.refused))


def test_a_wrong_called_title_is_refused(local, inbox):
    box = inbox()
    with pytest.raises(PeerRefusedError, match="AE title is not WRONG"):
        echo(local, Peer("us", "WRONG", "127.0.0.1", box.peer.port))


def test_too_many_associations_are_refused(local, inbox):
    from pynetdicom.presentation import build_context

    box = inbox(max_associations=2)
    verify = [build_context("1.2.840.10008.1.1")]
    with (
        associate(local, box.peer, verify),
        associate(local, box.peer, verify),
        pytest.raises(NetworkError, match="too many associations"),
    ):
        echo(local, box.peer)
    until(lambda: _echoes(local, box.peer))


def _echoes(local, peer):
    try:
        return echo(local, peer) >= 0
    except NetworkError:
        return False


def test_what_is_not_storage_is_refused(local, inbox):
    box = inbox()
    with pytest.raises(PeerRefusedError, match="does not offer"):
        find(local, box.peer, Query())


@pytest.mark.parametrize(
    "attack",
    [
        b"\x01\x00\xff\xff\xff\xf0" + b"a" * 5000,
        b"\x04\x00\x00\x00\x00\x10" + b"\x00" * 16,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\x00",
    ],
)
def test_hostile_bytes_end_their_connection_only(local, inbox, attack):
    box = inbox(network_timeout=1.0)
    with socket.create_connection(("127.0.0.1", box.peer.port), timeout=10) as one:
        one.sendall(attack)
        try:
            while one.recv(1000):
                pass
        except ConnectionError:
            pass
    assert box.receiver.alive
    assert echo(local, box.peer) >= 0


def test_an_instance_over_the_limit_is_dropped(local, inbox, studies, never):
    box = inbox(max_instance_bytes=10_000)
    path = next(iter(studies["prior"].files.values()))
    with pytest.raises(NetworkError):
        send(local, box.peer, [path], never, patience=Patience(attempts=1, pause=0))
    assert [path for path in box.folder.rglob("*") if path.is_file()] == []


def test_names_never_come_from_the_peer(local, inbox, studies, never, tmp_path):
    dataset = pydicom.dcmread(next(iter(studies["prior"].files.values())))
    evil = "../../../evil"
    dataset.file_meta.MediaStorageSOPInstanceUID = evil
    dataset.SOPInstanceUID = dataset.StudyInstanceUID = dataset.SeriesInstanceUID = evil
    pydicom.dcmwrite(tmp_path / "evil.dcm", dataset)
    box = inbox()
    send(local, box.peer, [tmp_path / "evil.dcm"], never)
    for path in [*box.folder.rglob("*"), *tmp_path.iterdir()]:
        assert "evil" not in path.name or path.name == "evil.dcm"


def test_killed_while_receiving(inbox, studies):
    box = inbox()
    study = studies["chest"]
    command = [program("storescu"), "-R", "-aec", "TOMOSCRIBE", "-aet", "TOMOSCRIBE", "127.0.0.1"]
    sender = subprocess.Popen(
        [*command, str(box.peer.port), *map(str, study.files.values())],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: len(box.stored) >= 5)
    os.kill(box.receiver.process_id, signal.SIGKILL)
    sender.wait(30)
    until(lambda: not box.receiver.alive)
    files = list(box.folder.rglob("*.dcm"))
    assert len(files) >= 5
    same_images(files, study)
    again = inbox()
    assert not list(again.folder.glob(".incoming*"))


def test_it_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from workstation.io.pacs.receiver import Receiver, ReceiverOptions\n"
        f"r = Receiver(ReceiverOptions(Path({str(tmp_path)!r}), port={free_port()}))\n"
        "print(r.process_id, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    assert psutil.pid_exists(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone():
        try:
            return psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    until(gone)


def test_a_port_in_use_is_told(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(NetworkError, match="cannot be received"),
    ):
        Receiver(ReceiverOptions(tmp_path, port=taken.getsockname()[1]))


def test_tls_both_ways_and_nothing_else(local, inbox, studies, never, certificates):
    import dataclasses

    own, key = certificates / "ours.pem", certificates / "ours.key"
    tls = Tls(own, own, key)
    box = inbox(tls=tls)
    secure = dataclasses.replace(box.peer, tls=tls)
    sent = send(local, secure, list(studies["prior"].files.values()), never)
    assert len(sent.taken) == 5
    same_images([one.path for one in box.stored], studies["prior"])
    echoscu = [program("echoscu"), "-aet", "TOMOSCRIBE", "-aec", "TOMOSCRIBE"]
    place = ["127.0.0.1", str(box.peer.port)]
    done = subprocess.run(
        [*echoscu, "+tls", str(key), str(own), "+cf", str(own), *place],
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with pytest.raises(NetworkError):  # not encrypted
        echo(local, box.peer)
    with pytest.raises(NetworkError):  # no certificate
        echo(local, dataclasses.replace(box.peer, tls=Tls(own)))
    other = Tls(own, certificates / "stranger.pem", certificates / "stranger.key")
    with pytest.raises(NetworkError):  # another's certificate
        echo(local, dataclasses.replace(box.peer, tls=other))
    wrong = Tls(certificates / "stranger.pem", own, key)
    with pytest.raises(PeerRefusedError, match="certificates do not fit"):
        echo(local, dataclasses.replace(box.peer, tls=wrong))
    named = dataclasses.replace(tls, host="elsewhere.example")
    with pytest.raises(PeerRefusedError, match="certificates do not fit"):
        echo(local, dataclasses.replace(box.peer, tls=named))
    assert echo(local, secure) >= 0


def test_no_name_reaches_the_process_errors(local, studies, never, tmp_path):
    """Honest images, damaged ones, and a fault inside the process: its stderr names nobody."""
    log, stored, refused = tmp_path / "errors.log", [], []
    options = ReceiverOptions(
        tmp_path / "in", port=free_port(), allowed=(("TOMOSCRIBE", ""),),
        max_instance_bytes=200_000,
    )  # fmt: skip
    source = pydicom.dcmread(next(iter(studies["prior"].files.values())))
    source.PixelData = b"Canary " * 40_000
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    source.save_as(tmp_path / "large.dcm")
    broken = tmp_path / "broken.dcm"
    whole = next(iter(studies["prior"].files.values())).read_bytes()
    broken.write_bytes(whole.replace(b"PN", b"\xff\xff").replace(b"UI", b"UT")[:9000])
    with Receiver(options, stored.append, refused.append, log) as receiver:
        peer = Peer("us", "TOMOSCRIBE", "127.0.0.1", receiver.port)
        send(local, peer, list(studies["prior"].files.values()), never)
        for path in (tmp_path / "large.dcm", broken):
            storescu_quietly(peer.port, path)
        until(lambda: len(stored) >= 5)
    written = log.read_text() + "".join(refused)
    assert "Canary" not in written
    assert "P1" not in written.replace("PDU", "")


def storescu_quietly(port, path):
    command = [program("storescu"), "-aet", "TOMOSCRIBE", "-aec", "TOMOSCRIBE", "127.0.0.1"]
    subprocess.run([*command, str(port), str(path)], capture_output=True, timeout=60, check=False)


def test_a_fault_in_the_process_says_where_and_not_with_what(tmp_path):
    code = (
        "import sys, threading\n"
        "from workstation.io.pacs import scp\n"
        "scp.tell_faults_without_words()\n"
        "def fail(): raise ValueError('Canary^Yellow is no UID')\n"
        "one = threading.Thread(target=fail); one.start(); one.join()\n"
        "fail()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("ValueError in the receiver") == 2
    assert "fail" in done.stderr
    assert "Canary" not in done.stderr
