"""What is around the lungs: skin, fat, muscle, breasts, shoulder blades, and what is below."""

from __future__ import annotations

import math

import numpy as np

from model_runtime.phantom.case import Case
from model_runtime.phantom.chest_frame import Frame, domes_of, larger
from model_runtime.phantom.scene import Ball, Half, Point, Scene, Texture
from model_runtime.phantom.skeleton import CORTEX_HU, spine, sternum

_FAT, _MUSCLE = -100.0, 52.0
_LIVER = {"non-contrast": 58.0, "arterial": 72.0, "portal venous": 112.0, "delayed": 95.0}
_SPLEEN = {"non-contrast": 48.0, "arterial": 125.0, "portal venous": 118.0, "delayed": 96.0}


def paint_wall(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint fat under the skin, muscle with fat between, and the cavity's own fat."""
    if case.sex == "female":
        _breasts(scene, case, frame)
    scene.add(frame.body, hu=_FAT)
    scene.add(frame.muscle, hu=_MUSCLE, texture=Texture(9.0, 9.0, case.seed))
    for sign in (-1, 1):
        with scene.confined(frame.muscle):
            scene.ball(frame.at(sign * 138, -4, 62), frame.wide(11, 34, 46), _FAT)
            scene.tube(frame.path((sign * 62, 99, 128), (sign * 128, 62, 20)), (3.0, 2.0), _FAT)
            scene.tube(frame.path((sign * 40, -88, 100), (sign * 118, -66, 50)), (2.5, 2.0), _FAT)
        _blade(scene, frame, sign)
    scene.add(larger(frame.cavity, 2.5), hu=_MUSCLE)
    scene.add(frame.cavity, hu=_FAT)


def _breasts(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint breasts of fat with strands of gland, within the depth left for them."""
    front = -112.0 * case.depth
    for sign in (-1, 1):
        centre = (sign * 76 * frame.scale[0], front + 38, -18 * frame.scale[2])
        scene.ball(centre, (48 * frame.scale[0], 37, 46), _FAT)
        for high, low in ((14, -16), (2, 4), (-12, 18)):
            start = (centre[0] + low, front + 14, centre[2] + high)
            scene.tube((start, (centre[0], front + 4, centre[2])), (7.0, 3.0), 20.0)


def _blade(scene: Scene, frame: Frame, sign: int) -> None:
    """Paint a shoulder blade as a fan of flat struts on the ribs, with its spine."""

    def on_ribs(turn: float, height: float, away: float) -> Point:
        z = height * frame.scale[2]
        x, y = frame.round_at(turn * math.pi, z)
        return sign * (x + away * math.cos(turn * math.pi)), y + away * math.sin(turn * math.pi), z

    tip = on_ribs(0.28, 2, 9)
    with scene.confined(frame.muscle):
        for turn in (0.34, 0.29, 0.24, 0.19):
            scene.tube((on_ribs(turn, 92, 10), tip), (3.5, 3.0), 360.0)
        scene.tube((on_ribs(0.34, 82, 12), on_ribs(0.12, 100, 24)), (3.5, 7.0), CORTEX_HU)


def paint_below(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint the diaphragm's two domes and the organs under them."""
    right, left = domes_of(frame, case)
    with scene.confined(frame.cavity):
        scene.add(right, hu=_MUSCLE)
        scene.add(left, hu=_MUSCLE)
        scene.add(larger(left, -4), hu=_FAT)
        scene.add(
            larger(right, -3), hu=_LIVER[case.phase], texture=Texture(7.0, 8.0, case.seed + 1)
        )
        _stomach_and_spleen(scene, case, left, frame)


def _stomach_and_spleen(scene: Scene, case: Case, dome: Ball, frame: Frame) -> None:
    x, y, z = dome.centre
    top = z + dome.radii[2]
    scale = frame.scale
    stomach = Ball((x - 14 * scale[0], y - 26 * scale[1], top - 40), (40, 34 * scale[1], 34), 2.2)
    with scene.confined(larger(dome, -4)):
        scene.add(stomach, hu=45.0)
        scene.add(larger(stomach, -4), hu=22.0)
        scene.add(larger(stomach, -4), Half((0.0, -1.0, 0.0), -stomach.centre[1] + 6), hu=-990.0)
        spleen = (x + 24 * scale[0], y + 34 * scale[1], top - 50)
        scene.ball(spleen, (32, 30 * scale[1], 40), _SPLEEN[case.phase])


def paint_bones(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint ribs, spine with its findings, breastbone and collar bones."""
    tall = frame.scale[2]
    for level in range(-110, 130, 27):
        for sign in (-1, 1):
            _rib(scene, frame, sign, level * tall)
    places = {
        "upper thoracic spine": 98 * tall,
        "mid thoracic spine": 18 * tall,
        "lower thoracic spine": -62 * tall,
    }
    spine(scene, case, (0.0, frame.at(0, 50, 0)[1]), (-160 * tall, 160 * tall), places)
    sternum(scene, frame.front(0.0, 30.0, frame.muscle) + 11, (-28 * tall, 96 * tall))
    for sign in (-1, 1):
        scene.tube(
            frame.path((sign * 20, -72, 100), (sign * 70, -66, 122), (sign * 112, -20, 142)),
            (6.5, 5.0, 5.5),
            CORTEX_HU,
        )


def _rib(scene: Scene, frame: Frame, sign: int, level: float) -> None:
    """Paint a rib on the cavity, sinking to the front, where it turns to cartilage."""
    angles = np.pi * np.array((0.42, 0.3, 0.1, -0.1, -0.26, -0.38))
    path = []
    for angle, fall in zip(angles, (0.0, 4.0, 18.0, 34.0, 46.0, 46.0), strict=True):
        x, y = frame.round_at(float(angle), level - fall)
        path.append((sign * x, y, level - fall))
    scene.tube(path[:-1], (5.0, 5.5, 5.5, 5.5, 5.5), CORTEX_HU)
    scene.tube(path[-2:], (5.5, 5.0), 130.0)
