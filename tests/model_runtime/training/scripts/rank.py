"""One process of a group: computes its share of both losses and writes what it got."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from model_runtime.training.distributed_loss import gathered_softmax_loss, ring_sigmoid_loss

WIDTH = 8


class Towers(nn.Module):
    """A volume and a text tower, small enough to compare every gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.t_prime = nn.Parameter(torch.tensor(1.5))
        self.bias = nn.Parameter(torch.tensor(-2.0))

    def forward(self, volumes: Tensor, words: Tensor) -> tuple[Tensor, ...]:
        image = functional.normalize(self.image(volumes), dim=-1)
        text = functional.normalize(self.text(words), dim=-1)
        # Temperature and bias leave by the forward too, so that they are averaged as the rest.
        return image, text, self.t_prime * 1, self.bias * 1


def share(kind: str, inputs: tuple[Tensor, Tensor], averaged: bool) -> dict[str, Tensor]:
    """Loss of the batch, gradients of this process's vectors and of the parameters, combined."""
    torch.manual_seed(0)
    towers = Towers()
    # Kept by name: gradients are only averaged while the wrapper lives.
    run = DistributedDataParallel(towers) if averaged else towers
    image, text, t_prime, bias = run(*inputs)
    image.retain_grad()
    text.retain_grad()
    if kind == "softmax":
        loss = gathered_softmax_loss(image, text, t_prime, averaged=averaged) + 0 * bias
    else:
        loss = ring_sigmoid_loss(image, text, t_prime, bias, chunk=2, averaged=averaged)
    loss.backward()
    grads = {name: parameter.grad for name, parameter in towers.named_parameters()}
    if not averaged:
        for grad in grads.values():
            dist.all_reduce(grad)
    share_of = dist.get_world_size() if averaged else 1
    vectors = {"image": image.grad / share_of, "text": text.grad / share_of}
    return {"loss": loss.detach(), **vectors, **grads}


def main() -> None:
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world
    )
    whole = torch.load(Path(folder) / "inputs.pt", weights_only=True)
    out = {}
    for name, counts in whole["cases"].items():
        start = sum(counts[:rank])
        own = tuple(side[start : start + counts[rank]] for side in whole["inputs"])
        for kind in ("sigmoid", "softmax"):
            for averaged in (False, True):
                out[f"{name} {kind} {averaged}"] = share(kind, own, averaged)
    torch.save(out, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
