"""The model's thread: order, cancelling, closing, and no late word on another study."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pytestqt.qtbot import QtBot

from model_runtime import api
from workstation.core.errors import ModelError
from workstation.tasks.pump import Pump

RECEIPT = api.Provenance("scripted", "", True, api.Task.REPORT)


class ScriptedEngine:
    """An engine that writes words at a pace, to drive the window through rare events."""

    def __init__(self, words: int = 20, pause: float = 0.01, deaf: float = 0.0) -> None:
        self.words, self.pause, self.deaf = words, pause, deaf
        self.info = api.ModelInfo("scripted", True, "scripted")
        self.closed = False

    def stream(self, request: api.Request, cancelled: threading.Event) -> Iterator[api.Event]:
        yield api.Progress(api.Stage.WRITE)
        time.sleep(self.deaf)
        for number in range(self.words):
            if cancelled.is_set():
                yield api.Stopped()
                return
            time.sleep(self.pause)
            yield api.Token(f"{request.text}{number} ", -0.1, 50.0)
        yield api.Done(RECEIPT, "done")

    def close(self) -> None:
        self.closed = True


class BrokenEngine(ScriptedEngine):
    def stream(self, request: api.Request, cancelled: threading.Event) -> Iterator[api.Event]:
        yield api.Token("half ", -0.1, 1.0)
        raise RuntimeError("lost the device")


@pytest.fixture
def pump_of(qtbot: QtBot) -> Iterator[Callable[..., tuple[Pump, list]]]:
    pumps: list[Pump] = []

    def make(factory: Callable[[], api.Engine]) -> tuple[Pump, list]:
        pump = Pump(factory)
        heard: list[tuple[int, api.Event]] = []
        pump.told.connect(lambda ticket, event: heard.append((ticket, event)))
        pumps.append(pump)
        return pump, heard

    yield make
    for pump in pumps:
        pump.close()


def _request(pump: Pump, text: str = "w") -> int:
    return pump.submit(api.Request(pump.next_ticket(), api.Task.REPORT, text=text))


def _ended(heard: list, ticket: int) -> bool:
    return any(t == ticket and isinstance(e, api.Done | api.Failed) for t, e in heard)


def test_events_come_whole_and_in_order(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(lambda: ScriptedEngine(words=40, pause=0.002))
    first, second = _request(pump, "a"), _request(pump, "b")
    qtbot.waitUntil(lambda: _ended(heard, second), timeout=5000)
    for ticket, letter in ((first, "a"), (second, "b")):
        words = [e.text for t, e in heard if t == ticket and isinstance(e, api.Token)]
        assert words == [f"{letter}{n} " for n in range(40)]
    assert not pump.is_busy


def test_cancel_is_answered_within_a_second(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(lambda: ScriptedEngine(words=10_000))
    ticket = _request(pump)
    qtbot.waitUntil(lambda: len(heard) > 3, timeout=5000)
    with qtbot.waitSignal(pump.stopped, timeout=1000):
        pump.cancel(ticket)
        count = len(heard)
    assert len(heard) == count, "nothing comes after cancelling"


def test_a_late_word_never_lands_on_the_next_study(qtbot: QtBot, pump_of: Callable) -> None:
    """Switch twenty times in the middle of a draft."""
    pump, heard = pump_of(lambda: ScriptedEngine(words=30, pause=0.003))
    for number in range(20):
        pump.cancel_all()
        heard.clear()
        ticket = _request(pump, f"study{number}-")
        qtbot.waitUntil(lambda: any(isinstance(e, api.Token) for _, e in heard), timeout=5000)
        assert {t for t, _ in heard} == {ticket}
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=5000)
    assert all("study19-" in e.text for _, e in heard if isinstance(e, api.Token))


def test_cancelled_while_waiting_in_line(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(lambda: ScriptedEngine(words=20))
    first, second = _request(pump, "a"), _request(pump, "b")
    pump.cancel(second)
    qtbot.waitUntil(lambda: _ended(heard, first), timeout=5000)
    qtbot.waitUntil(lambda: not pump.is_busy, timeout=2000)
    assert {t for t, _ in heard} == {first}


def test_an_engine_that_fails_is_told_and_goes_on(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(BrokenEngine)
    for _ in range(2):
        ticket = _request(pump)
        qtbot.waitUntil(lambda ticket=ticket: _ended(heard, ticket), timeout=5000)
        assert isinstance(heard[-1][1], api.Failed)
        assert "lost the device" in heard[-1][1].details


def test_a_model_that_cannot_load_answers_requests_with_the_reason(
    qtbot: QtBot, pump_of: Callable
) -> None:
    def factory() -> api.Engine:
        raise ModelError("There is no model folder. Reinstall.")

    pump, heard = pump_of(factory)
    ticket = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=5000)
    assert "no model folder" in heard[-1][1].message


def test_requests_after_a_failed_load_are_answered_too(qtbot: QtBot, pump_of: Callable) -> None:
    def factory() -> api.Engine:
        raise ModelError("There is no model folder. Reinstall.")

    pump, heard = pump_of(factory)
    with qtbot.waitSignal(pump.load_failed, timeout=5000):
        pass
    ticket = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=5000)
    pump.restart(lambda: ScriptedEngine(words=2))
    ticket = _request(pump)
    qtbot.waitUntil(lambda: isinstance(heard[-1][1], api.Done), timeout=5000)


def test_closing_in_the_middle_does_not_hang(qtbot: QtBot, pump_of: Callable) -> None:
    engine = ScriptedEngine(words=10_000)
    pump, heard = pump_of(lambda: engine)
    _request(pump)
    qtbot.waitUntil(lambda: len(heard) > 2, timeout=5000)
    began = time.monotonic()
    assert pump.close()
    assert time.monotonic() - began < 1
    assert engine.closed


def test_closing_does_not_wait_for_a_deaf_engine(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(lambda: ScriptedEngine(words=1, deaf=4.5))
    _request(pump)
    qtbot.waitUntil(lambda: len(heard) >= 1, timeout=5000)
    began = time.monotonic()
    assert not pump.close()
    assert time.monotonic() - began < 4
    assert pump._thread.wait(5000)


def test_a_model_that_loads_too_late_is_not_announced(qtbot: QtBot, pump_of: Callable) -> None:
    slow_may_end = threading.Event()

    def slow() -> api.Engine:
        slow_may_end.wait(10)
        raise ModelError("The slow one failed.")

    pump, heard = pump_of(slow)
    announced: list[object] = []
    pump.loaded.connect(announced.append)
    pump.load_failed.connect(announced.append)
    first = _request(pump)
    with qtbot.waitSignal(pump.stopped, timeout=1000) as stopped:
        pump.restart(lambda: ScriptedEngine(words=2))
    assert stopped.args == [first]
    slow_may_end.set()
    second = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, second), timeout=5000)
    qtbot.wait(100)
    assert [type(each) for each in announced] == [api.ModelInfo]
    assert {ticket for ticket, _ in heard} == {second}
    assert isinstance(heard[-1][1], api.Done)


def test_an_engine_without_a_last_word_is_told_as_failed(qtbot: QtBot, pump_of: Callable) -> None:
    class Silent(ScriptedEngine):
        def stream(self, request: api.Request, cancelled: threading.Event) -> Iterator[api.Event]:
            yield api.Token("half ", -0.1, 1.0)

    pump, heard = pump_of(Silent)
    ticket = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=5000)
    assert isinstance(heard[-1][1], api.Failed)
    assert not pump.is_busy


def test_tokens_cross_at_most_thirty_times_a_second(qtbot: QtBot, pump_of: Callable) -> None:
    pump, heard = pump_of(lambda: ScriptedEngine(words=400, pause=0.002))
    batches: list[int] = []
    pump._thread.events.connect(lambda _generation, _ticket, events: batches.append(len(events)))
    began = time.monotonic()
    ticket = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=10000)
    seconds = time.monotonic() - began
    assert sum(batches) == 402
    assert len(batches) <= 30 * seconds + 4


def test_a_hearer_that_cancels_at_a_word_hears_no_other(qtbot: QtBot, pump_of: Callable) -> None:
    """As when the reader opens another study while a batch of words is being shown."""
    pump, heard = pump_of(lambda: ScriptedEngine(words=200, pause=0.0))
    pump.told.connect(lambda _ticket, event: isinstance(event, api.Token) and pump.cancel_all())
    _request(pump)
    with qtbot.waitSignal(pump.stopped, timeout=2000):
        pass
    assert sum(isinstance(event, api.Token) for _, event in heard) == 1


def test_the_model_loads_and_answers_off_the_gui_thread(qtbot: QtBot, pump_of: Callable) -> None:
    threads: list[str] = []

    class Placed(ScriptedEngine):
        def __init__(self) -> None:
            super().__init__(words=1)
            threads.append(threading.current_thread().name)

        def stream(self, request: api.Request, cancelled: threading.Event) -> Iterator[api.Event]:
            threads.append(threading.current_thread().name)
            yield from super().stream(request, cancelled)

    pump, heard = pump_of(Placed)
    ticket = _request(pump)
    qtbot.waitUntil(lambda: _ended(heard, ticket), timeout=5000)
    assert len(set(threads)) == 1
    assert threading.main_thread().name not in threads


def test_the_old_model_is_gone_before_the_new_one_loads(qtbot: QtBot, pump_of: Callable) -> None:
    """Two may not fit into the memory of one GPU."""
    old = ScriptedEngine(words=10_000)
    closed_before: list[bool] = []

    def new() -> api.Engine:
        closed_before.append(old.closed)
        return ScriptedEngine(words=2)

    pump, heard = pump_of(lambda: old)
    _request(pump)
    qtbot.waitUntil(lambda: len(heard) > 2, timeout=5000)
    with qtbot.waitSignal(pump.loaded, timeout=5000):
        pump.restart(new)
    assert closed_before == [True]


def test_a_model_that_was_changed_while_it_waited_is_never_loaded(
    qtbot: QtBot, pump_of: Callable
) -> None:
    loaded: list[str] = []

    def named(name: str) -> Callable[[], api.Engine]:
        def factory() -> api.Engine:
            loaded.append(name)
            return ScriptedEngine(words=2)

        return factory

    pump, heard = pump_of(lambda: ScriptedEngine(words=1, deaf=0.5))
    _request(pump)
    qtbot.waitUntil(lambda: len(heard) > 0, timeout=5000)
    pump.restart(named("second"))
    with qtbot.waitSignal(pump.loaded, timeout=5000):
        pump.restart(named("third"))
    assert loaded == ["third"]
