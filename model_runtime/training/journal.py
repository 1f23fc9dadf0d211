"""What a run tells while it goes: ``log.jsonl``, TensorBoard, a progress bar, the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm.auto import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from model_runtime.training import processes

_LOG = logging.getLogger(__name__)
_REPORT_EVERY = 20


class Journal:
    """Rows of one run, told by the first process alone."""

    def __init__(self, folder: Path, accelerator: Accelerator, first: int, steps: int) -> None:
        self._path, self._accelerator = folder / "log.jsonl", accelerator
        self._seconds = self._loading = 0.0
        self._told = 0
        # No bar where the output goes into a file.
        hidden = True if processes.rank() else None
        self._bar: Any = tqdm(total=steps, initial=first, unit="step", disable=hidden)
        if accelerator.log_with:
            # What a killed run wrote after its last checkpoint is shown no more.
            accelerator.init_trackers(
                "tensorboard", init_kwargs={"tensorboard": {"purge_step": first}}
            )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Close the files afterwards, and say how much of the time loading took."""
        try:
            with logging_redirect_tqdm():
                yield
        finally:
            self._bar.close()
            for tracker in self._accelerator.trackers:
                tracker.finish()
        if self._told and not processes.rank():
            share = 100 * self._loading / max(self._seconds, 1e-9)
            _LOG.info(
                "%d steps in %.1f s; loading took %.1f %% of them",
                self._told, self._seconds, share,
            )  # fmt: skip

    def tell(
        self, step: int, losses: Mapping[str, float], rate: float, seconds: float, loading: float
    ) -> None:
        """Write down a step; ``seconds`` is its time and ``loading`` the part that data took."""
        self._seconds, self._loading = self._seconds + seconds, self._loading + loading
        self._told += 1
        if processes.rank():
            return
        share = loading / max(seconds, 1e-9)
        row = {name: round(value, 5) for name, value in losses.items()}
        row |= {"step": step, "seconds": round(seconds, 3), "loading": round(share, 3)}
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self._show({**losses, "learning rate": rate, "seconds": seconds, "loading": share}, step)
        self._bar.set_postfix(loss=row["loss"], loading=f"{share:.0%}", refresh=False)
        self._bar.update()
        if step % _REPORT_EVERY == 0:
            _LOG.info("%s · loading took %.0f %% of the step", row, 100 * share)

    def _show(self, values: dict[str, float], step: int) -> None:
        try:
            self._accelerator.log(values, step=step)
        except OSError as error:
            # The curves are worth less than the run; a full disk stops it at a checkpoint.
            _LOG.warning("TensorBoard's file cannot be written any more: %s", error)
            self._accelerator.trackers.clear()
