"""How volumes get to the model's process: once, and freed whoever ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.host import ProcessHost

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@pytest.fixture(scope="module")
def local(tiny_model: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def host(tiny_model: Path) -> Iterator[ProcessHost]:
    host = ProcessHost(tiny_model)
    yield host
    host.close()


def _report(volume: api.VolumeInput) -> api.Request:
    return api.Request(1, api.Task.REPORT, volume, max_tokens=24)


def _events(engine: api.Engine, request: api.Request) -> list[api.Event]:
    return list(engine.stream(request, threading.Event()))


def _tokens(events: list[api.Event]) -> list[tuple[str, float]]:
    return [(event.text, event.logprob) for event in events if isinstance(event, api.Token)]


def _kill(host: ProcessHost) -> None:
    os.kill(host.process_id, signal.SIGKILL)
    host._child.process.join()


def test_a_volume_crosses_once_and_is_let_go_after_others(
    host: ProcessHost, chest: api.VolumeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = type(host._child).send

    def noted(child: object, message: object) -> None:
        sent.append(type(message).__name__)
        send(child, message)

    monkeypatch.setattr(type(host._child), "send", noted)
    for number in (0, 0, 1, 2, 3, 0):
        embed = api.Request(1, api.Task.EMBED_VOLUME, replace(chest, key=f"scan {number}"))
        assert isinstance(_events(host, embed)[-1], api.Done)
    assert sent.count("Hold") == 5, "0 once, then 1, 2 and 3, and 0 again after it was let go"
    assert "Forget" in sent


def _named() -> set[Path]:
    """Tell the shared memory that has a name and is in no other program's use."""
    family = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found = set(Path("/dev/shm").iterdir())
    for process in psutil.process_iter():
        if process.pid not in family:
            with contextlib.suppress(psutil.Error):
                found -= {Path(one.path) for one in process.memory_maps()}
    return found


def _maps(process: int) -> int:
    """Count the volumes that a process maps."""
    maps = Path(f"/proc/{process}/maps").read_text(encoding="utf-8")
    return maps.count("tomoscribe-model")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_shared_memory_is_freed_whoever_ends(host: ProcessHost, chest: api.VolumeInput) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before, named = opened(), _named()
    for number in range(6):
        _events(host, api.Request(1, api.Task.EMBED_VOLUME, replace(chest, key=str(number))))
    assert _maps(host.process_id) == 3
    assert _maps(os.getpid()) == 0, "the host keeps no copy of its own"
    assert opened() == before
    _kill(host)
    _events(host, api.Request(1, api.Task.EMBED_VOLUME, chest))
    assert opened() == before
    assert _named() <= named


def test_voxels_go_through_the_pipe_where_there_is_no_such_memory(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert _tokens(_events(host, _report(chest))) == _tokens(_events(local, _report(chest)))
    strided = replace(chest, key="every second", voxels=chest.voxels[:, ::2, ::2])
    wanted = _events(local, _report(strided))
    assert _tokens(_events(host, _report(strided))) == _tokens(wanted)


@pytest.mark.parametrize(
    "voxels",
    [np.zeros((0, 5, 5), np.int16), np.full((9, 9, 9), np.nan), np.zeros((2, 50, 50), np.int16)],
    ids=["empty", "not numbers", "few slices"],
)
def test_a_volume_that_cannot_be_read_is_refused_as_by_the_local_engine(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput, voxels: np.ndarray
) -> None:
    bad = replace(chest, key=f"bad {voxels.shape}", voxels=voxels)
    assert _events(host, _report(bad)) == _events(local, _report(bad))
