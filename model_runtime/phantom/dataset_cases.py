"""One synthetic case on disk: as a volume of M3D's kind, as NIfTI with masks, as DICOM."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_runtime.config import demo_config
from model_runtime.phantom.case import Case
from model_runtime.phantom.dicom import SYNTHETIC, study_date, write_study
from model_runtime.phantom.language import report, short_name
from model_runtime.phantom.render import acquire, masks, render_for_model

Shape = tuple[int, int, int]
SHAPES: dict[str, Shape] = {"m3d": (32, 256, 256), "nifti": (96, 256, 256), "dicom": (96, 256, 256)}
"""Voxels (slices, rows, columns) where none are told; those of ``m3d`` are M3D-Cap's."""


def report_of(case: Case) -> str:
    """Return the case's report, the same everywhere."""
    return report(case, np.random.default_rng(case.seed))


def image_name(case: Case) -> str:
    """Name a volume of M3D's kind by plane and phase, as M3D-Cap does."""
    phase = case.phase.replace(" ", "_").replace("-", "_")
    return f"{case.plane.capitalize()}_{phase}.npy"


def truth_of(case: Case) -> dict[str, Any]:
    """Describe a case as it was drawn; findings are numbered as in its label map."""
    return {
        "id": f"SYNTHETIC-{case.seed:06d}",
        "notice": SYNTHETIC,
        "seed": case.seed,
        "held_out_style": case.held_out,
        "region": case.region.value,
        "sex": case.sex,
        "age": case.age,
        "date": study_date(case).isoformat(),
        "phase": case.phase,
        "plane": case.plane,
        "slice_thickness_mm": round(case.thickness, 3),
        "findings": [
            {
                "label": label,
                "name": short_name(found),
                "kind": found.kind,
                "place": found.place,
                "size_mm": found.size,
                "count": found.count,
                "degree": found.degree,
            }
            for label, found in enumerate(case.findings, start=1)
        ],
        "report": report_of(case),
    }


def label_map(case: Case, shape: Shape, index_to_lps: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Mark the findings of an acquisition: 0 for none, n for the nth finding.

    Where two overlap, the smaller one is on top.

    Parameters
    ----------
    case
        Who was scanned.
    shape
        (slices, rows, columns) of the acquisition.
    index_to_lps
        Its matrix, of (column, row, slice, 1) indices.
    """
    steps = index_to_lps[:3, 2::-1]
    order = [2 - int(axis) for axis in np.abs(steps).argmax(axis=0)]
    turned = tuple(place for place in range(3) if steps[2 - order[place], place] < 0)
    sizes = [0, 0, 0]
    for axis, count in zip(order, shape, strict=True):
        sizes[axis] = count
    shown = masks(case, (sizes[0], sizes[1], sizes[2]))
    out = np.zeros(shape, np.uint8)
    for place in sorted(range(len(shown)), key=lambda place: -int(shown[place].sum())):
        out[np.flip(shown[place].transpose(order), turned)] = place + 1
    return out


def write_case(case: Case, layout: str, target: Path, shape: Shape) -> bool:
    """Write a case as a folder, whole or not at all; one that is there is left as it is.

    Returns
    -------
    bool
        Whether it was written.
    """
    if target.is_dir():
        return False
    part = target.with_name(f"{target.name}.part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    _WRITERS[layout](case, part, shape)
    part.rename(target)
    return True


def _write_m3d(case: Case, folder: Path, shape: Shape) -> None:
    """Write 1 × slices × rows × columns from 0 to 1, and the text."""
    grey = render_for_model(case, shape, demo_config(1).input.windows[case.region])
    low, high = grey.min(), grey.max()
    np.save(folder / image_name(case), ((grey - low) / (high - low))[None].astype(np.float32))
    text = f"study_findings:\n{report_of(case)}\n"
    (folder / "text.txt").write_text(text, encoding="utf-8")


def _write_nifti(case: Case, folder: Path, shape: Shape) -> None:
    voxels, matrix = acquire(case, shape)
    labels = label_map(case, shape, matrix)
    _save_nifti(folder / "ct.nii.gz", voxels, matrix, case.region.value)
    _save_nifti(folder / "findings.nii.gz", labels, matrix, "0 none, n the nth finding")
    litres = abs(float(np.linalg.det(matrix[:3, :3]))) * 1e-6
    truth = truth_of(case)
    for told in truth["findings"]:
        voxels_of = int((labels == told["label"]).sum())
        told |= {"voxels": voxels_of, "volume_ml": round(voxels_of * litres * 1000, 3)}
    text = json.dumps(truth, indent=1, ensure_ascii=False) + "\n"
    (folder / "truth.json").write_text(text, encoding="utf-8")
    (folder / "report.txt").write_text(report_of(case) + "\n", encoding="utf-8")


def _save_nifti(
    path: Path,
    voxels: NDArray[np.int16] | NDArray[np.uint8],
    matrix: NDArray[np.float64],
    description: str,
) -> None:
    """Write slices × rows × columns; ITK turns the matrix from LPS to NIfTI's RAS."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetMetaData("ITK_FileNotes", description)  # becomes the header's description
    sitk.WriteImage(image, str(path), useCompression=True)


def _write_dicom(case: Case, folder: Path, shape: Shape) -> None:
    write_study(case, folder, shape)


_WRITERS: dict[str, Callable[[Case, Path, Shape], None]] = {
    "m3d": _write_m3d,
    "nifti": _write_nifti,
    "dicom": _write_dicom,
}
LAYOUTS: tuple[str, ...] = tuple(_WRITERS)
