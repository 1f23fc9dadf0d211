"""The figures as pictures; drawn without a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from model_runtime.evaluation.retrieval import KS, WAYS

Table = dict[str, Any]
_GREYS = ("#1f5fa8", "#8a8a8a", "#b5b5b5", "#d0b070", "#e2e2e2")
"""The model's colour, then those of the baselines."""
_BLUES = ("#123a66", "#1f5fa8", "#84b2e0")


def plot_all(results: Table, folder: Path) -> list[Path]:
    """Draw what there is; returns the pictures' paths."""
    paths = []
    for name, told in results["protocols"].items():
        for part, draw in _drawings(told):
            path = folder / f"{name} {part}.png".replace(",", "").replace(" ", "-")
            _save(path, f"{part}, {name} protocol\n{results['data']}", draw)
            paths.append(path)
    return paths


def _drawings(told: Table) -> Iterator[tuple[str, Callable[[Axes], None]]]:
    """Yield a title with what draws it."""
    if "retrieval" in told:
        yield "retrieval", partial(_recall, counts=told["retrieval"])
    if "reports" in told:
        yield "reports", partial(_reports, rows=told["reports"])
        if told["reports"].get("calibration of sentences"):
            sentences = told["reports"]["calibration of sentences"]
            yield "calibration of sentences", partial(_reliable, told=sentences)
    if "open questions" in told:
        yield "open questions, METEOR", partial(_types, rows=told["open questions"]["METEOR"])
    for part, rows in told.items():
        if part.startswith("closed"):
            yield part, partial(_types, rows=rows)
            if "calibration" in rows:
                yield "calibration", partial(_reliable, told=rows["calibration"])


def _save(path: Path, title: str, draw: Callable[[Axes], None]) -> None:
    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path)


def _recall(axes: Axes, counts: Table) -> None:
    """Draw recall against the number of items, a line for each k and way."""
    numbers = [int(count) for count in counts]
    for way, style, marker in zip(WAYS, ("-", "--"), ("o", "s"), strict=True):
        for k, colour in zip(KS, _BLUES, strict=True):
            rows = [counts[str(count)][way][f"R@{k}"] for count in numbers]
            axes.errorbar(
                numbers,
                [row["value"] for row in rows],
                _errors(rows),
                color=colour,
                linestyle=style,
                marker=marker,
                capsize=3,
                label=f"{way}, R@{k}",
            )
    axes.set(xlabel="items to search", ylabel="found, %", ylim=(0, 102), xticks=numbers)


def _reports(axes: Axes, rows: Table) -> None:
    metrics = [name for name, held in rows["model"].items() if isinstance(held, dict)]
    writers = [name for name in rows if isinstance(rows[name], dict) and metrics[0] in rows[name]]
    _bars(axes, metrics, {name: [rows[name][metric] for metric in metrics] for name in writers})
    axes.set(ylabel="score")


def _types(axes: Axes, rows: Table) -> None:
    kinds = list(rows["model"])
    writers = [name for name, held in rows.items() if isinstance(held, dict) and kinds[0] in held]
    _bars(axes, kinds, {name: [rows[name][kind] for kind in kinds] for name in writers})
    axes.set(ylabel="%", ylim=(0, 105))


def _bars(axes: Axes, groups: Sequence[str], series: dict[str, list[Table]]) -> None:
    """Draw a group of bars for each name, with intervals."""
    width = 0.8 / len(series)
    for place, (name, rows) in enumerate(series.items()):
        axes.bar(
            [n + (place - (len(series) - 1) / 2) * width for n in range(len(groups))],
            [row["value"] for row in rows],
            width,
            yerr=_errors(rows),
            color=_GREYS[place % len(_GREYS)],
            capsize=2,
            label=name,
        )
    axes.set_xticks(range(len(groups)), groups)


def _errors(rows: Sequence[Table]) -> list[list[float]]:
    """Distances of the bounds from the figures, as matplotlib wants them."""
    return [
        [max(0.0, row["value"] - row["low"]) for row in rows],
        [max(0.0, row["high"] - row["value"]) for row in rows],
    ]


def _reliable(axes: Axes, told: Table) -> None:
    """Draw share right against confidence; the size of a dot is the number of answers."""
    bins = told["bins"]
    axes.plot([0, 1], [0, 1], color=_GREYS[1], linestyle=":")
    axes.scatter(
        [row["confidence"] for row in bins],
        [row["accuracy"] for row in bins],
        [20 + 300 * row["n"] / told["n"] for row in bins],
        color=_GREYS[0],
    )
    label = f"stated probability (ECE {told['ece']:.3f})"
    axes.set(xlabel=label, ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
