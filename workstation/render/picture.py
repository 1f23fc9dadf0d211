"""Views as picture files, without a window and without a display."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workstation.core.display import Window
from workstation.core.geometry import Geometry, Plane, Point
from workstation.core.scene import SliceScene, resolve
from workstation.core.session import Reading
from workstation.core.volume import Volume
from workstation.render.decimate import Decimation
from workstation.render.mapping import SliceMapping
from workstation.render.overlay import (
    MARGIN,
    BannerMark,
    LineMark,
    Mark,
    TextMark,
    Tone,
    corner_marks,
    slice_marks,
)
from workstation.render.projection import frontal_projection
from workstation.render.slice_view import SliceView
from workstation.render.viewpoint import Viewpoint, VolumePreset, read_volume_presets
from workstation.render.volume_process import PictureRequest, VolumeProcess, voxel_budget

Picture = NDArray[np.uint8]
_PATIENCE = 60.0
_ANCHORS = {-1: "l", 0: "m", 1: "r"}, {-1: "a", 0: "m", 1: "d"}


def render_views(
    volume: Volume,
    volume_presets: Path,
    window: Window | None = None,
    cursor: Point | None = None,
    size: int = 768,
) -> dict[str, Picture]:
    """Draw the three planes through a point, and the volume, with overlays burned in.

    Parameters
    ----------
    volume_presets : Path
        resources/volume_presets.toml; the first preset is used.
    window : Window, optional
        As the header says if not given.
    cursor : tuple of float, optional
        LPS mm; the volume's centre if not given.
    size : int
        Pixels along each side.

    Returns
    -------
    dict
        ``"axial"``, ``"coronal"``, ``"sagittal"``, ``"3d"``: RGB, shape (size, size, 3), uint8.
    """
    reading = Reading()
    reading.open(volume, window)
    if cursor is not None:
        reading.point_at(cursor)
    scene, view = resolve(reading), SliceView()
    view.show(volume)
    pictures = {
        plane.name.lower(): _slice_picture(view, slice_scene, size)
        for plane in Plane
        if (slice_scene := scene.slice(plane)) is not None
    }
    view.show(None)
    preset = read_volume_presets(volume_presets)[0]
    return pictures | {"3d": _volume_picture(volume, preset, size)}


def write_views(
    folder: Path,
    volume: Volume,
    volume_presets: Path,
    window: Window | None = None,
    cursor: Point | None = None,
) -> tuple[Path, ...]:
    """Write the pictures of :func:`render_views` as PNG files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, pixels in render_views(volume, volume_presets, window, cursor).items():
        path = folder / f"{name}.png"
        Image.fromarray(pixels).save(path)
        written.append(path)
    return tuple(written)


def _slice_picture(view: SliceView, scene: SliceScene, size: int) -> Picture:
    grey = view.picture(scene, size, size).on_black(size, size)
    pixels = np.repeat(grey[:, :, None], 3, axis=2)
    return paint_marks(pixels, slice_marks(scene, SliceMapping.of(scene, size, size)))


def _volume_picture(volume: Volume, preset: VolumePreset, size: int) -> Picture:
    copy = Decimation(volume, voxel_budget())
    voxels: NDArray[np.int16] = np.empty(copy.shape, dtype=np.int16)
    copy.copy_into(voxels)
    pixels = _by_process(voxels, copy.geometry, preset, size)
    if pixels is None:
        pixels = _by_projection(voxels, copy.geometry, preset, size)
    lines = tuple(filter(None, ("3D", preset.name, copy.label)))
    marks: tuple[Mark, ...] = corner_marks((lines, (), (), ()), size, size)
    if volume.series.synthetic:
        marks = (*marks, TextMark("SYNTHETIC", size / 2, MARGIN, (0, -1), Tone.AMBER))
    return paint_marks(pixels, marks)


def _by_process(
    voxels: NDArray[np.int16], geometry: Geometry, preset: VolumePreset, size: int
) -> Picture | None:
    """Render in a child, so that a failing graphics driver costs a picture, not the job."""
    process = VolumeProcess()
    try:
        process.make_room(voxels.shape)[:] = voxels
        process.show(geometry)
        process.request(PictureRequest(1, Viewpoint(), preset, size, size))
        deadline = time.monotonic() + _PATIENCE
        while process.alive and time.monotonic() < deadline:
            picture = process.poll()
            if picture is not None:
                return picture.pixels
            time.sleep(0.01)
        return None
    finally:
        process.close()


def _by_projection(
    voxels: NDArray[np.int16], geometry: Geometry, preset: VolumePreset, size: int
) -> Picture:
    """Fit the frontal projection into a square."""
    pixels, (across, down) = frontal_projection(voxels, geometry, preset)
    rows, columns, _ = pixels.shape
    scale = size / max(rows * down, columns * across)
    box = max(round(columns * across * scale), 1), max(round(rows * down * scale), 1)
    square = Image.new("RGB", (size, size))
    shrunk = Image.fromarray(pixels).resize(box, Image.Resampling.BILINEAR)
    square.paste(shrunk, ((size - box[0]) // 2, (size - box[1]) // 2))
    return np.array(square)


def paint_marks(pixels: Picture, marks: tuple[Mark, ...]) -> Picture:
    """Burn marks into RGB pixels (rows, columns, 3)."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for mark in marks:
        match mark:
            case TextMark():
                _text(draw, mark)
            case LineMark():
                ends = (mark.x0, mark.y0, mark.x1, mark.y1)
                draw.line(ends, fill=mark.tone.value, width=max(round(mark.width), 1))
            case BannerMark():
                draw.rectangle((0, 0, mark.width, mark.height), fill=mark.tone.value)
                middle = (mark.width / 2, mark.height / 2)
                draw.text(middle, mark.text, (0, 0, 0), ImageFont.load_default(15), "mm")
    return np.array(image)


def _text(draw: ImageDraw.ImageDraw, mark: TextMark) -> None:
    """Light text with a dark halo; the built-in font has no warning sign, the colour says it."""
    font = ImageFont.load_default(16 if mark.large else 13)
    anchor = _ANCHORS[0][mark.align[0]] + _ANCHORS[1][mark.align[1]]
    draw.text(
        (mark.x, mark.y),
        mark.text.replace("⚠ ", ""),
        fill=mark.tone.value,
        font=font,
        anchor=anchor,
        stroke_width=1,
        stroke_fill=(0, 0, 0),
    )
