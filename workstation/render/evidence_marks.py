"""The model's evidence on a slice: blocks as large as the cells are, and what they are not.

Kept apart from the other marks: pictures that leave the window are made without these.
"""

from __future__ import annotations

from dataclasses import dataclass

from workstation.core.scene import SliceScene
from workstation.render.mapping import Pixel, SliceMapping
from workstation.render.overlay import LINE_HEIGHT, MARGIN, TextMark, Tone, under_warnings

MOST_OPAQUE = 0.4
"""Opacity of the strongest cell: the scan stays readable under it."""


@dataclass(frozen=True)
class BlockMark:
    """A convex polygon in the picture's pixels, filled with one colour."""

    outline: tuple[Pixel, ...]
    opacity: float
    tone: Tone = Tone.MODEL


def evidence_blocks(scene: SliceScene, mapping: SliceMapping) -> tuple[BlockMark, ...]:
    """Blocks to paint between a slice's pixels and its other marks; stronger is denser."""
    if scene.evidence is None or not scene.available:
        return ()
    return tuple(
        BlockMark(
            tuple(mapping.to_pixel(right, down) for right, down in block.outline),
            MOST_OPAQUE * block.strength,
        )
        for block in scene.evidence.blocks
    )


def evidence_legend(scene: SliceScene, mapping: SliceMapping) -> tuple[TextMark, ...]:
    """Lines at the top right, below the warnings; they stay whatever the overlay level."""
    if scene.evidence is None:
        return ()
    start = under_warnings(scene)
    return tuple(
        TextMark(line, mapping.width - MARGIN, start + LINE_HEIGHT * row, (1, -1), Tone.MODEL_TEXT)
        for row, line in enumerate(scene.evidence.legend)
    )
