"""What stands on an image besides its pixels, as plain marks that Qt or Pillow can paint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from workstation.core.geometry import Plane, Point, orientation_letters
from workstation.core.scene import Corners, SliceScene
from workstation.render.mapping import SliceMapping

LINE_HEIGHT = 15
MARGIN = 8
_BANNER_HEIGHT = 22
_CROSS_GAP = 12.0
_MIDDLE = 16.0
_LETTER_WIDTH = 7.4
_AXES: tuple[Point, Point, Point] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class Tone(Enum):
    """Colour of a mark by meaning, as RGB."""

    TEXT = (222, 223, 226)
    DIM = (150, 152, 158)
    AMBER = (240, 178, 60)
    AXIAL = (232, 84, 78)
    SAGITTAL = (232, 206, 70)
    CORONAL = (96, 200, 110)
    MODEL = (167, 139, 218)
    MODEL_TEXT = (208, 192, 246)
    MEASURE = (110, 214, 226)
    CHOSEN = (255, 255, 255)

    @classmethod
    def of(cls, plane: Plane) -> Tone:
        """Colour of a plane's line in the other planes."""
        return cls[plane.name]


@dataclass(frozen=True)
class TextMark:
    """A line of text at (x, y); ``align`` is −1, 0 or 1: left/top, middle, right/bottom."""

    text: str
    x: float
    y: float
    align: tuple[int, int] = (-1, -1)
    tone: Tone = Tone.TEXT
    large: bool = False


@dataclass(frozen=True)
class LineMark:
    """A straight line."""

    x0: float
    y0: float
    x1: float
    y1: float
    tone: Tone
    width: float = 1.0


@dataclass(frozen=True)
class BannerMark:
    """A strip across the top with a warning in its middle."""

    text: str
    width: float
    height: float
    tone: Tone = Tone.AMBER


Mark = TextMark | LineMark | BannerMark


def slice_marks(
    scene: SliceScene, mapping: SliceMapping, readout: tuple[str, ...] = ()
) -> tuple[Mark, ...]:
    """Everything to paint over a slice, back to front."""
    width, height = float(mapping.width), float(mapping.height)
    top = _BANNER_HEIGHT if scene.other_patient else 0
    corners = (*scene.corners[:2], (*readout, *scene.corners[2]), scene.corners[3])
    return (
        *_crosshair(scene, mapping),
        *corner_marks(corners, width, height, top),
        *_letters(scene, width, height, top),
        *(_scale_bar(scene, mapping) if any(scene.letters) else ()),
        *_warnings(scene, width, top),
        *_banner(scene, width),
        *(() if scene.available else (_middle("Not loaded", width, height),)),
    )


def describe_point(point: Point, value: int | None, unit: str, calibrated: bool) -> tuple[str, ...]:
    """Lines for the point under the mouse: value, and LPS position by the sides' letters."""
    parts = (
        f"{orientation_letters([-c if coordinate < 0 else c for c in axis])} {abs(coordinate):.1f}"
        for axis, coordinate in zip(_AXES, point, strict=True)
    )
    place = "  ".join(parts) + (" mm" if calibrated else " px")
    return (place,) if value is None else (f"{value} {unit}".rstrip(), place)


def corner_marks(
    corners: Corners, width: float, height: float, top: float = 0
) -> tuple[TextMark, ...]:
    """Lines of text in the corners, growing towards the middle."""
    marks = []
    for number, lines in enumerate(corners):
        right, bottom = number % 2, number // 2
        x = width - MARGIN if right else MARGIN
        start = height - MARGIN - LINE_HEIGHT * len(lines) if bottom else top + MARGIN
        marks += [
            TextMark(
                _fitted(line, width), x, start + LINE_HEIGHT * row, (1 if right else -1, -1)
            )
            for row, line in enumerate(lines)
        ]
    return tuple(marks)


def _fitted(line: str, width: float) -> str:
    """Shorten a line that would reach the letter in the middle of the edge."""
    room = max(8, int((width / 2 - _MIDDLE) / _LETTER_WIDTH))
    return line if len(line) <= room else line[: room - 1].rstrip() + "…"


