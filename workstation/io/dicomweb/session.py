"""One HTTP session with a DICOMweb service: limits, no redirects, faults as sentences."""

from __future__ import annotations

import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from threading import Event
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient
from requests.adapters import HTTPAdapter
from urllib3 import disable_warnings
from urllib3.exceptions import InsecureRequestWarning

from workstation.core.errors import (
    CancelledError,
    InputError,
    NetworkError,
    PeerRefusedError,
    PeerTimeoutError,
)
from workstation.io.dicomweb.dropping import Sockets, dropping
from workstation.io.dicomweb.peer import MAX_ANSWER, WebPeer
from workstation.io.header import DAMAGE
from workstation.io.pacs import quiet

__all__ = ["Session", "opened", "quiet"]

# Who switched verification off is told so in a sentence of ours.
disable_warnings(InsecureRequestWarning)

_CHUNK = 256 * 1024
_JSON = "application/dicom+json"
_META_BYTES = 4096
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_REFUSED = {
    401: "it does not accept the login",
    403: "the login may not do that",
    404: "it has no such study, or its address is not that of a DICOMweb service",
    406: "it cannot send images as they are stored",
    413: "the image is too large for it",
    415: "it does not take such images",
    501: "it does not offer that",
}
_FAULTS: tuple[tuple[tuple[type[Exception], ...], type[NetworkError], str], ...] = (
    (
        (requests.exceptions.InvalidJSONError, requests.exceptions.ContentDecodingError),
        PeerRefusedError,
        "The peer {} answers what cannot be understood.",
    ),
    ((requests.exceptions.Timeout,), PeerTimeoutError, "The peer {} does not answer."),
    (
        (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader,
        ),
        PeerRefusedError,
        "The address or login of {} cannot be used.",
    ),
    (
        (requests.exceptions.ChunkedEncodingError,),
        NetworkError,
        "The connection to the peer {} broke off.",
    ),
)
_UNREADABLE = (*DAMAGE, TypeError, ValueError, RecursionError, MemoryError, JSONDecodeError)


@dataclass(frozen=True)
class Session:
    """The library's client, the peer behind it, and what ends waiting."""

    peer: WebPeer
    client: DICOMwebClient
    cancelled: Event

    @contextmanager
    def asking(self) -> Iterator[DICOMwebClient]:
        """Turn what goes wrong in one question into a sentence without any of its words.

        Raises
        ------
        CancelledError
            Where ``cancelled`` was set.
        NetworkError
            PeerRefusedError where asking again does not help, PeerTimeoutError for silence.
        """
        try:
            yield self.client
        except requests.exceptions.RequestException as error:
            if self.cancelled.is_set():
                raise CancelledError("Cancelled.") from None
            raise _told(self.peer, error) from None  # its text holds the address asked, with names
        except _UNREADABLE as error:
            raise PeerRefusedError(
                f"The peer {self.peer.shown} answers what cannot be understood.",
                type(error).__name__,
            ) from None


@contextmanager
def opened(peer: WebPeer, secret: str, cancelled: Event) -> Iterator[Session]:
    """Open a session; closed at the end.

    Raises
    ------
    InputError
        Where a certificate file is missing, or a secret is needed.
    """
    for file in (peer.authority, peer.certificate, peer.key):
        if file is not None and not file.is_file():
            raise InputError(f"The certificate file {file} does not exist.")
    if peer.login != "none" and not secret:
        raise InputError(f"The peer '{peer.name}' needs a login, and no password is known.")
    with requests.Session() as http, dropping(cancelled) as sockets:
        _dress(http, peer, secret, sockets)
        limits = _Limits(peer, cancelled)
        client = DICOMwebClient(
            peer.url.rstrip("/"),
            http,
            headers={"Accept": _JSON},
            callback=limits.read,
            timeout=(peer.timeouts.connect, peer.timeouts.network),
        )
        client.set_http_retry_params(retry=False)
        yield Session(peer, client, cancelled)


def _dress(http: Any, peer: WebPeer, secret: str, sockets: Sockets) -> None:  # noqa: ANN401 - requests has no types
    http.trust_env = False  # no proxy, no certificate and no login that the settings do not name
    http.verify = str(peer.authority) if peer.verify and peer.authority else peer.verify
    if peer.certificate is not None:
        http.cert = (str(peer.certificate), str(peer.key)) if peer.key else str(peer.certificate)
    adapter = HTTPAdapter(pool_maxsize=peer.connections, max_retries=0)
    sockets.watch(adapter)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    http.auth = _Dress(_authorization(peer, secret))


