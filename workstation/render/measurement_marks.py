"""The reader's measurements on a slice, as plain marks."""

from __future__ import annotations

from dataclasses import dataclass

from workstation.core.drawn import DrawnMeasurement
from workstation.core.measurement import ALMOST
from workstation.core.scene import SliceScene
from workstation.render.mapping import Pixel, SliceMapping
from workstation.render.overlay import LINE_HEIGHT, MARGIN, TextMark, Tone

Box = tuple[float, float, float, float]
_GAP = 10.0
_MARK = 6.0
_LETTER_WIDTH = 7.0
_LONGEST_DOUBT = 46


@dataclass(frozen=True)
class PathMark:
    """A line through pixels; closed: back to the first."""

    points: tuple[Pixel, ...]
    closed: bool
    tone: Tone
    width: float = 1.5


@dataclass(frozen=True)
class HandleMark:
    """A round handle at (x, y); filled where its measurement is the chosen one."""

    x: float
    y: float
    tone: Tone
    filled: bool
    radius: float = 4.0
    width: float = 1.2


def measurement_marks(
    scene: SliceScene, mapping: SliceMapping
) -> tuple[PathMark | HandleMark, ...]:
    """Lines and handles of all measurements on a slice, back to front."""
    marks: list[PathMark | HandleMark] = []
    for drawn in scene.measurements:
        tone = _tone(drawn)
        for points, closed in drawn.shapes:
            pixels = tuple(mapping.to_pixel(*point) for point in points)
            paths = (pixels,) if len(pixels) > 1 else _cross(pixels[0])
            marks += [PathMark(path, closed, tone) for path in paths]
        if drawn.selected or not drawn.id:
            places = (mapping.to_pixel(*handle) for handle in drawn.handles)
            marks += [HandleMark(x, y, tone, drawn.selected) for x, y in places]
    return tuple(marks)


def measurement_labels(scene: SliceScene, mapping: SliceMapping) -> tuple[TextMark, ...]:
    """Words beside each measurement, kept inside the pane.

    The reason why values are approximate stands once, beside the one in hand or else the first.
    """
    marks: list[TextMark] = []
    taken: list[Box] = []
    in_hand = (each for each in scene.measurements if each.selected or not each.id)
    explained = next(in_hand, next(iter(scene.measurements), None))
    for drawn in scene.measurements:
        lines = [(line, _tone(drawn)) for line in drawn.lines]
        if drawn.doubt and drawn.lines and drawn is explained:
            lines.append((_because(drawn.doubt), Tone.AMBER))
        box = _free(_box(drawn, mapping, [line for line, _ in lines]), taken, mapping)
        taken.append(box)
        x, y = box[:2]
        marks += [
            TextMark(line, x, y + LINE_HEIGHT * row, tone=tone)
            for row, (line, tone) in enumerate(lines)
        ]
    return tuple(marks)


def _because(doubt: str) -> str:
    short = doubt if len(doubt) <= _LONGEST_DOUBT else doubt[: _LONGEST_DOUBT - 1].rstrip() + "…"
    return f"{ALMOST} {short}"


def _tone(drawn: DrawnMeasurement) -> Tone:
    return Tone.CHOSEN if drawn.selected else Tone.MEASURE


def _cross(middle: Pixel) -> tuple[tuple[Pixel, ...], ...]:
    x, y = middle
    return ((x - _MARK, y), (x + _MARK, y)), ((x, y - _MARK), (x, y + _MARK))


def _box(drawn: DrawnMeasurement, mapping: SliceMapping, lines: list[str]) -> Box:
    """Where the words go: at the right end of what is drawn, moved into the pane."""
    points = [point for shape, _ in drawn.shapes for point in shape] or list(drawn.handles)
    x, y = max(mapping.to_pixel(*point) for point in points)
    width = max((len(line) for line in lines), default=0) * _LETTER_WIDTH
    height = len(lines) * LINE_HEIGHT
    right, bottom = mapping.width - width - MARGIN, mapping.height - height - MARGIN
    left, top = max(MARGIN, min(x + _GAP, right)), max(MARGIN, min(y - height / 2, bottom))
    return left, top, left + width, top + height


def _free(box: Box, taken: list[Box], mapping: SliceMapping) -> Box:
    """Move words down, else up, until they lie on no others; where there is no room, they stay."""
    for down in (True, False):
        left, top, right, bottom = box
        height = bottom - top
        for _ in taken:
            hit = next((each for each in taken if _meet((left, top, right, bottom), each)), None)
            if hit is None:
                break
            top = hit[3] if down else hit[1] - height
            bottom = top + height
        moved = (left, top, right, bottom)
        inside = top >= 0 and bottom <= mapping.height
        if inside and not any(_meet(moved, each) for each in taken):
            return moved
    return box


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
