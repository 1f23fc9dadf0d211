"""C-ECHO and C-FIND against Orthanc and dcmqrscp."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from datetime import date

import pytest

from tests.io.pacs.conftest import free_port
from workstation.core.errors import (
    CancelledError,
    InputError,
    NetworkError,
    PeerRefusedError,
    PeerTimeoutError,
)
from workstation.io.pacs.find import echo, find
from workstation.io.pacs.peer import Local, Peer, Timeouts
from workstation.io.pacs.priors import find_priors
from workstation.io.pacs.query import Query, identifier, read_answer
from workstation.io.pacs.source import DimseSource


def test_echo(local, pacs):
    assert 0 < echo(local, pacs.peer) < 20


def test_a_wrong_called_title_is_refused(local, orthanc):
    with pytest.raises(PeerRefusedError, match="AE title is not WRONG"):
        echo(local, dataclasses.replace(orthanc.peer, ae_title="WRONG"))


def test_nobody_listens(local):
    with pytest.raises(NetworkError, match="Nobody listens"):
        echo(local, Peer("none", "NONE", "127.0.0.1", free_port()))


def test_an_unknown_host(local):
    with pytest.raises(NetworkError, match="host is unknown"):
        echo(local, Peer("none", "NONE", "no-such-host.invalid", 104))


@pytest.mark.parametrize("stutter", [b"", b"\x02\x00\x00"])
def test_a_peer_that_accepts_and_never_answers(stutter):
    waits = Timeouts(connect=1.0, associate=0.5, answer=0.5, network=0.7)
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def hold():
            connection, _ = server.accept()
            connection.sendall(stutter)
            held.append(connection)

        threading.Thread(target=hold, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(NetworkError) as caught:
            echo(Local("US", waits), Peer("mute", "MUTE", "127.0.0.1", server.getsockname()[1]))
        assert time.monotonic() - began < 5
        assert stutter or isinstance(caught.value, PeerTimeoutError)
        for one in held:
            one.close()


def test_a_peer_that_claims_a_huge_pdu():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def claim():
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(b"\x02\x00\xff\xff\xff\xf0" + b"x" * 1000)
            connection.recv(65536)

        threading.Thread(target=claim, daemon=True).start()
        with pytest.raises(NetworkError):
            echo(
                Local("US", Timeouts(associate=3.0)),
                Peer("huge", "HUGE", "127.0.0.1", server.getsockname()[1]),
            )


ALL = {"chest", "prior", "latin", "kanji"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ALL),
        ({"patient_id": "P2"}, {"latin"}),
        ({"patient_name": "CANARY^YELLOW"}, {"chest", "prior"}),
        ({"patient_name": "Can*"}, {"chest", "prior"}),
        ({"birth_date": "1960-02-03"}, {"latin"}),
        ({"accession_number": "ACC1"}, {"chest"}),
        ({"date_from": date(2024, 1, 1), "date_to": date(2025, 3, 31)}, {"chest", "latin"}),
        ({"date_from": date(2025, 3, 10)}, {"latin", "kanji"}),
        ({"date_to": date(2023, 1, 1)}, {"prior"}),
        ({"date_from": date(2024, 1, 10), "date_to": date(2024, 1, 10)}, {"chest"}),
        ({"modality": "CT"}, ALL),
        ({"modality": "MR"}, set()),
        ({"description": "Chest*"}, {"chest", "prior"}),
        ({"referring_physician": "Other*"}, {"latin", "kanji"}),
        ({"patient_name": "Müller*"}, {"latin"}),
        ({"patient_name": "*山田*"}, {"kanji"}),
    ],
)
def test_each_field(local, orthanc, studies, values, expected):
    found = find(local, orthanc.peer, Query(**values))
    named = {study.uid: name for name, study in studies.items()}
    assert {named[one.study_uid] for one in found.answers} == expected


def test_answers_are_read_in_their_character_set(local, pacs):
    names = {one.patient_id: one.patient_name for one in find(local, pacs.peer, Query()).answers}
    assert names["P2"] == "Müller^Jörg"
    assert names["P3"] == "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_japanese_escapes_are_read():
    raw = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    dataset = identifier(
        {"StudyInstanceUID": "1.2", "SpecificCharacterSet": ["", "ISO 2022 IR 87"]}
    )
    dataset.PatientName = raw
    dataset[0x00100010]._value = raw
    assert "山田^太郎" in read_answer(dataset).patient_name


def test_series_and_images(local, pacs, studies):
    prior = studies["prior"]
    series = find(local, pacs.peer, Query("series", study_uid=prior.uid)).answers
    assert {one.series_uid for one in series} == set(prior.series)
    assert all(one.modality == "CT" for one in series)
    key = series[0].series_uid
    images = find(local, pacs.peer, Query("image", study_uid=prior.uid, series_uid=key)).answers
    assert len(images) == prior.series[key]
    assert {one.sop_uid for one in images} <= set(prior.files)


def test_the_limit_on_answers(local, pacs):
    found = find(local, pacs.peer, Query(), limit=2)
    assert (len(found.answers), found.limited) == (2, True)
    assert not find(local, pacs.peer, Query(), limit=4).limited


def test_cancelled_while_answers_come(local, pacs):
    cancelled = threading.Event()
    with pytest.raises(CancelledError):
        find(local, pacs.peer, Query(), cancelled, told=lambda _: cancelled.set())


def test_what_cannot_be_asked(local, orthanc):
    with pytest.raises(InputError, match="study by its UID"):
        Query("series")
    with pytest.raises(InputError, match="backslash"):
        Query(patient_id="P1\\P2")
    with pytest.raises(InputError, match="ISO_IR 100"):
        find(
            local, dataclasses.replace(orthanc.peer, charset="ISO_IR 100"), Query(patient_name="山")
        )
    with pytest.raises(InputError, match="AE title"):
        Peer("x", "A" * 17, "localhost", 104)


def test_priors_are_of_the_same_patient_and_newest_first(local, pacs, studies, never):
    current = studies["chest"].uid
    source = DimseSource(local, pacs.peer)
    found = find_priors(source, "P1", never, current=current)
    assert [one.study_uid for one in found] == [studies["prior"].uid]
    both = find_priors(source, "P1", never)
    assert [one.study_uid for one in both] == [current, studies["prior"].uid]
    with pytest.raises(InputError):
        find_priors(source, "P*", never)
