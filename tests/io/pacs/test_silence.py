"""Peers that take a connection and say nothing: whoever cancels is rid of them at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

from workstation.core.errors import CancelledError, NetworkError, TomoscribeError
from workstation.io.dicomweb.peer import WebPeer
from workstation.io.dicomweb.source import WebSource
from workstation.io.pacs.peer import Local, Peer, Tls
from workstation.io.pacs.query import Query
from workstation.io.pacs.source import DimseSource

QUERY = Query(patient_name="A*")


@pytest.fixture
def silent() -> Iterator[int]:
    """Port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def mute_pacs() -> Iterator[int]:
    """Port of a PACS that takes associations and questions, and never answers one."""
    over = Event()

    def wait(_event: evt.Event) -> Iterator[tuple[int, None]]:
        over.wait(30)
        yield 0x0000, None

    entity = AE("MUTE")
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(Verification)
    server = entity.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, wait)]
    )
    yield server.server_address[1]
    over.set()
    server.shutdown()


def _seconds_to_cancel(call: Callable[[Event], object]) -> tuple[float, TomoscribeError]:
    """Cancel a call that has waited for a while; how long it goes on, and what it raises."""
    cancelled, faults = Event(), []

    def run() -> None:
        try:
            call(cancelled)
        except TomoscribeError as error:
            faults.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(1.0)
    assert thread.is_alive(), "it waits"
    began = time.monotonic()
    cancelled.set()
    thread.join(10.0)
    assert not thread.is_alive()
    return time.monotonic() - began, faults[0]


def _dimse(port: int, **more: object) -> DimseSource:
    return DimseSource(Local(), Peer("silent", "MUTE", "127.0.0.1", port, **more))


def test_a_peer_that_never_takes_the_association(silent: int) -> None:
    waited, fault = _seconds_to_cancel(lambda off: _dimse(silent).find(QUERY, off))
    assert isinstance(fault, CancelledError)
    assert waited < 2.0


def test_a_peer_that_never_shakes_hands(silent: int) -> None:
    source = _dimse(silent, tls=Tls())
    waited, fault = _seconds_to_cancel(lambda off: source.find(QUERY, off))
    assert isinstance(fault, CancelledError)
    assert waited < 2.0


def test_a_peer_that_takes_the_question_and_never_answers(mute_pacs: int) -> None:
    source = _dimse(mute_pacs)
    assert source.echo(Event()) < 5.0
    waited, fault = _seconds_to_cancel(lambda off: source.find(QUERY, off))
    assert isinstance(fault, CancelledError | NetworkError)
    assert waited < 2.0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_web_service_that_never_answers(silent: int, scheme: str) -> None:
    source = WebSource(WebPeer("silent", f"{scheme}://127.0.0.1:{silent}"), lambda: "")
    waited, fault = _seconds_to_cancel(lambda off: source.find(QUERY, off))
    assert isinstance(fault, CancelledError)
    assert waited < 2.0
