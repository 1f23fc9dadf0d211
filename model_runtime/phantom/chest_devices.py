"""What surgeons leave in a chest: ports and wires."""

from __future__ import annotations

from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.chest_frame import Frame
from model_runtime.phantom.scene import Point, Scene

_METAL = 2800.0


def paint_devices(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint ports with their lines, and the wires that close a breastbone."""
    for number, finding in enumerate(case.findings):
        with scene.showing(number):
            if finding.kind == "port catheter":
                _port(scene, finding, frame)
            elif finding.kind == "sternotomy wires":
                _wires(scene, frame)


def _port(scene: Scene, finding: Finding, frame: Frame) -> None:
    """Paint a chamber under the skin and its line over the collar bone to the heart."""
    sign = -1.0 if finding.place == "right" else 1.0
    x, z = sign * 84 * frame.scale[0], 72 * frame.scale[2]
    chamber = (x, frame.front(x, z, frame.body) + 10, z)
    scene.ball(chamber, (15, 8, 14), _METAL)
    scene.ball((x, chamber[1] - 1, z), (8, 5, 8), 300.0)
    way: list[Point] = [chamber, frame.at(sign * 66, -76, 112), frame.at(sign * 46, -36, 128)]
    way += frame.path((-32, -14, 104)) if sign < 0 else frame.path((22, -32, 92), (-18, -20, 76))
    way += frame.path((-28, -10, 60), (-27, -14, 5))
    scene.tube(way, (2.2,) * len(way), 1600.0)


def _wires(scene: Scene, frame: Frame) -> None:
    """Paint loops around the breastbone with a knot in front of each."""
    y = frame.front(0.0, 30.0, frame.muscle) + 12
    for height in range(-14, 92, 18):
        z = height * frame.scale[2]
        loop = ((-16, y, z), (-9, y - 9, z), (9, y - 9, z), (16, y, z), (9, y + 9, z))
        scene.tube((*loop, (-9, y + 9, z), loop[0]), (1.8,) * 7, _METAL)
        scene.ball((0, y - 11, z), 3.5, _METAL)
