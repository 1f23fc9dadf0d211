"""A hub on this machine, with the faults of a network."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest


class LoopbackHub(ThreadingHTTPServer):
    """A hub on this machine: what huggingface_hub asks for, and the faults of a network.

    Attributes
    ----------
    repositories : dict
        Name of a repository, and the files in it.
    breaks : dict
        Name of a file, and after how many bytes the next answers about it break off.
    stated : dict
        Name of a file, and a checksum to state instead of the right one.
    asked : list
        (file, first byte) of every download.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.breaks: dict[str, list[int]] = {}
        self.stated: dict[str, str] = {}
        self.asked: list[tuple[str, int]] = []
        self.commit = "0123456789abcdef0123456789abcdef01234567"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def publish(self, name: str, folder: Path) -> None:
        self.repositories[name] = {path.name: path.read_bytes() for path in folder.iterdir()}

    def listing(self, name: str) -> dict[str, Any]:
        siblings = []
        for file, content in self.repositories[name].items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": blob}
            if file.endswith((".safetensors", ".bin")):
                sha256 = self.stated.get(file, hashlib.sha256(content).hexdigest())
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        return {"id": name, "sha": self.commit, "siblings": siblings}


class _Answers(BaseHTTPRequestHandler):
    server: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.strip("/")
        if path.startswith("api/models/"):
            self._listing("/".join(path.split("/")[2:4]))
            return
        owner, name, _, commit, file = path.split("/", 4)
        content = self.server.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None or commit != self.server.commit:
            self._refuse("EntryNotFound")
        else:
            self._file(file, content)

    def _listing(self, name: str) -> None:
        if name not in self.server.repositories:
            self._refuse("RepoNotFound")
            return
        body = json.dumps(self.server.listing(name)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self, file: str, content: bytes) -> None:
        wanted = self.headers.get("Range", "bytes=0-")
        first = int(wanted.removeprefix("bytes=").split("-")[0])
        self.server.asked.append((file, first))
        self.send_response(206 if first else 200)
        self.send_header("X-Repo-Commit", self.server.commit)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        rest = content[first:]
        if self.server.breaks.get(file):
            self.wfile.write(rest[: self.server.breaks[file].pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(rest)

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """A hub that answers on this machine only."""
    server = LoopbackHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
