"""Many peers at once, and certificates that have run out."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.io.pacs.conftest import free_port, program
from workstation.core.errors import NetworkError
from workstation.io.pacs.find import echo
from workstation.io.pacs.peer import Peer, Tls
from workstation.io.pacs.receiver import Receiver, ReceiverOptions


@pytest.fixture
def receiving(tmp_path):
    """Start receivers, tell where each listens."""
    made = []

    def start(**options):
        port = free_port()
        values = {"port": port, "allowed": (("TOMOSCRIBE", ""),)} | options
        made.append(Receiver(ReceiverOptions(tmp_path / "in", **values), print, print))
        return Peer("us", "TOMOSCRIBE", "127.0.0.1", port)

    yield start
    for one in made:
        one.close()


def test_200_associations_at_once_leave_the_receiver_alive(local, receiving):
    """Case 39: those over the limit are refused, none is served twice, and it goes on."""
    peer = receiving(max_associations=4, network_timeout=2.0)
    silent = [socket.create_connection(("127.0.0.1", peer.port), 5) for _ in range(40)]
    outcomes: list[bool] = []

    def ask() -> None:
        try:
            outcomes.append(echo(local, peer) >= 0)
        except NetworkError:
            outcomes.append(False)

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for one in silent:
        one.close()
    assert len(outcomes) == 200
    end = time.monotonic() + 30
    while not outcomes[-1] and time.monotonic() < end:
        time.sleep(0.2)
        ask()
    assert outcomes[-1]


_AUTHORITY = """
[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
[req]
distinguished_name = asked
[asked]
"""


def _certificate(folder, days):
    """Make a self-signed certificate valid from ``days`` on, for ten days."""

    def openssl(*arguments):
        command = [program("openssl"), *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    (folder / "ca.cnf").write_text(_AUTHORITY.format(folder=folder))
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    begin = datetime.now(UTC) + timedelta(days=days)
    dates = [f"{one:%Y%m%d%H%M%SZ}" for one in (begin, begin + timedelta(days=10))]
    openssl(
        *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-config", "ca.cnf", "-subj", "/CN=made"),
        *("-keyout", "made.key", "-out", "made.csr"),
    )
    openssl(
        *("ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", "made.key", "-notext"),
        *("-in", "made.csr", "-out", "made.pem", "-startdate", dates[0], "-enddate", dates[1]),
    )
    return Tls(folder / "made.pem", folder / "made.pem", folder / "made.key")


@pytest.mark.parametrize(("days", "works"), [(-1, True), (-20, False), (5, False)])
def test_a_certificate_out_of_its_time_is_refused(days, works, local, receiving, tmp_path):
    """Case 40: neither expired ones nor those of the future, and never without encryption."""
    tls = _certificate(tmp_path, days)
    peer = dataclasses.replace(receiving(tls=tls), tls=tls)
    if works:
        assert echo(local, peer) >= 0
        return
    with pytest.raises(NetworkError):
        echo(local, peer)
