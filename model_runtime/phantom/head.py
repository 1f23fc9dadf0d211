"""The head: from the skin inwards, and what is wrong in it."""

from __future__ import annotations

from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.head_brain import (
    paint_brain,
    paint_hindbrain,
    paint_midline,
    paint_ventricles,
)
from model_runtime.phantom.head_findings import paint_bleeding, paint_infarcts, paint_shunts
from model_runtime.phantom.head_frame import HALF, Head
from model_runtime.phantom.scene import Ball, Scene

__all__ = ["HALF", "build_head"]

_TABLE_HU = 1100.0
_DIPLOE_HU = 550.0


def build_head(scene: Scene, case: Case, random: Random) -> None:
    """Paint scalp, skull, brain and ventricles, and what is wrong."""
    head = Head.of(case)
    _skull(scene, head)
    paint_brain(scene, head, random)
    paint_infarcts(scene, head)
    paint_midline(scene, head)
    paint_ventricles(scene, head)
    paint_hindbrain(scene, head, random)
    _base(scene, head)
    _face(scene, head)
    paint_bleeding(scene, head)
    paint_shunts(scene, head)


def _skull(scene: Scene, head: Head) -> None:
    w, d, h = head.size
    scene.add(Ball((0, -0.22 * d, -1.05 * h), (0.8 * w, 0.74 * d, 0.62 * h), 2.4), hu=42)
    scene.add(Ball((0, 0.4 * d, -1.1 * h), (0.62 * w, 0.42 * d, 0.55 * h), 2.4), hu=52)
    fat = 3.0 + 2.0 * head.case.fat
    layers = ((0.0, 38), (1.5, -75), (fat, 45), (6.0, _TABLE_HU), (8.5, _DIPLOE_HU))
    for depth, hu in (*layers, (10.5, _TABLE_HU), (13.0, 9)):
        scene.add(head.within(depth), hu=hu)


def _base(scene: Scene, head: Head) -> None:
    """Paint the ridges of the skull's base with the air cells behind the ears."""
    with scene.confined(head.within(7)):
        clivus = (head.at(0, -0.04, -0.72), head.at(0, 0.14, -1.02))
        scene.tube(clivus, (7, 10), 700)
        for sign in (-1, 1):
            petrous = (
                head.at(sign * 0.13, 0.02, -0.8),
                head.at(sign * 0.5, 0.2, -0.78),
                head.at(sign * 0.82, 0.36, -0.72),
            )
            scene.tube(petrous, (5, 8, 13), 900)
            wing = (head.at(sign * 0.1, -0.24, -0.66), head.at(sign * 0.8, -0.42, -0.52))
            scene.tube(wing, (4, 5), 800)
            for number in range(4):
                cell = head.at(sign * (0.62 + 0.06 * number), 0.27 + 0.04 * number, -0.76)
                scene.ball(cell, 4.5, -750)


def _face(scene: Scene, head: Head) -> None:
    """Paint frontal sinus, orbits, eyes and the air between them at the field's lower end."""
    w, d, h = head.size
    scene.ball((0, -0.8 * d, -0.72 * h), (0.26 * w, 9, 14), _TABLE_HU)
    scene.ball((0, -0.8 * d, -0.72 * h), (0.22 * w, 6.5, 11), -950)
    scene.add(Ball((0, -0.62 * d, -1.06 * h), (13, 24, 18), 3.0), hu=-850)
    for sign in (-1, 1):
        orbit = head.at(sign * 0.42, -0.66, -1.02)
        scene.ball(orbit, (21, 27, 20), _TABLE_HU)
        scene.ball(orbit, (18, 26, 17), -80)
        scene.tube((orbit, head.at(sign * 0.2, -0.32, -0.96)), (2.5, 2.5), 38)
        scene.ball((orbit[0], -0.8 * d, orbit[2]), 12, 45)
        scene.ball((orbit[0], -0.8 * d, orbit[2]), 10.5, 14)
