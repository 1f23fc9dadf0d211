"""QIDO, WADO and STOW against Orthanc's DICOMweb plugin, over TLS, with logins; hostile answers."""

from __future__ import annotations

import dataclasses
import http.server
import json
import logging
import ssl
import threading
import urllib.parse
import urllib.request
from datetime import date

import pydicom
import pytest

from tests.io.pacs.conftest import PASSWORD, CuttingProxy, same_images
from workstation.core.errors import (
    CancelledError,
    InputError,
    NetworkError,
    PeerRefusedError,
    PeerTimeoutError,
)
from workstation.io.dicomweb import retrieve as retrieving
from workstation.io.dicomweb.peer import WebPeer
from workstation.io.dicomweb.search import search
from workstation.io.dicomweb.send import send
from workstation.io.dicomweb.session import opened
from workstation.io.incomplete import read_mark
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Timeouts
from workstation.io.pacs.query import Query
from workstation.io.pacs.retrieval import SeriesKey

HASTE = Patience(attempts=2, pause=0.05)
QUICK = Timeouts(connect=3.0, answer=3.0, network=3.0)


@pytest.fixture
def peer(web_orthanc, certificates):
    return WebPeer(
        "hall", web_orthanc.url, "basic", "reader", authority=certificates / "ours.pem",
        timeouts=QUICK,
    )  # fmt: skip


@pytest.fixture
def session(peer, never):
    with opened(peer, PASSWORD, never) as session:
        yield session


def key_of(study) -> SeriesKey:
    return SeriesKey(study.uid, next(iter(study.series)))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(), {"chest", "prior", "latin", "kanji"}),
        (Query(patient_name="Canary*"), {"chest", "prior"}),
        (Query(patient_name="M*rg"), {"latin"}),
        (Query(patient_id="P3"), {"kanji"}),
        (Query(accession_number="ACC2"), {"prior"}),
        (Query(date_from=date(2024, 1, 1), date_to=date(2024, 12, 31)), {"chest"}),
        (Query(description="*contrast*"), {"chest"}),
        (Query(modality="CT", patient_id="P1"), {"chest", "prior"}),
        (Query(modality="MR"), set()),
    ],
)
def test_studies_are_found(session, studies, query, expected):
    found = search(session, query)
    assert {one.study_uid for one in found.answers} == {studies[one].uid for one in expected}
    assert not found.limited


def test_what_a_study_says(session, studies):
    (one,) = search(session, Query(study_uid=studies["kanji"].uid)).answers
    assert one.patient_name == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    (one,) = search(session, Query(accession_number="ACC1")).answers
    assert (one.patient_id, one.birth_date, one.study_date) == ("P1", "19500102", "20240110")
    assert (one.modality, one.description) == ("CT", "Chest with contrast")
    assert (one.series_count, one.instance_count) == (1, 30)
    series = search(session, Query("series", study_uid=studies["prior"].uid)).answers
    assert {one.series_uid: one.instance_count for one in series} == studies["prior"].series
    key = key_of(studies["prior"])
    query = Query("image", study_uid=key.study_uid, series_uid=key.series_uid)
    images = search(session, query).answers
    assert {one.sop_uid for one in images} < set(studies["prior"].files)
    assert len(images) == 3


def test_more_than_were_asked_for_is_told(session):
    found = search(session, Query(), limit=2)
    assert len(found.answers) == 2
    assert found.limited


def test_every_slice_comes_bit_equal(session, studies, tmp_path):
    told = []
    (one,) = retrieving.retrieve(session, [key_of(studies["chest"])], tmp_path, told=told.append)
    assert one.complete
    assert (one.reported, len(one.arrived)) == (30, 30)
    assert sorted(progress.arrived for progress in told) == list(range(1, 31))
    same_images(one.arrived, studies["chest"])
    assert read_mark(one.folder) is None
    assert not list(tmp_path.glob(".incoming*"))


