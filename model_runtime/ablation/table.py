"""The answer to a question as Markdown, with what it says about the paper's claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_runtime.evaluation.summary import interval
from model_runtime.evaluation.tables import table

Answer = Mapping[str, Any]
_SECONDS = "training seconds"
_APART = "less the paper's"


def markdown(answer: Answer) -> str:
    """Lay out figures with intervals, the differences from the paper's choice, and verdicts."""
    budget, choices = answer["budget"], ", ".join(sorted(set(answer["compared with"].values())))
    return "\n".join(
        (
            f"Each variant saw {budget['seen']} cases (batches of {budget['batch']} unless its "
            f"name tells another, learning rate {budget['rate']}, seed {budget['seed']}) and was "
            f"judged on {answer['held-out cases']} held-out cases. The paper's choice: "
            f"{choices}. Brackets hold the 95 % interval of a bootstrap over cases.\n",
            table(["figure", *answer["variants"]], list(_rows(answer))),
            *(f"- {sentence}" for sentence in verdicts(answer)),
            "",
        )
    )


def _rows(answer: Answer) -> Iterator[list[str]]:
    variants, own = answer["variants"], answer["compared with"]
    for figure in _figures(answer):
        yield [figure, *(interval(row[figure]["value"], 2) for row in variants.values())]
        apart = (
            "–" if own[name] == name else interval(row[figure][_APART], 2)
            for name, row in variants.items()
        )
        yield [f"… {_APART}", *apart]
    yield [_SECONDS, *(f"{row[_SECONDS]:.0f}" for row in variants.values())]


def _figures(answer: Answer) -> list[str]:
    return [name for name in next(iter(answer["variants"].values())) if name != _SECONDS]


def verdicts(answer: Answer) -> list[str]:
    """Say for each figure whether the paper's choice is better or worse, or neither shows."""
    said = []
    for figure in _figures(answer):
        parts = [
            f"{own} {_compared(answer['variants'][name][figure][_APART], figure)} {name}"
            for name, own in answer["compared with"].items()
            if name != own
        ]
        said.append(f"{figure}: {', '.join(parts)}.")
    return said


def _compared(apart: Mapping[str, float], figure: str) -> str:
    """Compare the paper's choice with a variant by the interval of their difference."""
    if apart["low"] <= 0 <= apart["high"]:
        return "cannot be told from"
    less_is_better = "entropy" in figure
    return "is better than" if (apart["low"] > 0) == less_is_better else "is worse than"
