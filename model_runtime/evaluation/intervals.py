"""Confidence intervals by the bootstrap: what other test cases might have given.

Whole cases are drawn with replacement, since the questions of one scan stand or fall
together. A statistic is given how often each item was drawn, for all rounds at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
ROUNDS = 2000
SEED = 20261124
_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure and the bounds within which 95 % of the bootstrap's figures lie."""

    value: float
    low: float
    high: float
    n: int

    def table(self) -> dict[str, Any]:
        """Give the figure as it is written to JSON."""
        return asdict(self)


def mean_of(values: Sequence[float] | Values) -> Statistic:
    """Make the statistic "mean of values"; of no drawn item at all it is not a number."""
    array = np.asarray(values, np.float64)
    return lambda drawn: _ratio(drawn @ array, drawn.sum(axis=1))


def mean_of_types(values: Sequence[float] | Values, types: Sequence[str]) -> Statistic:
    """Make the statistic "unweighted mean over the types of the mean of each type"."""
    array, kinds = np.asarray(values, np.float64), np.asarray(types)
    masks = [kinds == kind for kind in sorted(set(types))]

    def statistic(drawn: Values) -> Values:
        means = [_ratio(drawn[:, mask] @ array[mask], drawn[:, mask].sum(axis=1)) for mask in masks]
        # A type of which nothing was drawn takes no part in that round.
        present = np.isfinite(means)
        return _ratio(np.where(present, means, 0).sum(axis=0), present.sum(axis=0))

    return statistic


def difference(first: Statistic, second: Statistic) -> Statistic:
    """Make the paired difference of two statistics: both see the same drawn items."""
    return lambda drawn: first(drawn) - second(drawn)


def estimate(
    statistic: Statistic,
    clusters: Sequence[object] | int,
    rounds: int = ROUNDS,
    seed: int = SEED,
) -> Estimate:
    """Compute a figure with its percentile interval.

    Parameters
    ----------
    statistic
        Takes how often each item was drawn, shape (rounds, items); gives (rounds,).
    clusters
        The case of each item, or the number of items where each is a case of its own.

    Raises
    ------
    ValueError
        Where there is nothing to draw from.
    """
    names: Sequence[object] = range(clusters) if isinstance(clusters, int) else clusters
    if not len(names):
        raise ValueError("There are no items to compute a figure of.")
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    case_of = np.array([numbers[name] for name in names])
    random = np.random.default_rng(seed)
    shares = np.full(len(numbers), 1 / len(numbers))
    figures = np.concatenate(
        [
            statistic(random.multinomial(len(numbers), shares, part)[:, case_of].astype(np.float64))
            for part in _parts(rounds, len(names))
        ]
    )
    edge = 100 * (1 - _LEVEL) / 2
    low, high = np.nanpercentile(figures, (edge, 100 - edge))
    whole = float(statistic(np.ones((1, len(names))))[0])
    return Estimate(whole, float(low), float(high), len(names))


def _parts(rounds: int, items: int) -> list[int]:
    """Cut the rounds so that no more than about 4 million counts are held at a time."""
    size = max(1, 4_000_000 // items)
    return [min(size, rounds - start) for start in range(0, rounds, size)]


def _ratio(above: Values, below: Values) -> Values:
    with np.errstate(invalid="ignore"):
        quotient: Values = np.divide(above, below)
    return quotient