def test_a_dropped_link_is_resumed_and_one_that_stays_down_leaves_a_mark(
    peer, studies, tmp_path, never
):
    port = int(peer.url.split(":")[2].split("/")[0])
    key = key_of(studies["chest"])
    proxy = CuttingProxy(port, 150_000, cuts=2)
    url = peer.url.replace(str(port), str(proxy.port))
    cut = dataclasses.replace(peer, url=url, connections=1)
    with opened(cut, PASSWORD, never) as session:
        (one,) = retrieving.retrieve(session, [key], tmp_path / "a", patience=HASTE)
    assert one.complete, one.fault
    with opened(cut, PASSWORD, never) as session:
        (one,) = retrieving.retrieve(
            session, [key], tmp_path / "b", patience=HASTE, told=lambda _: proxy.break_for_good()
        )
    proxy.close()
    assert not one.complete
    assert one.fault
    assert 0 < len(one.arrived) < 30
    assert read_mark(one.folder).arrived == len(one.arrived)
    with opened(peer, PASSWORD, never) as session:
        (one,) = retrieving.retrieve(session, [key], tmp_path / "b")
    assert one.complete
    assert read_mark(one.folder) is None
    same_images(one.arrived, studies["chest"])


def test_cancelled_in_the_middle(peer, studies, tmp_path):
    cancelled = threading.Event()

    def told(progress):
        if progress.arrived == 5:
            cancelled.set()

    with opened(peer, PASSWORD, cancelled) as session, pytest.raises(CancelledError):
        retrieving.retrieve(session, [key_of(studies["chest"])], tmp_path, told=told)
    here = list(tmp_path.rglob("*.dcm"))
    assert 5 <= len(here) < 30
    assert read_mark(here[0].parent).arrived == len(here)


def test_stow_and_back(peer, empty_orthanc, studies, tmp_path, never):
    peer = dataclasses.replace(peer, url=empty_orthanc.url)
    source = pydicom.dcmread(next(iter(studies["prior"].files.values())))
    paths = []
    for number in range(3):
        source.StudyInstanceUID, source.SeriesInstanceUID = "1.2.826.77", "1.2.826.77.1"
        source.PatientID = "SENT"
        uid = f"1.2.826.77.1.{number + 1}"
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = uid
        paths.append(tmp_path / f"{number}.dcm")
        source.save_as(paths[-1])
    (tmp_path / "text.txt").write_text("no image")
    with opened(peer, PASSWORD, never) as session:
        sent = send(session, [*paths, tmp_path / "text.txt"])
        assert (len(sent.taken), len(sent.refused)) == (3, 1)
        keys = retrieving.series_of(session, "1.2.826.77")
        (one,) = retrieving.retrieve(session, keys, tmp_path / "back")
    assert one.complete
    for path in one.arrived:
        got = pydicom.dcmread(path)
        assert got == pydicom.dcmread(paths[int(got.SOPInstanceUID.split(".")[-1]) - 1])


def test_an_interrupted_sending_goes_on(peer, studies, tmp_path, never):
    paths = list(studies["chest"].files.values())
    cancelled = threading.Event()
    with opened(peer, PASSWORD, cancelled) as session, pytest.raises(CancelledError):
        send(
            session, paths, ledger=Ledger(tmp_path, peer.url, paths),
            told=lambda done, _: done == 7 and cancelled.set(),
        )  # fmt: skip
    with opened(peer, PASSWORD, never) as session:
        sent = send(session, paths, ledger=Ledger(tmp_path, peer.url, paths))
    assert (len(sent.earlier), len(sent.taken)) == (7, 23)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "secret", "kind", "told"),
    [
        ({}, "wrong", PeerRefusedError, "does not accept the login"),
        ({"authority": None}, PASSWORD, PeerRefusedError, "certificate is not one"),
        ({"timeouts": QUICK, "url": "https://127.0.0.1:1/x"}, PASSWORD, NetworkError, "no conn"),
        ({"url": "https://no-such-host.invalid/x"}, PASSWORD, NetworkError, "no connection"),
    ],
)
def test_what_does_not_fit_is_told(peer, never, change, secret, kind, told):
    with (
        opened(dataclasses.replace(peer, **change), secret, never) as session,
        pytest.raises(kind, match=told) as caught,
    ):
        search(session, Query(patient_name="Canary*"))
    assert "Canary" not in caught.value.message + caught.value.details
    assert PASSWORD not in caught.value.message + caught.value.details


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_another_certificate_than_ours_is_refused_until_verification_is_off(
    peer, certificates, never
):
    other = dataclasses.replace(peer, authority=certificates / "stranger.pem")
    with opened(other, PASSWORD, never) as session, pytest.raises(PeerRefusedError):
        search(session, Query())
    off = dataclasses.replace(peer, authority=None, verify=False)
    with opened(off, PASSWORD, never) as session:
        assert search(session, Query()).answers


