"""Where a step's batches come from: drawn in the step, or ahead of it in a thread or processes.

Step ``n`` draws from ``(seed, n)`` in any case, so that all give the same batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

import numpy as np
from torch.utils.data import DataLoader, Dataset


@dataclass
class Stopwatch:
    """Adds up the time spent in its ``with`` blocks, seconds."""

    seconds: float = 0.0
    _began: float = field(default=0.0, repr=False)

    def __enter__(self) -> None:
        """Start."""
        self._began = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.seconds += time.monotonic() - self._began


_Draw = Callable[[np.random.Generator], object]


class Source(Protocol):
    """What draws in advance; ``waiting`` adds up the time that a step still had to wait."""

    waiting: Stopwatch

    def opened(self) -> AbstractContextManager[None]:
        """Begin to draw; end what draws afterwards."""

    def of(self, step: int) -> list[object]:
        """Wait for the batches of a step; steps have to be asked for in their order."""


class Ahead:
    """Draws the batches of the next steps in a thread while the present one computes.

    Parameters
    ----------
    draw : callable
        Draws one batch from a generator; it must use no other source of chance.
    generator : callable
        Makes the generator of a step.
    batches : int
        Batches of a step.
    steps : range
        The steps to come.
    ahead : int
        How many of them are drawn in advance.
    """

    def __init__(
        self,
        draw: _Draw,
        generator: Callable[[int], np.random.Generator],
        batches: int,
        steps: range,
        ahead: int,
    ) -> None:
        self._draw, self._generator, self._batches = draw, generator, batches
        self._coming, self._ahead = iter(steps), ahead
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._drawn: dict[int, Future[list[object]]] = {}
        self.waiting = Stopwatch()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Begin to draw; end the thread afterwards."""
        try:
            for _ in range(self._ahead):
                self._order()
            yield
        finally:
            self._pool.shutdown(cancel_futures=True)

    def of(self, step: int) -> list[object]:
        """Wait for the batches of a step; steps have to be asked for in their order."""
        self._order()
        with self.waiting:
            return self._drawn.pop(step).result()

    def _order(self) -> None:
        step = next(self._coming, None)
        if step is not None:
            self._drawn[step] = self._pool.submit(self._of, step)

    def _of(self, step: int) -> list[object]:
        random = self._generator(step)
        return [self._draw(random) for _ in range(self._batches)]


_Numbered = tuple[int, list[object]]


class _Steps(Dataset[_Numbered]):
    """A step's number and batches, by that number."""

    def __init__(
        self, draw: _Draw, generator: Callable[[int], np.random.Generator], batches: int
    ) -> None:
        self._draw, self._generator, self._batches = draw, generator, batches

    def __getitem__(self, step: int) -> _Numbered:
        random = self._generator(step)
        return step, [self._draw(random) for _ in range(self._batches)]


class Workers:
    """Draws the batches of the next steps in processes, for a card that outruns a thread.

    Parameters
    ----------
    draw, generator, batches, steps
        As of :class:`Ahead`.
    workers : int
        Processes; each has up to two steps drawn in advance.
    """

    def __init__(
        self,
        draw: _Draw,
        generator: Callable[[int], np.random.Generator],
        batches: int,
        steps: range,
        workers: int,
    ) -> None:
        self._loader = DataLoader(
            _Steps(draw, generator, batches),
            batch_size=None,
            sampler=steps,
            num_workers=workers,
            # What is drawn from is not copied, and need not be picklable.
            multiprocessing_context="fork",
        )
        self._coming: Iterator[_Numbered] = iter(())
        self.waiting = Stopwatch()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Begin to draw; end the processes afterwards."""
        self._coming = iter(self._loader)
        try:
            yield
        finally:
            self._coming = iter(())

    def of(self, step: int) -> list[object]:
        """Wait for the batches of a step; steps have to be asked for in their order."""
        with self.waiting:
            drawn, batches = next(self._coming)
        assert drawn == step, f"step {drawn} was drawn in place of {step}"
        return batches
