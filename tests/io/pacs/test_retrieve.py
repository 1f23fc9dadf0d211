"""C-GET, C-MOVE and C-STORE against Orthanc and dcmqrscp, over links that break."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import threading

import pydicom
import pytest

from tests.io.pacs.conftest import CuttingProxy, free_port, program, same_images
from workstation.core.errors import CancelledError, InputError, NetworkError
from workstation.io.pacs import retrieve as module
from workstation.io.pacs.find import Query, find
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.priors import retrieve_priors
from workstation.io.pacs.receiver import Receiver, ReceiverOptions
from workstation.io.pacs.retrieval import SeriesKey
from workstation.io.pacs.retrieve import retrieve, series_of
from workstation.io.pacs.send import send
from workstation.io.pacs.source import DimseSource

HASTE = Patience(attempts=2, pause=0.05)


def key_of(study) -> SeriesKey:
    return SeriesKey(study.uid, next(iter(study.series)))


@pytest.fixture
def asked(monkeypatch):
    """Which instances were asked for, request by request."""
    requests = []

    def get(local, peer, basket, cancelled):
        requests.append(basket.part.sop_uids)
        return real(local, peer, basket, cancelled)

    real = module.get
    monkeypatch.setattr(module, "get", get)
    return requests


@pytest.mark.parametrize("associations", [1, 4])
def test_get_brings_every_slice_bit_equal(local, pacs, studies, tmp_path, never, associations):
    peer = dataclasses.replace(pacs.peer, associations=associations)
    told = []
    (one,) = retrieve(local, peer, [key_of(studies["chest"])], tmp_path, never, told=told.append)
    assert one.complete
    assert (one.reported, len(one.arrived), one.missing, one.fault) == (30, 30, (), "")
    assert sorted(progress.arrived for progress in told) == list(range(1, 31))
    same_images(one.arrived, studies["chest"])
    assert not list(tmp_path.glob(".incoming*"))


def test_move_brings_every_slice_bit_equal(local, pacs, studies, tmp_path, never, receive_port):
    peer = dataclasses.replace(pacs.peer, retrieve="move", associations=2)
    allowed = (("ORTHANC", ""), ("QR", "127.0.0.1"))
    options = ReceiverOptions(tmp_path / "in", port=receive_port, allowed=allowed)
    with pytest.raises(InputError, match="needs a receiver"):
        retrieve(local, peer, [key_of(studies["chest"])], tmp_path, never)
    with Receiver(options) as receiver:
        (one,) = retrieve(
            local, peer, [key_of(studies["chest"])], tmp_path / "out", never, receiver=receiver
        )
    assert one.complete, one.fault
    assert len(one.arrived) == 30
    same_images(one.arrived, studies["chest"])


def test_a_dropped_link_is_resumed_with_what_is_missing(
    local, pacs, studies, tmp_path, never, asked
):
    proxy = CuttingProxy(pacs.peer.port, 400_000, cuts=1)
    peer = dataclasses.replace(pacs.peer, port=proxy.port, associations=1)
    (one,) = retrieve(local, peer, [key_of(studies["chest"])], tmp_path, never, patience=HASTE)
    proxy.close()
    assert one.complete
    assert len(asked) == 2
    assert len(asked[0]) == 30
    assert 10 < len(asked[1]) < 25
    assert set(asked[1]) < set(asked[0])
    same_images(one.arrived, studies["chest"])


def test_a_link_that_stays_down_leaves_a_part_that_a_later_call_completes(
    local, orthanc, studies, tmp_path, never, asked
):
    proxy = CuttingProxy(orthanc.peer.port, 30_000, cuts=1000)
    peer = dataclasses.replace(orthanc.peer, port=proxy.port, associations=1)
    key = key_of(studies["chest"])
    (one,) = retrieve(local, peer, [key], tmp_path, never, patience=HASTE)
    proxy.close()
    assert not one.complete
    assert len(one.missing) == 30 - len(one.arrived) > 0
    assert "broke off" in one.fault
    asked.clear()
    (one,) = retrieve(local, orthanc.peer, [key], tmp_path, never)
    assert one.complete
    asked.clear()
    (one,) = retrieve(local, orthanc.peer, [key], tmp_path, never)
    assert one.complete
    assert asked == []


def test_failed_suboperations_make_it_incomplete(local, own_dcmqrscp, studies, tmp_path, never):
    stored = sorted((own_dcmqrscp.folder / "QR").glob("*CT*"))
    lost = pydicom.dcmread(stored[3], stop_before_pixels=True).SOPInstanceUID
    stored[3].unlink()
    (one,) = retrieve(
        local, own_dcmqrscp.peer, [key_of(studies["chest"])], tmp_path, never, patience=HASTE
    )
    assert not one.complete
    assert (one.reported, len(one.arrived)) == (30, 29)
    assert [failed.sop_uid for failed in one.missing] == [lost]


def test_cancelled_in_the_middle_and_gone_on(local, pacs, studies, tmp_path, never, asked):
    cancelled = threading.Event()
    peer = dataclasses.replace(pacs.peer, associations=1)
    key = key_of(studies["chest"])

    def told(progress):
        if progress.arrived == 5:
            cancelled.set()

    with pytest.raises(CancelledError):
        retrieve(local, peer, [key], tmp_path, cancelled, told=told)
    here = len(list(tmp_path.rglob("*.dcm")))
    assert here >= 5
    asked.clear()
    (one,) = retrieve(local, peer, [key], tmp_path, never)
    assert one.complete
    assert sum(map(len, asked)) == 30 - here


def test_priors_in_parallel(local, pacs, studies, tmp_path, never):
    prior, chest = studies["prior"], studies["chest"]
    source = DimseSource(local, pacs.peer)
    got = retrieve_priors(source, "P1", tmp_path, never, current=chest.uid)
    assert {one.key for one in got} == {SeriesKey(prior.uid, uid) for uid in prior.series}
    assert all(one.complete for one in got)
    same_images([path for one in got for path in one.arrived], prior)


def test_an_unknown_study_has_no_series(local, pacs, never):
    assert series_of(local, pacs.peer, "1.2.3.4", never) == ()


def test_sending_to_storescp(local, studies, tmp_path, never):
    from workstation.io.pacs.find import echo
    from workstation.io.pacs.peer import Peer

    peer = Peer("storescp", "STORE", "127.0.0.1", free_port())
    process = subprocess.Popen(
        [program("storescp"), "-aet", "STORE", "-od", str(tmp_path), str(peer.port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            try:
                echo(local, peer)
                break
            except NetworkError:
                never.wait(0.05)
        broken = tmp_path / "broken.txt"
        broken.write_text("no image")
        study = studies["prior"]
        sent = send(local, peer, [*study.files.values(), broken], never)
    finally:
        process.kill()
        process.wait()
    assert len(sent.taken) == 5
    assert [one.path for one in sent.refused] == [broken]
    same_images(tmp_path.glob("CT.*"), study)


def test_no_name_reaches_a_log(local, pacs, studies, tmp_path, never, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("the log works")
    assert find(local, pacs.peer, Query(patient_name="Canary*")).answers
    retrieve(local, pacs.peer, [key_of(studies["prior"])], tmp_path, never)
    send(local, pacs.peer, list(studies["prior"].files.values()), never)
    written = caplog.text + "".join(capfd.readouterr())
    assert "the log works" in written
    assert "Canary" not in written
    assert "P1" not in written
