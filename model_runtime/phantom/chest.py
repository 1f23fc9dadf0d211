"""The chest: its parts in the order in which they are painted."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.chest_devices import paint_devices
from model_runtime.phantom.chest_findings import (
    paint_air,
    paint_consolidations,
    paint_emphysema,
    paint_fluid,
    paint_ground_glass,
    paint_lesions,
    paint_nodes,
)
from model_runtime.phantom.chest_frame import HALF, Frame, frame_of, lungs_of
from model_runtime.phantom.chest_heart import (
    paint_great_vessels,
    paint_heart,
    paint_mediastinum,
)
from model_runtime.phantom.chest_lungs import paint_airways, paint_tissue, paint_vessels, spared_of
from model_runtime.phantom.chest_wall import paint_below, paint_bones, paint_wall
from model_runtime.phantom.scene import Scene
from model_runtime.phantom.skeleton import ribs, spine

__all__ = ["HALF", "build_chest"]

_BLOOD = {"non-contrast": 30.0, "arterial": 160.0, "portal venous": 120.0, "delayed": 90.0}
_SPINE = {"upper thoracic spine": 72.0, "mid thoracic spine": 4.0, "lower thoracic spine": -66.0}
_RIB_LEVELS = (128.0, 104.0, 79.0, 53.0, 26.0, -2.0, -31.0, -60.0, -90.0)


def build_chest(scene: Scene, case: Case, random: Random) -> None:
    """Paint from the skin inwards, then what is wrong, small lesions last."""
    frame = frame_of(case)
    lungs = lungs_of(frame, case)
    healthy = {lung.side: lung for lung in _uncollapsed(frame, case)}
    paint_wall(scene, case, frame)
    paint_mediastinum(scene, frame)
    paint_air(scene, case, lungs)
    paint_tissue(scene, case, lungs, random)
    paint_emphysema(scene, case, lungs)
    for side, lung in lungs.items():
        paint_vessels(scene, case, lung, healthy[side], _BLOOD[case.phase], random)
    paint_ground_glass(scene, case, lungs)
    paint_fluid(scene, case, lungs)
    paint_consolidations(scene, case, lungs)
    paint_below(scene, case, frame)
    paint_heart(scene, case, frame)
    paint_great_vessels(scene, case, frame)
    paint_airways(scene, frame, lungs)
    paint_nodes(scene, case, frame)
    paint_lesions(scene, case, lungs)
    _bones(scene, case, frame)
    paint_devices(scene, case, frame)


def _uncollapsed(frame: Frame, case: Case):
    from dataclasses import replace

    rest = tuple(finding for finding in case.findings if finding.kind != "pneumothorax")
    return lungs_of(frame, replace(case, findings=rest)).values()


def _bones(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint spine, ribs, breastbone and collar bones."""
    tall = frame.scale[2]
    x, y, _ = frame.at(0, 56, 0)
    places = {place: z * tall for place, z in _SPINE.items()}
    spine(scene, case, (x, y), (-160 * tall, 160 * tall), places, step=25 * tall, radii=(17, 14))
    for level in _RIB_LEVELS:
        z = level * tall
        rest = 1 - abs((z - frame.cavity.centre[2]) / frame.cavity.radii[2]) ** frame.cavity.power
        narrow = float(max(rest, 0.15)) ** (1 / frame.cavity.power)
        half = [narrow * radius + 6 for radius in frame.cavity.radii[:2]]
        ribs(scene, half, (z,), middle=frame.shift, thick=5.0)
    paint_bones(scene, case, frame)
