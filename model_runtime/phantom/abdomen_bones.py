"""Where the bones of the trunk lie in the abdomen."""

from __future__ import annotations

from model_runtime.phantom.abdomen_frame import Frame
from model_runtime.phantom.scene import Point, Scene
from model_runtime.phantom.skeleton import CORTEX_HU, pelvis, ribs, spine

_SPINE_Y = 38.0
_CREST = -45.0
_SPONGY_HU = 165.0
# The vertebrae that carry the findings of the two parts of the lumbar spine.
_PLACES = {"upper lumbar spine": 58.0, "lower lumbar spine": -42.0}


def paint_ribs(scene: Scene, frame: Frame) -> None:
    """Paint the lowest ribs in the wall; the last two end in the flank."""
    half, front, back = frame.wall
    ellipse = (half - 6, (back - front) / 2 - 6)
    height = frame.scale[2]
    ribs(scene, ellipse, [z * height for z in (86, 114)], round_to=0.08, drop=36, thick=4.5)
    ribs(scene, ellipse, [z * height for z in (144, 174, 204)], round_to=-0.3, drop=66, thick=5)


def paint_spine_and_pelvis(scene: Scene, frame: Frame) -> None:
    """Paint the lumbar and lowest thoracic spine, sacrum, hip bones and thigh bones."""
    x, y, low = frame.at(0, _SPINE_Y, -84)
    height, grow = frame.scale[2], frame.grow
    places = {place: z * height for place, z in _PLACES.items()}
    radii = (22.0 * grow, 17.0 * grow)
    step = 33.0 * height
    spine(scene, frame.case, (x, y), (low, 212 * height), places, step=step, radii=radii)
    pelvis(scene, frame.case, _hips(frame), y, _CREST * height)
    _spongy_bone(scene, frame, y)


def _spongy_bone(scene: Scene, frame: Frame, spine_y: float) -> None:
    """Paint the loose bone inside sacrum, hip sockets and heads of the thigh bones.

    It keeps them from being as white as metal in a window for soft tissue.
    """
    top = _CREST * frame.scale[2]
    sacrum = ((0, spine_y + 4, top - 38), (0, spine_y + 20, top - 75), (0, spine_y + 26, top - 106))
    scene.tube(sacrum, (26, 18, 7), _SPONGY_HU)
    for sign in (-1, 1):
        x, y, z = femoral_head(frame, sign)
        scene.ball((x - sign * 6, y + 2, z + 4), 28.5, _SPONGY_HU)
        shaft = (sign * 0.72 * _hips(frame)[0], 0.1 * _hips(frame)[1], top - 160)
        neck = (0.5 * (x + shaft[0]), 0.5 * (y + shaft[1]), 0.5 * (z + shaft[2]))
        scene.ball((x, y, z), 26, 60)
        scene.ball((x, y, z), 24, CORTEX_HU)
        scene.tube(((x, y, z), neck, shaft), (15, 13, 15), CORTEX_HU)
        scene.ball((x, y, z), 21.5, _SPONGY_HU)
        scene.tube(((x, y, z), neck, shaft), (12, 9, 11), _SPONGY_HU)


def _hips(frame: Frame) -> tuple[float, float]:
    half, front, back = frame.wall
    return half - 4, (back - front) / 2


def femoral_head(frame: Frame, sign: int) -> Point:
    """Return the middle of the head of the right (-1) or left (1) thigh bone."""
    half, depth = _hips(frame)
    return sign * (0.56 * half + 6), 0.08 * depth - 2, _CREST * frame.scale[2] - 122
