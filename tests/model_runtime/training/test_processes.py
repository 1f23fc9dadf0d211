"""Two processes training together learn what one does on the whole batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model_runtime.training.contrastive import ContrastiveStage, Objective
from model_runtime.training.loop import Recipe, train
from model_runtime.training.volumes import VolumeStore

SCRIPT = Path(__file__).parent / "scripts" / "together.py"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _train(folder: Path, steps: int, world: int, repository: Path, *words: str) -> None:
    shared = {"PYTHONPATH": str(repository), "WORLD_SIZE": str(world)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    runs = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), str(steps), *words],
            env=os.environ | shared | {"RANK": str(rank)},
        )
        for rank in range(world)
    ]
    assert [run.wait(timeout=120) for run in runs] == [0] * world


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The run of one process that two have to repeat."""
    folder = tmp_path_factory.mktemp("runs") / "alone"
    _train(folder, 6, 1, repository)
    return folder


@pytest.mark.parametrize("words", [(), ("fsdp",)], ids=["copies", "shards"])
def test_two_processes_learn_what_one_does_and_resume(
    alone: Path, words: tuple[str, ...], tmp_path: Path, repository: Path
) -> None:
    both = tmp_path / "both"
    _train(both, 6, 2, repository, *words)
    rows = [[json.loads(line) for line in (f / "log.jsonl").open()] for f in (alone, both)]
    assert [row["step"] for row in rows[1]] == list(range(6))
    losses = [[row["loss"] for row in side] for side in rows]
    assert losses[1] == pytest.approx(losses[0], abs=2e-5)
    ends = [torch.load(f / "checkpoint.pt", weights_only=True)["module"] for f in (alone, both)]
    for name in ends[0]:
        torch.testing.assert_close(ends[1][name], ends[0][name], rtol=1e-4, atol=1e-5)
    # Both go on from the first one's checkpoint.
    _train(both, 8, 2, repository, *words)
    assert torch.load(both / "checkpoint.pt", weights_only=True)["step"] == 8


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_the_encoder_learns_by_either_published_loss(
    loss: str, siglip_config: object, words: object, store: VolumeStore, run: Path
) -> None:
    torch.manual_seed(0)
    stage = ContrastiveStage(
        siglip_config, (1, 1), words, store, objective=Objective(loss, labels=0.0)
    )
    losses = train(stage, Recipe(24, batch=6, learning_rate=3e-3, warmup=3), run)
    assert sum(losses[-5:]) < (0.95 if loss == "softmax" else 0.6) * sum(losses[:5])
