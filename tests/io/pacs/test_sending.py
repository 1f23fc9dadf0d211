"""Sending that breaks off goes on: within a call, after it, and after a killed program."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.io.pacs.conftest import CuttingProxy, free_port
from workstation.core.errors import CancelledError, NetworkError, PeerRefusedError
from workstation.io.pacs import send as module
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Peer
from workstation.io.pacs.receiver import Receiver, ReceiverOptions
from workstation.io.pacs.send import send
from workstation.io.pacs.source import DimseSource

HASTE = Patience(attempts=2, pause=0.05)


class Inbox:
    """What arrived at a receiver of ours, once for each time."""

    def __init__(self, folder) -> None:
        self.stored = []
        options = ReceiverOptions(folder, port=free_port(), allowed=(("TOMOSCRIBE", ""),))
        self.receiver = Receiver(options, lambda one: self.stored.append(one.sop_uid))
        self.peer = Peer("us", "TOMOSCRIBE", "127.0.0.1", self.receiver.port)


@pytest.fixture
def inbox(tmp_path):
    inbox = Inbox(tmp_path / "in")
    yield inbox
    inbox.receiver.close()


def until(condition, never):
    for _ in range(500):
        if condition():
            return
        never.wait(0.02)
    pytest.fail("it did not happen")


class SendingProxy(CuttingProxy):
    """Breaks after so many bytes from the sender."""

    _pipe = CuttingProxy._back  # type: ignore[assignment]

    def _back(self, source, target):
        CuttingProxy._pipe(source, target)


def test_a_dropped_link_goes_on_with_the_rest(local, inbox, studies, never):
    paths = list(studies["chest"].files.values())
    proxy = SendingProxy(inbox.peer.port, 400_000, cuts=1)
    peer = dataclasses.replace(inbox.peer, port=proxy.port)
    sent = send(local, peer, paths, never, patience=HASTE)
    proxy.close()
    assert sent.taken == paths
    until(lambda: len(set(inbox.stored)) == 30, never)
    # The one that was under way when the link broke may have come twice, no other.
    assert len(inbox.stored) <= 31


def test_a_link_that_stays_down_is_told_and_a_later_call_goes_on(
    local, inbox, studies, tmp_path, never
):
    paths = list(studies["chest"].files.values())
    source = DimseSource(local, inbox.peer)
    proxy = SendingProxy(inbox.peer.port, 400_000, cuts=1)
    peer = dataclasses.replace(inbox.peer, port=proxy.port)
    books = tmp_path / "books"
    address = f"{peer.ae_title}@{inbox.peer.host}:{inbox.peer.port}"

    def told(done, _all):
        if done == 9:
            proxy.break_for_good()

    with pytest.raises(NetworkError):
        send(local, peer, paths, never, told, ledger=Ledger(books, address, paths), patience=HASTE)
    proxy.close()
    assert len(list(books.iterdir())) == 1
    sent = source.send(paths, never, books=books)
    assert len(sent.earlier) >= 9
    assert len(sent.earlier) + len(sent.taken) == 30
    until(lambda: len(set(inbox.stored)) == 30, never)
    assert len(inbox.stored) <= 31
    assert list(books.iterdir()) == []
    assert len(source.send(paths, never, books=books).taken) == 30


def test_cancelled_and_gone_on(local, inbox, studies, tmp_path, never):
    paths = list(studies["chest"].files.values())
    source = DimseSource(local, inbox.peer)
    cancelled = threading.Event()
    with pytest.raises(CancelledError):
        source.send(paths, cancelled, lambda done, _: done == 5 and cancelled.set(), tmp_path / "b")
    changed = paths[2]
    os.utime(changed, ns=(1, 1))  # another content, for all that is known
    sent = source.send(paths, never, books=tmp_path / "b")
    assert (len(sent.earlier), len(sent.taken)) == (4, 26)
    assert changed in sent.taken


def test_a_killed_program_goes_on(inbox, studies, tmp_path, never):
    paths = list(studies["chest"].files.values())
    code = (
        "import sys, threading; from pathlib import Path\n"
        "from workstation.io.pacs.peer import Local, Peer\n"
        "from workstation.io.pacs.source import DimseSource\n"
        f"source = DimseSource(Local(), Peer('us', 'TOMOSCRIBE', '127.0.0.1', {inbox.peer.port}))\n"
        "def told(done, _):\n"
        "    print(done, flush=True)\n"
        "    if done == 8: threading.Event().wait()\n"
        f"source.send([Path(one) for one in sys.argv[1:]], threading.Event(), told, "
        f"Path({str(tmp_path / 'b')!r}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, paths)], stdout=subprocess.PIPE
    )
    while process.stdout.readline().strip() != b"8":
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    from workstation.io.pacs.peer import Local

    sent = DimseSource(Local(), inbox.peer).send(paths, never, books=tmp_path / "b")
    assert (len(sent.earlier), len(sent.taken)) == (8, 22)


def test_a_refusal_is_not_tried_again(local, inbox, studies, never, monkeypatch):
    tries = []

    def associate(*given, **more):
        tries.append(given)
        return real(*given, **more)

    real = module.associate
    monkeypatch.setattr(module, "associate", associate)
    paths = list(studies["prior"].files.values())
    wrong = dataclasses.replace(inbox.peer, ae_title="WRONG")
    with pytest.raises(PeerRefusedError):
        send(local, wrong, paths, never)
    assert len(tries) == 1


def test_the_book_holds_hashes_only(studies, tmp_path):
    paths = list(studies["chest"].files.values())
    book = Ledger(tmp_path, "CANARY@host", paths)
    book.note(paths[0])
    book.close(finished=False)
    (path,) = tmp_path.iterdir()
    written = path.name + path.read_text()
    assert "CANARY" not in written
    assert "dcm" not in written
    assert Ledger(tmp_path, "CANARY@host", paths).knows(paths[0])
    assert not Ledger(tmp_path, "OTHER@host", paths).knows(paths[0])
    path.write_bytes(b"\xff\xfe broken \n" + b"x" * 32)
    assert not Ledger(tmp_path, "CANARY@host", paths).knows(paths[0])
