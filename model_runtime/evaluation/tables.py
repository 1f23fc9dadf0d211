"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """Lay out what :func:`model_runtime.evaluation.measure.measure` returns."""
    reports, others = results["reports"], results["reports of another scan"]
    plain = [name for name in reports if name != "by finding"]
    closed = results["closed questions"]
    kinds = list(closed["model"])
    parts = [
        f"### Reports ({results['cases']} held-out synthetic cases)\n",
        table(
            ("measure", "draft of the scan", "draft of another scan"),
            ((name, number(reports[name]), number(others[name])) for name in plain),
        ),
        "### Findings in the drafts\n",
        table(
            ("finding", "cases", "precision", "recall", "F1"),
            (
                (kind, str(row["n"]), number(row["P"]), number(row["R"]), number(row["F1"]))
                for kind, row in reports["by finding"].items()
            ),
        ),
        "### Closed questions, share right\n",
        table(
            ("answered by", *kinds),
            ((name, *(number(row[kind]) for kind in kinds)) for name, row in closed.items()),
        ),
        "### Retrieval and text search\n",
        table(
            ("measure", "value"),
            (
                (name, number(value))
                for name, value in (results["retrieval"] | results["text search"]).items()
            ),
        ),
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float | None) -> str:
    """Write a figure: whole numbers as they are, others with three decimals."""
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
