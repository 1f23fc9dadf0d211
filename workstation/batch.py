"""The workstation's jobs without a window: open, draft, ask, find similar, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Cancelled

from model_runtime import api
from workstation.core.errors import CancelledError, InputError
from workstation.core.report import Report, append_model_text, begin_run, end_run
from workstation.core.study import Notice, Series
from workstation.core.volume import Volume
from workstation.io.index import ScanFinished, SeriesFound, scan
from workstation.io.load import load
from workstation.io.pool import WorkerPool
from workstation.model_port import Answer, run_request, volume_input


@dataclass
class Opened:
    """What a path holds: the series, and what was left out and why."""

    series: list[Series] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def find_series(paths: Sequence[Path], cancelled: Cancelled, pool: WorkerPool) -> Opened:
    """List the series of files and folders.

    Raises
    ------
    InputError
        Where there is none, with what was found instead.
    """
    opened = Opened()
    for event in scan(paths, cancelled, pool):
        if isinstance(event, SeriesFound):
            opened.series.append(event.series)
        elif isinstance(event, ScanFinished):
            opened.skipped = [f"{item.path}: {item.reason}" for item in event.skipped]
            opened.notices = list(event.notices)
    if cancelled.is_set():
        raise CancelledError("Cancelled.")
    if not opened.series:
        names = ", ".join(str(path) for path in paths)
        reasons = "; ".join(opened.skipped[:3])
        raise InputError(f"No scan was found in {names}. {reasons}".strip())
    return opened


def main_series(opened: Opened) -> Series:
    """Choose the series to read: the readable one with most slices, CT before others.

    Raises
    ------
    InputError
        Where none can be opened.
    """
    readable = [series for series in opened.series if not series.readable]
    if not readable:
        raise InputError(opened.series[0].readable)
    return max(readable, key=lambda series: (series.modality in ("CT", ""), series.count))


def load_volume(series: Series, cancelled: Cancelled, pool: WorkerPool) -> Volume:
    """Load a whole series.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    volume: Volume | None = None
    for step in load(series, cancelled, pool):
        volume = step.volume
    if cancelled.is_set():
        raise CancelledError("Cancelled.")
    if volume is None:
        raise InputError(f"The series '{series.description}' holds no readable slice.")
    return volume


def draft_report(
    engine: api.Engine,
    volume: Volume,
    cancelled: Cancelled,
    window: api.HuWindow | None = None,
    on_event: Callable[[api.Event], None] | None = None,
) -> tuple[Report, Answer]:
    """Have the model draft; every character of the report is known as the model's."""
    request = api.Request(0, api.Task.REPORT, volume_input(volume), window=window)
    answer = run_request(engine, request, cancelled, on_event)
    report = begin_run(Report(), "draft-1", 0)
    for piece, logprob in zip(answer.pieces, answer.logprobs, strict=True):
        report = append_model_text(report, piece, "draft-1", (logprob,))
    return end_run(report, "draft-1", answer.provenance), answer


def ask(
    engine: api.Engine,
    volume: Volume,
    question: str,
    choices: Sequence[str],
    cancelled: Cancelled,
    *,
    on_event: Callable[[api.Event], None] | None = None,
) -> Answer:
    """Ask a question; with choices, their probabilities come too."""
    request = api.Request(
        0, api.Task.QUESTION, volume_input(volume), text=question, choices=tuple(choices)
    )
    return run_request(engine, request, cancelled, on_event)


def embedding(
    engine: api.Engine,
    volume: Volume | None,
    text: str,
    cancelled: Cancelled,
    on_event: Callable[[api.Event], None] | None = None,
) -> Answer:
    """Embed a volume, or a search text where there is no volume."""
    task = api.Task.EMBED_TEXT if volume is None else api.Task.EMBED_VOLUME
    given = None if volume is None else volume_input(volume)
    return run_request(engine, api.Request(0, task, given, text=text), cancelled, on_event)
