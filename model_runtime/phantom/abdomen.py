"""Anatomy and findings of the abdomen and pelvis, from the lung bases to the hips."""

from __future__ import annotations

from model_runtime.phantom.abdomen_bones import paint_ribs, paint_spine_and_pelvis
from model_runtime.phantom.abdomen_bowel import (
    paint_colon,
    paint_obstruction,
    paint_small_bowel,
    paint_stomach,
)
from model_runtime.phantom.abdomen_findings import paint_lesions, paint_prosthesis
from model_runtime.phantom.abdomen_frame import HALF, Frame
from model_runtime.phantom.abdomen_kidneys import paint_kidneys
from model_runtime.phantom.abdomen_organs import (
    paint_gallbladder,
    paint_liver,
    paint_pancreas,
    paint_pelvic_organs,
    paint_spleen,
)
from model_runtime.phantom.abdomen_vessels import (
    paint_aneurysm,
    paint_great_vessels,
    paint_mesentery,
)
from model_runtime.phantom.abdomen_wall import (
    paint_ascites,
    paint_back,
    paint_chest_floor,
    paint_wall,
)
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.scene import Scene

__all__ = ["HALF", "build_abdomen"]


def build_abdomen(scene: Scene, case: Case, random: Random) -> None:
    """Paint from the skin inwards; small lesions last, so that nothing hides them."""
    frame = Frame.of(case)
    paint_wall(scene, frame)
    paint_ascites(scene, frame)
    paint_back(scene, frame)
    paint_chest_floor(scene, frame)
    paint_ribs(scene, frame)
    paint_pelvic_organs(scene, frame, random)
    paint_small_bowel(scene, frame, random)
    paint_colon(scene, frame, random)
    paint_spine_and_pelvis(scene, frame)
    paint_obstruction(scene, frame)
    paint_stomach(scene, frame, random)
    paint_spleen(scene, frame)
    paint_kidneys(scene, frame)
    paint_liver(scene, frame, random)
    paint_pancreas(scene, frame)
    paint_gallbladder(scene, frame)
    paint_mesentery(scene, frame)
    paint_great_vessels(scene, frame)
    paint_aneurysm(scene, frame)
    paint_lesions(scene, frame)
    paint_prosthesis(scene, frame)
