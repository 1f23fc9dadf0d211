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
        _table(
            ("measure", "draft of the scan", "draft of another scan"),
            ((name, _number(reports[name]), _number(others[name])) for name in plain),
        ),
        "### Findings in the drafts\n",
        _table(
            ("finding", "cases", "precision", "recall", "F1"),
            (
                (kind, str(row["n"]), _number(row["P"]), _number(row["R"]), _number(row["F1"]))
                for kind, row in reports["by finding"].items()
            ),
        ),
        "### Closed questions, share right\n",
        _table(
            ("answered by", *kinds),
            ((name, *(_number(row[kind]) for kind in kinds)) for name, row in closed.items()),
        ),
        "### Retrieval and text search\n",
        _table(
            ("measure", "value"),
            (
                (name, _number(value))
                for name, value in (results["retrieval"] | results["text search"]).items()
            ),
        ),
    ]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
