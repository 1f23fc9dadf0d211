"""The chest: from the skin inwards, and what is wrong in it."""

from __future__ import annotations

from dataclasses import replace

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
    RIGHT_BLOOD,
    paint_great_vessels,
    paint_heart,
    paint_mediastinum,
)
from model_runtime.phantom.chest_lungs import paint_airways, paint_tissue, paint_vessels, spared_of
from model_runtime.phantom.chest_wall import paint_below, paint_bones, paint_wall
from model_runtime.phantom.scene import Scene

__all__ = ["HALF", "build_chest"]


def build_chest(scene: Scene, case: Case, random: Random) -> None:
    """Paint the wall, the lungs, what lies between them, and bones; small lesions last."""
    frame = frame_of(case)
    lungs = lungs_of(frame, case)
    paint_wall(scene, case, frame)
    paint_air(scene, case, lungs)
    paint_tissue(scene, case, lungs, random)
    paint_emphysema(scene, case, lungs)
    paint_ground_glass(scene, case, lungs)
    _paint_trees(scene, case, frame, random)
    paint_consolidations(scene, case, lungs)
    paint_fluid(scene, case, lungs)
    paint_below(scene, case, frame)
    _paint_middle(scene, case, frame)
    paint_airways(scene, frame, lungs)
    paint_bones(scene, case, frame)
    paint_devices(scene, case, frame)
    paint_lesions(scene, case, lungs)


def _paint_trees(scene: Scene, case: Case, frame: Frame, random: Random) -> None:
    """Paint the vessels of both lungs, drawn as if nothing were wrong."""
    healthy = lungs_of(frame, replace(case, findings=()))
    for side, lung in lungs_of(frame, case).items():
        blood = 0.85 * RIGHT_BLOOD[case.phase]
        paint_vessels(scene, (healthy[side], lung), spared_of(case), blood, random)


def _paint_middle(scene: Scene, case: Case, frame: Frame) -> None:
    paint_mediastinum(scene, frame)
    paint_heart(scene, case, frame)
    paint_nodes(scene, case, frame)
    paint_great_vessels(scene, case, frame)
    gullet = frame.path((-2, 24, 160), (4, 24, 40), (8, 26, -20), (24, 10, -110))
    scene.tube(gullet, (7.5, 7.5, 8.0, 8.5), 42.0)