def _authorization(peer: WebPeer, secret: str) -> str:
    if peer.login == "basic":
        return "Basic " + b64encode(f"{peer.user}:{secret}".encode()).decode()
    return f"Bearer {secret}" if peer.login == "token" else ""


class _Dress:
    """Puts the login on every request; its text is never shown.

    Wildcards and blanks of a question are written so that every server reads them: some do not
    know that ``+`` is a blank, and Orthanc 1.10 takes ``%2A`` for three letters.
    """

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - requests has no types
        if self._authorization:
            request.headers["Authorization"] = self._authorization
        path, mark, question = request.url.partition("?")
        for written, plain in (("+", "%20"), ("%2A", "*"), ("%3F", "?")):
            question = question.replace(written, plain)
        request.url = f"{path}{mark}{question}"
        return request


class _Limits:
    """Reads every answer itself: not too long, not too slow, and only until cancelled."""

    def __init__(self, peer: WebPeer, cancelled: Event) -> None:
        self._peer, self._cancelled = peer, cancelled

    def read(self, response: Any, **_: object) -> Any:  # noqa: ANN401 - requests has no types
        """Take the answer in."""
        if response.is_redirect:
            raise PeerRefusedError(
                f"The peer {self._peer.shown} points to another address; enter that one."
            )
        kind = response.headers.get("Content-Type", "").lower()
        if "xml" in kind and response.ok:
            raise PeerRefusedError(f"The peer {self._peer.shown} answers in XML, not in JSON.")
        binary = "application/dicom" in kind and "json" not in kind
        content = self._content(response, self._peer.max_bytes if binary else MAX_ANSWER)
        if binary and _DEFLATED in content[:_META_BYTES]:
            # A few bytes of this syntax can grow to gigabytes.
            raise PeerRefusedError(f"The peer {self._peer.shown} sends deflated images.")
        response._content = content
        return response

    def _content(self, response: Any, most: int) -> bytes:  # noqa: ANN401 - requests has no types
        until = time.monotonic() + 10 * self._peer.timeouts.answer
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if self._cancelled.is_set():
                response.close()
                raise CancelledError("Cancelled.")
            if len(content) > most:
                response.close()
                raise PeerRefusedError(
                    f"The peer {self._peer.shown} sends more than {most // 2**20} MiB at once."
                )
            if time.monotonic() > until:
                response.close()
                raise PeerTimeoutError(f"The peer {self._peer.shown} sends too slowly.")
        return bytes(content)


def _told(peer: WebPeer, error: Any) -> NetworkError:  # noqa: ANN401 - requests has no types
    kinds = requests.exceptions
    if isinstance(error, kinds.HTTPError) and error.response is not None:
        return _status(peer, int(error.response.status_code))
    if isinstance(error, kinds.SSLError) or _has_cause(error, ssl.SSLError):
        return PeerRefusedError(
            f"No encrypted connection with the peer {peer.shown}: its certificate is not one "
            "that the program trusts, or it does not encrypt.",
            type(error).__name__,
        )
    kind, text = next(
        ((kind, text) for causes, kind, text in _FAULTS if isinstance(error, causes)),
        (NetworkError, "There is no connection to the peer {}, or it broke off."),
    )
    return kind(text.format(peer.shown), type(error).__name__)


def _status(peer: WebPeer, status: int) -> NetworkError:
    why = _REFUSED.get(status, "")
    if why:
        return PeerRefusedError(f"The peer {peer.shown} refuses: {why}.", f"HTTP {status}")
    kind = PeerRefusedError if 400 <= status < 500 and status not in {408, 429} else NetworkError
    return kind(f"The peer {peer.shown} could not do it (HTTP {status}).")


def _has_cause(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether an error of this kind is behind another; the libraries wrap them."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return False
        if isinstance(seen, kind):
            return True
        inner = [one for one in seen.args if isinstance(one, BaseException)]
        reason = getattr(seen, "reason", None)
        seen = seen.__cause__ or seen.__context__ or next(iter(inner), None) or (
            reason if isinstance(reason, BaseException) else None
        )  # fmt: skip
    return False
