"""What the model saw, in the reader's words."""

from __future__ import annotations

from model_runtime.api import Provenance


def what_it_saw(receipt: Provenance) -> str:
    """Say in one line which pixels a result is about."""
    parts = [receipt.series or "unnamed series"]
    if receipt.slices is not None:
        first, last = receipt.slices
        parts.append(f"slices {first + 1}–{last + 1} of {receipt.slice_count}")
    if receipt.window is not None:
        low, high = f"{receipt.window.low:.0f}", f"{receipt.window.high:.0f}"
        parts.append(f"{receipt.region} window {low}…{high} HU".replace("-", "−"))
    if receipt.grid is not None and receipt.decimation is not None:
        grid = "×".join(str(count) for count in receipt.grid)
        z, y, x = receipt.decimation
        parts.append(f"seen as {grid}, {z:.1f}× / {y:.1f}× / {x:.1f}× decimated (z / y / x)")
    return " · ".join(parts)


def whole_receipt(receipt: Provenance) -> str:
    """Write everything that made a result, a line each."""
    lines = [
        f"Model: {receipt.model}" + (" (demonstration)" if receipt.demonstration else ""),
        f"Weights: {receipt.weights_sha256[:16]}…",
        f"Saw: {what_it_saw(receipt)}",
        f"Prompt: {receipt.prompt}",
        f"Seed {receipt.seed}, temperature {receipt.temperature:g}, {receipt.tokens} tokens",
        f"Took {receipt.seconds:.2f} s, {receipt.created}",
        *(f"Note: {note}" for note in receipt.notes),
    ]
    return "\n".join(lines)
