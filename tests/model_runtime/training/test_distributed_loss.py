"""The loss of several processes is one process's on the whole batch, and so is every gradient."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from model_runtime.siglip import sigmoid_loss
from model_runtime.training.distributed_loss import gathered_softmax_loss, ring_sigmoid_loss

SCRIPT = Path(__file__).parent / "scripts" / "rank.py"
WIDTH = 8


def _softmax_reference(image: Tensor, text: Tensor, t_prime: Tensor) -> Tensor:
    logits = image @ text.T * t_prime.exp()
    own = torch.arange(len(image))
    both = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
    return both / 2


def _reference(kind: str, inputs: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """One process's loss and gradients on all pairs; the towers as the script builds them."""
    torch.manual_seed(0)
    towers = {"image": torch.nn.Linear(WIDTH, WIDTH), "text": torch.nn.Linear(WIDTH, WIDTH)}
    sides = [
        functional.normalize(tower(rows), dim=-1)
        for tower, rows in zip(towers.values(), inputs, strict=True)
    ]
    for side in sides:
        side.retain_grad()
    t_prime, bias = torch.tensor(1.5, requires_grad=True), torch.tensor(-2.0, requires_grad=True)
    if kind == "softmax":
        loss = _softmax_reference(*sides, t_prime) + 0 * bias
    else:
        loss = sigmoid_loss(*sides, t_prime, bias)
    loss.backward()
    out = {"loss": loss.detach(), "t_prime": t_prime.grad, "bias": bias.grad}
    out |= {name: side.grad for name, side in zip(towers, sides, strict=True)}
    for name, tower in towers.items():
        out |= {f"{name}.{part}": value.grad for part, value in tower.named_parameters()}
    return out


@pytest.mark.parametrize(
    "cases",
    [
        {"equal": (4, 4), "last batch": (5, 2), "one is done": (3, 0)},
        {"equal": (3, 3, 3), "last batch": (4, 1, 3), "one is done": (0, 5, 2)},
    ],
    ids=["two processes", "three processes"],
)
def test_processes_together_equal_one(
    cases: dict[str, tuple[int, ...]], tmp_path: Path, repository: Path
) -> None:
    torch.manual_seed(7)
    inputs = (torch.randn(9, WIDTH), torch.randn(9, WIDTH))
    torch.save({"inputs": inputs, "cases": cases}, tmp_path / "inputs.pt")
    world = len(cases["equal"])
    ranks = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(rank), str(world), str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(repository)},
        )
        for rank in range(world)
    ]
    assert [rank.wait(timeout=120) for rank in ranks] == [0] * world
    got = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(world)]
    for name, counts in cases.items():
        for kind in ("sigmoid", "softmax"):
            whole = _reference(kind, tuple(side[: sum(counts)] for side in inputs))
            for averaged in (False, True):
                shares = [one[f"{name} {kind} {averaged}"] for one in got]
                _compare(shares, whole, counts)


def _compare(
    shares: list[dict[str, Tensor]], whole: dict[str, Tensor], counts: tuple[int, ...]
) -> None:
    assert shares[0].keys() == whole.keys()
    for side in ("image", "text"):
        together = torch.cat([share[side] for share in shares])
        assert len(together) == sum(counts)
        torch.testing.assert_close(together, whole[side], rtol=1e-5, atol=1e-6)
    for name in whole.keys() - {"image", "text"}:
        for share in shares:
            torch.testing.assert_close(share[name], whole[name], rtol=1e-5, atol=1e-6)


class _Largest(TorchDispatchMode):
    """Note the largest tensor that anything computes."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def _vectors(rows: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    pair = functional.normalize(torch.randn(2, rows, WIDTH), dim=-1)
    return pair[0].clone().requires_grad_(), pair[1].clone().requires_grad_()


def test_memory_holds_a_chunk_of_logits_only() -> None:
    image, text = _vectors(96)
    with _Largest() as seen:
        ring_sigmoid_loss(image, text, torch.tensor(2.0), torch.tensor(-3.0), chunk=4).backward()
    assert seen.numbers <= 2 * 96 * WIDTH < 96 * 96


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_of_any_size_give_the_published_loss(chunk: int) -> None:
    t_prime, bias = torch.tensor(2.0, requires_grad=True), torch.tensor(-5.0, requires_grad=True)
    leaves = (*_vectors(7), t_prime, bias)
    ours = ring_sigmoid_loss(*leaves, chunk=chunk)
    published = sigmoid_loss(*leaves)
    assert ours.item() == pytest.approx(published.item(), rel=1e-6)
    expected = torch.autograd.grad(3 * published, leaves)
    for mine, theirs in zip(torch.autograd.grad(3 * ours, leaves), expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_half_precision_around_does_not_narrow_the_loss() -> None:
    leaves = (*_vectors(7), torch.tensor(2.0), torch.tensor(-5.0))
    with torch.autocast("cpu", torch.bfloat16):
        sigmoid, softmax = ring_sigmoid_loss(*leaves), gathered_softmax_loss(*leaves[:3])
    assert sigmoid.item() == pytest.approx(sigmoid_loss(*leaves).item(), rel=1e-6)
    assert softmax.item() == pytest.approx(_softmax_reference(*leaves[:3]).item(), rel=1e-6)


def test_vectors_that_do_not_pair_up_are_refused() -> None:
    image, text = _vectors(4)
    numbers = torch.tensor(2.0), torch.tensor(-5.0)
    with pytest.raises(ValueError, match="pair up"):
        ring_sigmoid_loss(image, text[:3], *numbers)
    with pytest.raises(ValueError, match="no process"):
        ring_sigmoid_loss(image[:0], text[:0], *numbers)
    with pytest.raises(ValueError, match="chunk"):
        ring_sigmoid_loss(image, text, *numbers, chunk=0)
