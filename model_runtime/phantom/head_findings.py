"""Bleeding, infarcts and shunts of the head."""

from __future__ import annotations

from math import cos, radians, sin

import numpy as np

from model_runtime.phantom.case import Finding
from model_runtime.phantom.head_frame import Head, side_of
from model_runtime.phantom.scene import Ball, Half, Scene

BLOOD_HU = 68.0
OEDEMA_HU = 19.0
INFARCT_HU = 17.0
SHUNT_HU = 1400.0


def paint_infarcts(scene: Scene, head: Head) -> None:
    """Paint wedges that open to the surface, without sulci or any grey ribbon."""
    for index, finding in enumerate(head.case.findings):
        if finding.kind != "infarct":
            continue
        x, y, z = head.lobe(finding, 24)
        apex = (0.3 * x, 0.3 * y)
        away = np.hypot(x - apex[0], y - apex[1])
        course = np.arctan2(y - apex[1], x - apex[0])
        sides = []
        for turn in (-1, 1):
            edge = float(course) + turn * radians(58)
            normal = (cos(edge), sin(edge), 0.0)
            sides.append(Half(normal, normal[0] * apex[0] + normal[1] * apex[1]))
        depth = Ball((x, y, z), (80.0, 80.0, 27.0), 3.0)
        near = Half(
            (float(np.cos(course)), float(np.sin(course)), 0.0),
            float(np.cos(course) * apex[0] + np.sin(course) * apex[1] + 0.2 * away),
        )
        with scene.showing(index):
            scene.add(head.brain, depth, near, *sides, hu=INFARCT_HU, edge=3.0)


def paint_bleeding(scene: Scene, head: Head) -> None:
    """Paint bleedings in the brain with their oedema, and crescents outside it."""
    for index, finding in enumerate(head.case.findings):
        if finding.kind == "subdural haematoma":
            with scene.showing(index):
                _crescent(scene, head, finding)
        elif finding.kind == "intracerebral haemorrhage":
            _bleeding(scene, head, finding, index)


def _bleeding(scene: Scene, head: Head, finding: Finding, index: int) -> None:
    radius = finding.size / 2
    x, y, z = head.lobe(finding, radius)
    random = np.random.default_rng([head.case.seed, 31])
    with scene.confined(head.brain):
        scene.add(Ball((x, y, z), (radius + 8,) * 3), hu=OEDEMA_HU, edge=3.0)
        with scene.showing(index):
            scene.ball((x, y, z), 0.85 * radius, BLOOD_HU)
            for aside in random.normal(0, 1, (5, 3)):
                lump = np.add((x, y, z), 0.5 * radius * aside / np.linalg.norm(aside))
                scene.ball(lump, 0.52 * radius, BLOOD_HU)


def _crescent(scene: Scene, head: Head, finding: Finding) -> None:
    """Fill what a brain pushed aside leaves free under the skull."""
    side, inner = side_of(finding), head.within(13)
    x, y, z = inner.centre
    a, b, c = inner.radii
    pushed = Ball((x - side * finding.size, y, z), (a, b + 3, c + 3))
    half = Half((float(side), 0.0, 0.0), 6.0)
    scene.add(inner, half, hu=BLOOD_HU, outside=(pushed,))


def paint_shunts(scene: Scene, head: Head) -> None:
    """Paint a tube from a valve under the scalp through a burr hole into the ventricle."""
    for index, finding in enumerate(head.case.findings):
        if finding.kind != "ventricular shunt":
            continue
        side = side_of(finding)
        x, y, z = head.at(side * 0.13, -0.2, 0.14)
        burr = head.at(side * 0.6, 0.55, 0.42)
        with scene.showing(index):
            tip = (x + head.shift, y, z)
            scene.tube((head.at(side * 0.76, 0.6, -0.1), burr, tip), (2.6, 3.0, 2.6), SHUNT_HU)
            scene.ball(burr, (5.5, 5.5, 7.0), SHUNT_HU)
