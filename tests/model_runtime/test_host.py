"""A model in a process of its own: the same answers, and no end of that process is noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.errors import WeightsError
from model_runtime.host import ProcessHost

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")


@pytest.fixture(scope="module")
def local(tiny_model: Path) -> Iterator[LocalEngine]:
    engine = LocalEngine(tiny_model)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def host(tiny_model: Path) -> Iterator[ProcessHost]:
    """One host for all: whatever a test does to its process, the next finds it answering."""
    host = ProcessHost(tiny_model)
    yield host
    host.close()


def _report(volume: api.VolumeInput, **more: object) -> api.Request:
    return api.Request(1, api.Task.REPORT, volume, **{"max_tokens": 24, **more})


def _events(
    engine: api.Engine,
    request: api.Request,
    on_event: Callable[[api.Event], None] = lambda _event: None,
    cancelled: threading.Event | None = None,
) -> list[api.Event]:
    events = []
    for event in engine.stream(request, cancelled or threading.Event()):
        events.append(event)
        on_event(event)
    return events


def _tokens(events: list[api.Event]) -> list[tuple[str, float]]:
    return [(event.text, event.logprob) for event in events if isinstance(event, api.Token)]


def _after_restart(events: list[api.Event]) -> list[api.Event]:
    places = [i for i, event in enumerate(events) if getattr(event, "restarts", False)]
    return events[places[-1] + 1 :] if places else events


def _maps_of(events: list[api.Event]) -> list[api.HeatMap]:
    return [one for event in events if isinstance(event, api.Evidence) for one in event.maps]


def _gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return True
    return state.split()[0] == "Z"


def _wait(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.01)


def _kill(host: ProcessHost) -> None:
    os.kill(host.process_id, signal.SIGKILL)
    host._child.process.join()


def _killing(host: ProcessHost, *after: int) -> Callable[[api.Event], None]:
    """Kill the process at so many tokens of each try."""
    left, seen = list(after), [0]

    def on_event(event: api.Event) -> None:
        if isinstance(event, api.Notice):
            seen[0] = 0
        seen[0] += isinstance(event, api.Token)
        if left and seen[0] == left[0]:
            left.pop(0)
            _kill(host)

    return on_event


@pytest.mark.parametrize(
    "request_of",
    [
        _report,
        lambda volume: _report(volume, temperature=1.0, seed=5),
        lambda volume: api.Request(1, api.Task.QUESTION, volume, "Where is it?", max_tokens=8),
        lambda volume: api.Request(1, api.Task.QUESTION, volume, "Is it?", ("yes", "no")),
        lambda volume: api.Request(1, api.Task.EMBED_VOLUME, volume),
        lambda _volume: api.Request(1, api.Task.EMBED_TEXT, text="a nodule"),
        lambda volume: api.Request(1, api.Task.EVIDENCE, volume, target="A nodule."),
    ],
    ids=["report", "sampled report", "question", "choices", "volume", "text", "evidence"],
)
def test_it_answers_as_the_local_engine_does(
    local: LocalEngine,
    host: ProcessHost,
    chest: api.VolumeInput,
    request_of: Callable[[api.VolumeInput], api.Request],
) -> None:
    wanted, found = (_events(engine, request_of(chest)) for engine in (local, host))
    assert _tokens(found) == _tokens(wanted)
    done, expected = found[-1], wanted[-1]
    assert isinstance(done, api.Done)
    assert done.text == expected.text
    same = {"seconds": 0.0, "created": ""}
    assert replace(done.provenance, **same) == replace(expected.provenance, **same)
    if expected.embedding is not None:
        np.testing.assert_array_equal(done.embedding, expected.embedding)
    for one, other in zip(_maps_of(found), _maps_of(wanted), strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.index_to_lps, other.index_to_lps)
    assert bool(_maps_of(found)) == (done.provenance.task is api.Task.EVIDENCE)
    choices = [[e for e in events if isinstance(e, api.Choices)] for events in (found, wanted)]
    assert choices[0] == choices[1]
    assert host.info == local.info


def test_killed_in_the_middle_of_a_draft_the_report_is_whole(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput
) -> None:
    events = _events(host, _report(chest), _killing(host, 5))
    (notice,) = [event for event in events if isinstance(event, api.Notice)]
    assert notice.restarts
    assert "started again; the draft is written anew" in notice.text
    undisturbed = _events(local, _report(chest))
    assert _tokens(_after_restart(events)) == _tokens(undisturbed)
    assert events[-1].text == undisturbed[-1].text


def test_two_deaths_over_one_request_are_told_and_the_next_is_answered(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput
) -> None:
    events = _events(host, _report(chest), _killing(host, 3, 3))
    assert isinstance(events[-1], api.Failed)
    assert "ended twice" in events[-1].message
    assert sum(isinstance(event, api.Notice) for event in events) == 1
    assert _tokens(_events(host, _report(chest))) == _tokens(_events(local, _report(chest)))


def test_killed_while_idle_the_next_request_is_answered_without_a_word(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput
) -> None:
    first = host.process_id
    os.kill(first, signal.SIGKILL)  # and not waited for: it may be found dead only when asked
    events = _events(host, _report(chest))
    assert api.Progress(api.Stage.LOAD) in events
    assert not any(isinstance(event, api.Notice | api.Failed) for event in events)
    assert _tokens(events) == _tokens(_events(local, _report(chest)))
    assert host.process_id != first


def test_cancelling_reaches_the_process(host: ProcessHost, chest: api.VolumeInput) -> None:
    cancelled = threading.Event()

    def cancel(event: api.Event) -> None:
        if isinstance(event, api.Token):
            cancelled.set()
            asked.append(time.monotonic())

    asked: list[float] = []
    request = _report(chest, max_tokens=300, temperature=1.0)
    events = _events(host, request, cancel, cancelled)
    assert isinstance(events[-1], api.Stopped)
    assert len(_tokens(events)) == 1
    assert time.monotonic() - asked[0] < 1


def test_cancelled_before_it_began_or_while_it_loads(
    host: ProcessHost, chest: api.VolumeInput
) -> None:
    cancelled = threading.Event()
    cancelled.set()
    assert _events(host, _report(chest), cancelled=cancelled) == [api.Stopped()]
    _kill(host)
    cancelled.clear()
    events = _events(host, _report(chest), lambda _event: cancelled.set(), cancelled)
    assert events == [api.Progress(api.Stage.LOAD), api.Stopped()]
    assert isinstance(_events(host, _report(chest))[-1], api.Done)


def test_an_abandoned_answer_does_not_get_into_the_next(
    host: ProcessHost, local: LocalEngine, chest: api.VolumeInput
) -> None:
    stream = host.stream(_report(chest, max_tokens=300, seed=9, temperature=1.0),
                                threading.Event())  # fmt: skip
    for event in stream:
        if isinstance(event, api.Token):
            break
    stream.close()
    assert _tokens(_events(host, _report(chest))) == _tokens(_events(local, _report(chest)))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model folder"):
        ProcessHost(tmp_path / "none")


def test_libraries_that_do_not_import_are_told(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch is not there')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsError, match="libtorch is not there"):
        ProcessHost(tiny_model)


def test_closed_its_process_is_gone(tiny_model: Path, chest: api.VolumeInput) -> None:
    host = ProcessHost(tiny_model)
    process = host.process_id
    host.close()
    assert _gone(process)
    (event,) = _events(host, _report(chest))
    assert event == api.Failed("The model has been unloaded.")
    host.close()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "drafting"])
def test_when_its_program_is_killed_it_goes_too(
    tiny_model: Path, repository: Path, busy: bool
) -> None:
    program = f"""
        import sys, threading, time
        from pathlib import Path
        import numpy as np
        from model_runtime import api
        from model_runtime.host import ProcessHost
        if __name__ == "__main__":
            host = ProcessHost(Path({str(tiny_model)!r}))
            print(host.process_id, "torch" in sys.modules, flush=True)
            voxels = np.random.default_rng(0).integers(-1000, 500, (60, 90, 90)).astype(np.int16)
            volume = api.VolumeInput("key", voxels, np.diag([3.0, 3, 5, 1]), "CT")
            request = api.Request(1, api.Task.REPORT, volume, temperature=1.0, max_tokens=300)
            if {busy}:
                next(host.stream(request, threading.Event()))
            print("there", flush=True)
            time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=repository,
    )  # fmt: skip
    child, has_torch = parent.stdout.readline().split()
    assert has_torch == "False", "the program that hosts a model does not load torch"
    assert parent.stdout.readline() == "there\n"
    parent.kill()
    _wait(lambda: _gone(int(child)), 5.0)
    _, complaints = parent.communicate(timeout=10)
    assert complaints == ""