def _crosshair(scene: SliceScene, mapping: SliceMapping) -> tuple[LineMark, ...]:
    if scene.cross is None:
        return ()
    x, y = mapping.to_pixel(*scene.cross)
    upright, level = _PLANES_ACROSS[scene.plane]
    gap, width, height = _CROSS_GAP, float(mapping.width), float(mapping.height)
    return (
        LineMark(x, 0.0, x, y - gap, Tone.of(upright)),
        LineMark(x, y + gap, x, height, Tone.of(upright)),
        LineMark(0.0, y, x - gap, y, Tone.of(level)),
        LineMark(x + gap, y, width, y, Tone.of(level)),
    )


_PLANES_ACROSS = {
    Plane.AXIAL: (Plane.SAGITTAL, Plane.CORONAL),
    Plane.CORONAL: (Plane.SAGITTAL, Plane.AXIAL),
    Plane.SAGITTAL: (Plane.CORONAL, Plane.AXIAL),
}


def _letters(scene: SliceScene, width: float, height: float, top: float) -> tuple[TextMark, ...]:
    places = (
        (MARGIN, height / 2, (-1, 0)),
        (width - MARGIN, height / 2, (1, 0)),
        (width / 2, top + 4, (0, -1)),
        (width / 2, height - 4, (0, 1)),
    )
    return tuple(
        TextMark(letter, x, y, align, large=True)
        for letter, (x, y, align) in zip(scene.letters, places, strict=True)
        if letter
    )


def scale_length(mm_per_pixel: float, longest: float) -> float:
    """Longest of 1, 2, 5 × 10ⁿ mm that takes at most ``longest`` pixels."""
    lengths = (step * 10.0**power for power in range(-3, 5) for step in (1, 2, 5))
    fitting = [length for length in lengths if length <= longest * mm_per_pixel]
    return fitting[-1] if fitting else longest * mm_per_pixel


def _scale_bar(scene: SliceScene, mapping: SliceMapping) -> tuple[Mark, ...]:
    length = scale_length(mapping.mm_per_pixel, min(mapping.width * 0.25, 160))
    half = length / mapping.mm_per_pixel / 2
    x, y = mapping.width / 2, mapping.height - 26.0
    if scene.calibrated:
        text = f"{length / 10:g} cm" if length >= 10 else f"{length:g} mm"
    else:
        text = f"{length:g} px"
    return (
        LineMark(x - half, y, x + half, y, Tone.TEXT, 2.0),
        LineMark(x - half, y - 4, x - half, y + 1, Tone.TEXT, 1.0),
        LineMark(x + half, y - 4, x + half, y + 1, Tone.TEXT, 1.0),
        TextMark(text, x, y - 3, (0, 1)),
    )


def _warnings(scene: SliceScene, width: float, top: float) -> tuple[TextMark, ...]:
    """Warnings stay whatever the overlay level: top right, below the corner's text."""
    start = top + MARGIN + LINE_HEIGHT * len(scene.corners[1])
    return tuple(
        TextMark(line, width - MARGIN, start + LINE_HEIGHT * row, (1, -1), Tone.AMBER)
        for row, line in enumerate(_warning_lines(scene))
    )


def _warning_lines(scene: SliceScene) -> tuple[str, ...]:
    return (
        *(f"⚠ {badge}" for badge in scene.badges),
        *(() if scene.calibrated else ("⚠ px not mm",)),
        *(("SYNTHETIC",) if scene.synthetic else ()),
    )


def under_warnings(scene: SliceScene) -> float:
    """Pixels from the top at which the top right corner is free."""
    rows = len(scene.corners[1]) + len(_warning_lines(scene))
    return (_BANNER_HEIGHT if scene.other_patient else 0) + MARGIN + LINE_HEIGHT * rows


def _banner(scene: SliceScene, width: float) -> tuple[BannerMark, ...]:
    if not scene.other_patient:
        return ()
    return (BannerMark("OTHER PATIENT", width, _BANNER_HEIGHT),)


def _middle(text: str, width: float, height: float) -> TextMark:
    return TextMark(text, width / 2, height / 2, (0, 0), Tone.DIM)
