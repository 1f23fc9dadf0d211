"""A model that nobody asks is unloaded, and comes back for the next request."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.errors import NotEnoughMemoryError, WeightsError
from model_runtime.hosting import Hosting, open_engine
from model_runtime.idle import IdleUnload

SHORT = 0.05
LONG = 3600.0
LIMIT = 20.0


class Watched:
    """An engine, and whether it was closed; it may be held up in the middle of an answer."""

    def __init__(self, engine: api.Engine) -> None:
        self._engine = engine
        self.info = engine.info
        self.closed = threading.Event()

    def stream(self, request: api.Request, cancelled: threading.Event) -> Iterator[api.Event]:
        yield from self._engine.stream(request, cancelled)

    def close(self) -> None:
        self._engine.close()
        self.closed.set()


@pytest.fixture
def idle_of(tiny_model: Path) -> Iterator[Callable[..., tuple[IdleUnload, list[Watched]]]]:
    made: list[IdleUnload] = []

    def make(seconds: float) -> tuple[IdleUnload, list[Watched]]:
        loaded: list[Watched] = []

        def load() -> Watched:
            loaded.append(Watched(LocalEngine(tiny_model)))
            return loaded[-1]

        made.append(IdleUnload(load, seconds))
        return made[-1], loaded

    yield make
    for engine in made:
        engine.close()


def _events(engine: api.Engine, request: api.Request) -> list[api.Event]:
    return list(engine.stream(request, threading.Event()))


def _report(volume: api.VolumeInput) -> api.Request:
    return api.Request(1, api.Task.REPORT, volume, max_tokens=12)


def _text(events: list[api.Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, api.Token))


def test_unloaded_after_a_rest_and_loaded_for_the_next_request(
    idle_of: Callable[..., tuple[IdleUnload, list[Watched]]], chest: api.VolumeInput
) -> None:
    engine, loaded = idle_of(SHORT)
    info = engine.info
    assert loaded[0].closed.wait(LIMIT), "never asked, it is unloaded too"
    assert engine.info == info
    first = _events(engine, _report(chest))
    assert first[0] == api.Progress(api.Stage.LOAD)
    assert isinstance(first[-1], api.Done)
    assert loaded[1].closed.wait(LIMIT)
    assert not engine.is_loaded
    assert _text(_events(engine, _report(chest))) == _text(first)
    assert len(loaded) == 3


def test_not_unloaded_in_the_middle_of_an_answer(
    idle_of: Callable[..., tuple[IdleUnload, list[Watched]]], chest: api.VolumeInput
) -> None:
    engine, loaded = idle_of(SHORT)
    assert loaded[0].closed.wait(LIMIT)
    stream = engine.stream(_report(chest), threading.Event())
    events = [next(stream), next(stream)]
    # The rest that began with loading would be over long ago.
    assert not loaded[1].closed.wait(10 * SHORT)
    events += stream
    assert isinstance(events[-1], api.Done)
    assert loaded[1].closed.wait(LIMIT)


def test_it_stays_loaded_while_it_is_asked(
    idle_of: Callable[..., tuple[IdleUnload, list[Watched]]], chest: api.VolumeInput
) -> None:
    engine, loaded = idle_of(LONG)
    for _ in range(2):
        events = _events(engine, _report(chest))
        assert api.Progress(api.Stage.LOAD) not in events
    assert len(loaded) == 1
    timers = [t for t in threading.enumerate() if t.name == "model's rest"]
    assert len(timers) == 1, "one thread waits; none is left from the requests before"


def test_closed_it_rests_for_good(
    idle_of: Callable[..., tuple[IdleUnload, list[Watched]]], chest: api.VolumeInput
) -> None:
    engine, loaded = idle_of(LONG)
    engine.close()
    assert loaded[0].closed.is_set()
    assert _events(engine, _report(chest)) == [api.Failed("The model has been unloaded.")]
    for timer in [t for t in threading.enumerate() if t.name == "model's rest"]:
        timer.join(LIMIT)
    assert not any(t.name == "model's rest" for t in threading.enumerate())


@pytest.mark.parametrize(
    ("fault", "out_of_memory"),
    [(WeightsError("The folder is gone."), False), (NotEnoughMemoryError("Too large."), True)],
)
def test_what_cannot_be_loaded_again_is_told(
    tiny_model: Path, chest: api.VolumeInput, fault: Exception, out_of_memory: bool
) -> None:
    loaded: list[Watched] = []

    def load() -> Watched:
        if loaded:
            raise fault
        loaded.append(Watched(LocalEngine(tiny_model)))
        return loaded[-1]

    engine = IdleUnload(load, SHORT)
    assert loaded[0].closed.wait(LIMIT)
    last = _events(engine, _report(chest))[-1]
    assert isinstance(last, api.Failed)
    assert last.message == str(fault)
    assert last.out_of_memory is out_of_memory


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_an_idle_process_is_gone_and_its_memory_with_it(
    tiny_model: Path, chest: api.VolumeInput
) -> None:
    """As the workstation opens it, all parts together."""
    engine = open_engine(tiny_model, Hosting("process", idle_seconds=0.5))
    resting = engine._engine
    process = resting._engine.process_id
    while Path(f"/proc/{process}").exists():
        threading.Event().wait(0.01)
    assert not resting.is_loaded
    assert isinstance(_events(engine, _report(chest))[-1], api.Done)
    engine.close()


def test_unloaded_no_weight_is_left_in_memory(tiny_model: Path, chest: api.VolumeInput) -> None:
    engine = LocalEngine(tiny_model)
    _events(engine, _report(chest))
    _events(engine, api.Request(1, api.Task.EMBED_VOLUME, chest))
    model = engine._model
    networks = [weakref.ref(model.vlm), weakref.ref(model.contrastive)]
    weights = [weakref.ref(weight) for weight in model.vlm.parameters()]
    del model
    engine.close()
    assert {each() for each in (*networks, *weights)} == {None}


def test_a_program_that_leaves_in_the_middle_of_an_answer_ends(repository: Path) -> None:
    """Its interpreter closes the stream when no thread can be started any more."""
    program = """
        import threading
        from model_runtime import api
        from model_runtime.idle import IdleUnload

        class Endless:
            info = api.ModelInfo("endless", True, "")
            def stream(self, request, cancelled):
                while True:
                    yield api.Token("word ", 0.0, 1.0)
            def close(self):
                pass

        engine = IdleUnload(Endless, 1000.0)
        stream = engine.stream(api.Request(1, api.Task.REPORT), threading.Event())
        print(next(stream).text)
    """
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, cwd=repository, timeout=20, check=True,
    )  # fmt: skip
    assert (told.stdout, told.stderr) == ("word \n", "")
