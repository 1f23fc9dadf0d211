"""What must be said of a series whose slices do not simply make a grid."""

from __future__ import annotations

import numpy as np

from workstation.core.geometry import Vector
from workstation.core.study import Notice, Severity, SliceSource

NO_SPACING = Notice(
    "The header does not give the pixel spacing: distances are shown in pixels.",
    badge="no pixel spacing",
)
NO_POSITIONS = Notice(
    "The header does not say where the slices lie: they are shown in stored order, and "
    "orientation and distances across slices are not reliable.",
    badge="positions unknown",
)


def missing_notice(missing: list[int], start: float, step: float, normal: Vector) -> Notice:
    """Say how many slices are missing, and where, for grid places from ``start`` mm on."""
    noun = "slice is" if len(missing) == 1 else "slices are"
    axis = "RAS"[int(np.argmax(np.abs(normal)))]
    places = ", ".join(f"{start + index * step:.1f}" for index in missing[:40])
    return Notice(
        f"{len(missing)} {noun} missing from this series; their places stay empty.",
        badge=f"{len(missing)} missing slices" if len(missing) > 1 else "1 missing slice",
        details=f"Missing at (mm along the slice normal, mainly {axis}): {places}",
    )


def thickness_notices(slices: list[SliceSource], step: float) -> list[Notice]:
    """Say it where thin slices lie far apart (mm)."""
    thickness = slices[0].thickness
    if not thickness or thickness <= 0 or step <= thickness * 1.1:
        return []
    text = f"Slices {thickness:g} mm thick lie {step:g} mm apart: what is between was not scanned."
    return [Notice(text, Severity.INFO)]


def cosine_notices(source: SliceSource) -> list[Notice]:
    """Say it where the image axes had to be corrected."""
    axes = np.array(source.orientation, dtype=np.float64).reshape(2, 3)
    skew = max(abs(float(axes[0] @ axes[1])), *np.abs(np.linalg.norm(axes, axis=1) - 1))
    if skew <= 1e-3:
        return []
    return [
        Notice(
            "The header's image axes are not at right angles or not of unit length; they were "
            "corrected, and distances are approximate.",
            badge="axes corrected",
            details=f"largest deviation {skew:.4f}",
        )
    ]


def resampled_notices(
    heights: Vector, step: float, angle: float, *, even: bool, empty: int
) -> tuple[Notice, ...]:
    """Say what was done to slices at ``heights`` mm to make a grid of ``step`` mm."""
    gaps = np.diff(heights)
    done, short = [], []
    if angle > 0.1:
        done.append(f"slices shifted sideways to undo a gantry tilt of {angle:.1f}°")
        short.append(f"tilt {angle:.1f}°")
    if not even:
        done.append(
            f"slices {gaps.min():.2f} to {gaps.max():.2f} mm apart interpolated linearly to "
            f"one every {step:.2f} mm"
        )
        short.append("uneven spacing")
    if empty:
        done.append(f"{empty} grid slices left empty where nothing was scanned nearby")
    text = "This volume was resampled to a regular grid; measurements on it are approximate."
    what = ", ".join(short) or "irregular positions"
    return (Notice(text, badge=f"resampled ({what})", details="\n".join(done)),)