@pytest.mark.parametrize(
    "values",
    [
        {"url": "ftp://host/x"},
        {"url": "https://"},
        {"url": "https://reader:secret@host/x"},
        {"url": "http://10.0.0.1/x", "login": "token"},
        {"url": "https://host/x", "login": "basic"},
    ],
)
def test_unsafe_addresses_are_refused(values):
    with pytest.raises(InputError):
        WebPeer("hall", **values)


def test_a_login_is_needed(peer, never):
    with pytest.raises(InputError, match="no password is known"), opened(peer, "", never):
        pass


def test_no_name_and_no_secret_reaches_a_log(session, studies, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("the log works")
    assert search(session, Query(patient_name="Canary*")).answers
    retrieving.retrieve(session, [key_of(studies["prior"])], tmp_path)
    send(session, list(studies["prior"].files.values()))
    written = caplog.text + "".join(capfd.readouterr())
    assert "the log works" in written
    for word in ("Canary", "P1", PASSWORD, "cmVhZGVy"):
        assert word not in written


class Service(http.server.BaseHTTPRequestHandler):
    """A service of the test's own: it forwards with a token, or answers what it should not."""

    protocol_version = "HTTP/1.1"
    answer = None
    upstream = None

    def do_GET(self):
        if self.upstream is not None:
            self._forward()
            return
        status, headers, body = self.answer(self.path)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _forward(self):
        url, context = self.upstream
        if self.headers["Authorization"] != "Bearer token-canary":
            self.send_error(401)
            return
        import base64

        login = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(
            url + self.path,
            headers={"Accept": self.headers["Accept"], "Authorization": f"Basic {login}"},
        )
        with urllib.request.urlopen(request, context=context) as got:
            body = got.read()
            self.send_response(200)
            self.send_header("Content-Type", got.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    made = []

    def serve(**attributes):
        handler = type("Own", (Service,), attributes)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in made:
        server.shutdown()
        server.server_close()


def test_a_token_in_front_of_orthanc(serve, web_orthanc, certificates, studies, tmp_path, never):
    context = ssl.create_default_context(cafile=certificates / "ours.pem")
    url = serve(upstream=(web_orthanc.url, context))
    peer = WebPeer("gate", url, "token", timeouts=QUICK)
    with opened(peer, "token-canary", never) as session:
        (one,) = retrieving.retrieve(session, [key_of(studies["prior"])], tmp_path)
    assert one.complete
    with opened(peer, "other", never) as session, pytest.raises(PeerRefusedError, match="login"):
        search(session, Query())


def answers(status=200, body=b"[]", kind="application/dicom+json", **headers):
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _self, _path: (status, {"Content-Type": kind, **more}, body)


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (answers(body=b"<html>"), PeerRefusedError, "cannot be understood"),
        (answers(body=b"[" * 200_000), PeerRefusedError, "cannot be understood"),
        (answers(body=b'[{"0020000D": 5}, 7]'), PeerRefusedError, "cannot be understood"),
        (answers(body=b"<a/>", kind="text/xml"), PeerRefusedError, "in XML"),
        (answers(302, Location="https://elsewhere.example/"), PeerRefusedError, "another address"),
        (answers(404), PeerRefusedError, "no such study"),
        (answers(500), NetworkError, "HTTP 500"),
        (answers(503), NetworkError, "HTTP 503"),
        (answers(body=b"[]", Content_Length="50"), NetworkError, "broke off"),
        (answers(body=b" " * (65 * 2**20)), PeerRefusedError, "more than 64 MiB"),
    ],
)
def test_answers_that_cannot_be(serve, never, answer, kind, told):
    peer = WebPeer("hall", serve(answer=answer), timeouts=Timeouts(network=1.0, connect=1.0))
    with opened(peer, "", never) as session, pytest.raises(kind, match=told):
        search(session, Query(patient_name="Canary*"))


