"""A function that tells of itself, as a stream."""

from __future__ import annotations

import threading

import pytest

from workstation.core.errors import NetworkError
from workstation.tasks.telling import telling


def test_what_is_told_comes_in_order_and_then_the_result() -> None:
    def call(tell):
        for number in range(5):
            tell(number)
        return "done"

    steps = []

    def follow():
        steps.append((yield from telling(call)))

    assert list(follow()) == [0, 1, 2, 3, 4]
    assert steps == ["done"]


def test_a_fault_comes_after_what_was_told() -> None:
    def call(tell):
        tell(1)
        raise NetworkError("It broke off.")

    stream = telling(call)
    assert next(stream) == 1
    with pytest.raises(NetworkError, match="broke off"):
        next(stream)


def test_a_stream_that_is_dropped_waits_for_the_call() -> None:
    cancelled, ended = threading.Event(), threading.Event()

    def call(tell):
        tell(1)
        cancelled.wait(10)
        ended.set()

    stream = telling(call)
    next(stream)
    cancelled.set()
    stream.close()
    assert ended.is_set()
