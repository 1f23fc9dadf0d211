"""The contrastive losses across processes, equal to one process's on the whole batch.

Every process holds some pairs of the batch, not necessarily as many as the others. Each
function returns the loss of the whole batch, the same number everywhere, and leaves in each
process's own vectors the gradient of that loss. Outside ``torch.distributed`` both work on
the process's own batch.

``t_prime``, ``bias`` and the networks behind the vectors are copies of one another, so their
gradients still have to be put together. ``averaged`` says how that is done: by the mean over
processes, as DistributedDataParallel and FSDP do (then every gradient here is multiplied by
the number of processes), or by the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


@dataclass(frozen=True)
class _Ranks:
    """The place of this process among the others, and how many pairs each of them holds."""

    own: int
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, rows: Tensor) -> _Ranks:
        if not (dist.is_available() and dist.is_initialized()):
            return cls(0, (len(rows),))
        mine = torch.tensor([len(rows)], device=rows.device)
        counts = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, mine)
        return cls(dist.get_rank(), tuple(int(count) for count in counts))

    @property
    def world(self) -> int:
        return len(self.sizes)

    @property
    def pairs(self) -> int:
        return sum(self.sizes)

    @property
    def first(self) -> int:
        """Place of this process's first pair in the whole batch."""
        return sum(self.sizes[: self.own])

    def total(self, value: Tensor) -> Tensor:
        """Sum a value over the processes; no gradient passes."""
        value = value.detach().clone()
        if self.world > 1:
            dist.all_reduce(value)
        return value


def ring_sigmoid_loss(
    image: Tensor,
    text: Tensor,
    t_prime: Tensor,
    bias: Tensor,
    *,
    chunk: int = 256,
    averaged: bool = True,
) -> Tensor:
    """Pairwise sigmoid loss of arXiv 2303.15343, averaged over the pairs of all processes.

    The texts travel around the processes in a ring with the gradient they have gathered so
    far. Beside one foreign block of texts, memory holds B × ``chunk`` logits at a time.

    Parameters
    ----------
    image, text : Tensor, shape (B, width)
        This process's unit vectors; row i of both belong together. B may be 0 here.
    t_prime, bias : Tensor, scalar
        Log temperature and bias, the same on every process.
    chunk : int
        Texts compared at a time.
    averaged : bool
        Whether the parameters' gradients are averaged over processes afterwards, or summed.

    Raises
    ------
    ValueError
        Where the vectors do not pair up or no process holds any.
    """
    ranks = _checked(image, text, chunk)
    with torch.autocast(image.device.type, enabled=False):
        loss: Tensor = _RingSigmoid.apply(  # type: ignore[no-untyped-call]
            image.float(), text.float(), t_prime.float(), bias.float(), (ranks, chunk, averaged)
        )
    return loss


def gathered_softmax_loss(
    image: Tensor, text: Tensor, t_prime: Tensor, *, averaged: bool = True
) -> Tensor:
    """Symmetric softmax (CLIP, InfoNCE) loss over the pairs of all processes, for comparison.

    The mean of the cross-entropies of volume to text and of text to volume. A softmax needs
    the whole row, so memory holds B × all logits, twice.

    Parameters
    ----------
    image, text, t_prime, averaged
        As in :func:`ring_sigmoid_loss`; there is no bias, a softmax would not see it.

    Raises
    ------
    ValueError
        Where the vectors do not pair up or no process holds any.
    """
    ranks = _checked(image, text, 1)
    with torch.autocast(image.device.type, enabled=False):
        image, text, scale = image.float(), text.float(), t_prime.float().exp()
        own = torch.arange(ranks.first, ranks.first + len(image), device=image.device)
        share = sum(
            functional.cross_entropy(scale * a @ _gathered(b, ranks).T, own, reduction="sum")
            for a, b in ((image, text), (text, image))
        ) / (2 * ranks.pairs)
        assert isinstance(share, Tensor)
        # The value is the whole batch's, the gradient this process's share of it.
        graded = share * ranks.world if averaged else share
        return graded - graded.detach() + ranks.total(share)


