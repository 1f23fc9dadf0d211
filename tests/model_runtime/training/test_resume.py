"""A run that is killed, or whose disk fills up, goes on from its last whole checkpoint."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model_runtime.training.checkpointing import CheckpointError
from model_runtime.training.loop import DivergedError, Recipe, Stopwatch, train

SCRIPT = Path(__file__).parent / "scripts" / "killed.py"
Start = Callable[[Path, str, int], subprocess.CompletedProcess[str]]


@pytest.fixture
def start(repository: Path) -> Start:
    def run(folder: Path, accident: str = "none", at: int = -1) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), str(folder), accident, str(at)],
            env=os.environ | {"PYTHONPATH": str(repository)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def _losses(folder: Path) -> dict[int, float]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").open()]
    return {row["step"]: row["loss"] for row in rows}


def _step(folder: Path) -> int:
    return int(torch.load(folder / "checkpoint.pt", weights_only=True)["step"])


def test_a_run_killed_twice_computes_the_losses_of_an_unbroken_one(
    start: Start, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(whole).returncode == 0
    assert start(cut, "kill", 6).returncode == -signal.SIGKILL
    assert _step(cut) == 4
    # Again from step 4, killed while it writes the checkpoint of step 8.
    assert start(cut, "kill-in-save", 2).returncode == -signal.SIGKILL
    assert (cut / "checkpoint.part").read_bytes() == b"PK half"
    assert _step(cut) == 4
    assert start(cut).returncode == 0
    assert _losses(cut) == _losses(whole)
    assert len(_losses(whole)) == _step(cut) == 12
    assert not (cut / "checkpoint.part").exists()
    ends = [torch.load(f / "checkpoint.pt", weights_only=True)["module"] for f in (whole, cut)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_full_disk_keeps_the_previous_checkpoint_and_says_so(
    start: Start, tmp_path: Path
) -> None:
    done = start(tmp_path, "full-disk", 5)
    assert done.returncode == 1
    assert f"{tmp_path / 'checkpoint.pt'} is the last good one" in done.stderr
    assert "the checkpoint of step 8 cannot be written" in done.stderr
    assert _step(tmp_path) == 4
    assert not (tmp_path / "checkpoint.part").exists()
    assert start(tmp_path).returncode == 0
    assert _step(tmp_path) == 12


class _Line:
    """A line through the origin; its third loss or gradient is what the test wants it to be."""

    def __init__(self, gradient: float = 1.0, data: str = "a") -> None:
        torch.manual_seed(0)
        self.module = nn.Linear(2, 1)
        self.loading, self.data = Stopwatch(), data
        self._gradient, self._steps = gradient, 0

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        with self.loading:
            rows = torch.from_numpy(random.standard_normal((recipe.batch, 2))).float()
        self._steps += 1
        loss = self.module(rows).square().mean()
        if self._steps == 3:
            loss.register_hook(lambda grad: grad * self._gradient)
        return {"loss": loss}


def test_a_gradient_that_is_no_number_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    recipe = Recipe(9, batch=4, warmup=1, checkpoint_every=2)
    with pytest.raises(DivergedError, match=r"norm of step 2 .*checkpoint\.pt of step 2"):
        train(_Line(float("inf")), recipe, tmp_path)
    good = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["module"]
    assert all(torch.isfinite(value).all() for value in good.values())
    with pytest.raises(DivergedError, match="no checkpoint yet"):
        train(_Line(float("nan")), Recipe(9, batch=4, warmup=1), tmp_path / "new")


def test_a_damaged_checkpoint_is_named_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    train(_Line(), Recipe(2, batch=4, warmup=1), tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    for content in (path.read_bytes(), b"", b"not a checkpoint at all"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged"):
            train(_Line(), Recipe(4, batch=4, warmup=1), tmp_path)
        assert path.read_bytes() == content


def test_a_resumed_run_says_what_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(_Line(), Recipe(2, batch=4, warmup=1), tmp_path)
    with caplog.at_level(logging.WARNING):
        train(_Line(), Recipe(2, batch=4, warmup=1), tmp_path)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        train(_Line(data="b"), Recipe(3, batch=5, warmup=1), tmp_path)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "batch was 4 up to step 2 and is 5 now" in said
    assert "data was a up to step 2 and is b now" in said


def test_the_log_shows_the_share_of_loading(tmp_path: Path) -> None:
    train(_Line(), Recipe(5, batch=4, warmup=1), tmp_path)
    shares = [json.loads(line)["loading"] for line in (tmp_path / "log.jsonl").open()]
    assert all(0 < share < 1 for share in shares)
