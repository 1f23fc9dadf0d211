"""A function that tells of its progress by calls, as a stream of steps for a job."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")
_END = object()


def telling(call: Callable[[Callable[[Any], None]], Result]) -> Generator[Any, None, Result]:
    """Yield what ``call`` tells, from whichever of its threads, and return its result.

    What it raises is raised here. Where the stream is dropped, this waits for the call to end;
    it has to heed the job's ``cancelled``.
    """
    told: SimpleQueue[Any] = SimpleQueue()
    with ThreadPoolExecutor(1, "telling") as pool:
        future = pool.submit(call, told.put)
        future.add_done_callback(lambda _: told.put(_END))
        while (step := told.get()) is not _END:
            yield step
        return future.result()