def _checked(image: Tensor, text: Tensor, chunk: int) -> _Ranks:
    if image.shape != text.shape or image.ndim != 2:
        raise ValueError(
            f"volumes and texts do not pair up: {tuple(image.shape)}, {tuple(text.shape)}"
        )
    if chunk < 1:
        raise ValueError(f"a chunk holds at least one text, not {chunk}")
    ranks = _Ranks.of(image)
    if not ranks.pairs:
        raise ValueError("no process holds any pair")
    return ranks


class _RingSigmoid(torch.autograd.Function):
    """Value and all gradients in one way around the ring."""

    @staticmethod
    def forward(  # noqa: PLR0917
        ctx: Any,  # noqa: ANN401
        image: Tensor,
        text: Tensor,
        t_prime: Tensor,
        bias: Tensor,
        settings: tuple[_Ranks, int, bool],
    ) -> Tensor:
        ranks, chunk, averaged = settings
        sums = _Sums(image, t_prime.exp(), bias, ranks.pairs, chunk)
        block = text.new_zeros((2, max(ranks.sizes), text.shape[1]))
        block[0, : len(text)] = text
        for turn in range(ranks.world):
            owner = (ranks.own - turn) % ranks.world
            count = ranks.sizes[owner]
            sums.add(block[0, :count], block[1, :count], own=owner == ranks.own)
            if ranks.world > 1:
                block = _passed_on(block, ranks)
        # After a whole way around the block is at home again.
        grads = (sums.image, block[1, : len(text)], sums.t_prime, sums.bias)
        factor = ranks.world if averaged else 1
        ctx.save_for_backward(*(grad * factor for grad in grads))
        return ranks.total(sums.loss)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        return (*(grad * saved for saved in ctx.saved_tensors), None)


class _Sums:
    """Loss of this process's volumes with the texts met so far, and its gradients."""

    def __init__(self, image: Tensor, scale: Tensor, bias: Tensor, pairs: int, chunk: int) -> None:
        self._vectors, self._scale, self._bias = image, scale, bias
        self._pairs, self._chunk = pairs, chunk
        self.image = torch.zeros_like(image)
        self.t_prime, self.bias = torch.zeros_like(scale), torch.zeros_like(bias)
        self.loss = image.new_zeros(())

    def add(self, text: Tensor, grad: Tensor, *, own: bool) -> None:
        """Meet a block of texts and add to its gradient in place; ``own``: they pair up."""
        for start in range(0, len(text), self._chunk):
            part = slice(start, start + self._chunk)
            cosines = self._vectors @ text[part].T
            logits = cosines * self._scale + self._bias
            signs = torch.full_like(logits, -1)
            if own:
                signs.diagonal(-start).fill_(1)
            self.loss -= functional.logsigmoid(signs * logits).sum() / self._pairs
            slope = -signs * torch.sigmoid(-signs * logits) / self._pairs
            self.bias += slope.sum()
            self.t_prime += (slope * cosines).sum() * self._scale
            self.image += slope @ text[part] * self._scale
            grad[part] += slope.T @ self._vectors * self._scale


def _passed_on(block: Tensor, ranks: _Ranks) -> Tensor:
    """Give the block to the next process and take the previous one's."""
    taken = torch.empty_like(block)
    after, before = (ranks.own + 1) % ranks.world, (ranks.own - 1) % ranks.world
    moves = [dist.P2POp(dist.isend, block, after), dist.P2POp(dist.irecv, taken, before)]
    for move in dist.batch_isend_irecv(moves):
        move.wait()
    return taken


class _Gather(torch.autograd.Function):
    """All processes' rows in order; the gradient of a row comes from all of them."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: _Ranks) -> Tensor:  # noqa: ANN401
        ctx.ranks = ranks
        padded = rows.new_zeros((max(ranks.sizes), rows.shape[1]))
        padded[: len(rows)] = rows
        blocks = [torch.empty_like(padded) for _ in ranks.sizes]
        dist.all_gather(blocks, padded)
        return torch.cat(
            [block[:count] for block, count in zip(blocks, ranks.sizes, strict=True)]
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        ranks: _Ranks = ctx.ranks
        whole = ranks.total(grad)
        return whole[ranks.first : ranks.first + ranks.sizes[ranks.own]], None


def _gathered(rows: Tensor, ranks: _Ranks) -> Tensor:
    if ranks.world == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows, ranks)  # type: ignore[no-untyped-call]
    return gathered