def test_words_arrive_as_they_were_typed(serve, never):
    asked = []

    def answer(_self, path):
        asked.append(urllib.parse.parse_qs(path.partition("?")[2]))
        return answers()(None, path)

    peer = WebPeer("hall", serve(answer=answer))
    query = Query(patient_name="Müller^J?rg*", description="a+b & c=d %2A", patient_id="山/1")
    with opened(peer, "", never) as session:
        assert search(session, query).answers == ()
    assert asked[0]["PatientName"] == ["Müller^J?rg*"]
    assert asked[0]["StudyDescription"] == ["a+b & c=d %2A"]
    assert asked[0]["PatientID"] == ["山/1"]


def test_silence_ends(serve, never):
    peer = WebPeer("hall", serve(answer=lambda *_: never.wait(5)), timeouts=Timeouts(network=0.3))
    with opened(peer, "", never) as session, pytest.raises(PeerTimeoutError):
        search(session, Query())


def multipart(part: bytes):
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n--x--\r\n"
    return body, 'multipart/related; type="application/dicom"; boundary=x'


@pytest.mark.parametrize("evil", ["../../../evil", "/etc/evil", "1.2.3", "", "a\x00b"])
def test_images_that_were_not_asked_for_are_stored_nowhere(serve, studies, tmp_path, never, evil):
    """A service that lists an honest image and sends another, or one with a path for a name."""
    path = next(iter(studies["prior"].files.values()))
    dataset = pydicom.dcmread(path)
    uid = str(dataset.SOPInstanceUID)
    key = SeriesKey(str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = evil
    from io import BytesIO

    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset)
    body, kind = multipart(buffer.getvalue())
    listed = json.dumps([{
        "00080018": {"vr": "UI", "Value": [uid]}, "0020000D": {"Value": [key.study_uid]},
    }]).encode()  # fmt: skip

    def answer(_self, path):
        if "?" in path:
            return 200, {"Content-Type": "application/dicom+json"}, listed
        return 200, {"Content-Type": kind}, body

    peer = WebPeer("hall", serve(answer=answer), timeouts=QUICK)
    with opened(peer, "", never) as session:
        (one,) = retrieving.retrieve(session, [key], tmp_path / "in", patience=HASTE)
    assert not one.complete
    assert one.arrived == ()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [one.folder / ".incomplete"]


@pytest.mark.parametrize("uid", ["../../x", "1.2/../3", "1.2?x=1"])
def test_identifiers_that_are_paths_are_not_asked_for(session, uid, tmp_path):
    with pytest.raises(PeerRefusedError):
        retrieving.retrieve(session, [SeriesKey("1.2.3", uid)], tmp_path)


def test_too_large_an_image_is_refused(peer, studies, tmp_path, never):
    small = dataclasses.replace(peer, max_bytes=10_000)
    with opened(small, PASSWORD, never) as session:
        (one,) = retrieving.retrieve(session, [key_of(studies["prior"])], tmp_path, patience=HASTE)
    assert one.arrived == ()
    assert "MiB at once" in one.missing[0].reason


def test_what_a_service_takes_only_in_part_is_told_by_file_and_sent_once(
    serve, studies, tmp_path, never
):
    """Of three images it refuses one for good, and is too busy for another at first."""
    paths = list(studies["prior"].files.values())[:3]
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in paths]
    asked = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        (uid,) = [one for one in uids if one.encode() in body]
        asked.append(uid)
        status, answer = 200, {}
        if uid == uids[1]:  # "refused, out of resources" of this instance, in an answer of its own
            item = {"00081155": {"vr": "UI", "Value": [uid]},
                    "00081197": {"vr": "US", "Value": [0xA700]}}  # fmt: skip
            status, answer = 202, {"00081198": {"vr": "SQ", "Value": [item]}}
        if uid == uids[2] and asked.count(uid) == 1:
            status = 503
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    peer = WebPeer("busy", serve(do_POST=do_POST), timeouts=QUICK)
    with opened(peer, "", never) as session:
        sent = send(
            session, paths, ledger=Ledger(tmp_path, peer.url, paths),
            patience=Patience(attempts=3, pause=0.05),
        )  # fmt: skip
    assert [path.name for path in sent.taken] == [paths[0].name, paths[2].name]
    assert [(one.path, one.reason) for one in sent.refused] == [(paths[1], "status A700")]
    assert [asked.count(uid) for uid in uids] == [1, 1, 2]
    assert asked.count(uids[0]) == 1, "what was taken is not sent again"
