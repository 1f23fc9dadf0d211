import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from workstation.core.geometry import Geometry
from workstation.core.volume import Volume
from workstation.render import picture
from workstation.render.decimate import Decimation, decimation_factors
from workstation.render.picture import render_views, write_views
from workstation.render.projection import frontal_projection
from workstation.render.viewpoint import Viewpoint, read_volume_presets
from workstation.render.volume_process import PictureRequest, VolumeProcess
from workstation.render.volume_view import VolumeView, is_software


@pytest.fixture
def a_marked_volume(a_grid, a_volume) -> Volume:
    """Bone-dense balls: a large one at the patient's right, a small one at the head."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in a_grid.shape), indexing="ij")
    lps = a_grid.to_lps(np.stack([i, j, k], axis=-1))
    right = np.linalg.norm(lps - (-35, 0, -10), axis=-1) < 16
    head = np.linalg.norm(lps - (5, 0, 40), axis=-1) < 9
    return a_volume(np.where(right | head, 900, -1000), a_grid)


def balls(rgb):
    """Centres (x, y) of the larger and the smaller bright spot, as fractions of the picture."""
    from scipy import ndimage

    labels, count = ndimage.label(rgb.max(axis=2) > 40)
    assert count == 2
    sizes = ndimage.sum(labels > 0, labels, (1, 2))
    order = (1, 2) if sizes[0] > sizes[1] else (2, 1)
    centres = ndimage.center_of_mass(labels > 0, labels, order)
    return [(x / rgb.shape[1], y / rgb.shape[0]) for y, x in centres]


def test_the_front_view_has_right_on_the_left_and_the_head_on_top(a_marked_volume, volume_presets):
    bone = read_volume_presets(volume_presets)[0]
    view = VolumeView()
    view.show(a_marked_volume.voxels, a_marked_volume.geometry, bone)
    (right_x, right_y), (head_x, head_y) = balls(view.picture(Viewpoint(), 200, 200))
    assert right_x < 0.4
    assert head_y < 0.35
    assert right_y > 0.5
    assert 0.45 < head_x < 0.6
    (right_x, _), _ = balls(view.picture(Viewpoint(azimuth=180), 200, 200))
    assert right_x > 0.6


def test_the_projection_without_opengl_shows_the_same(a_marked_volume, volume_presets):
    bone = read_volume_presets(volume_presets)[0]
    rgb, _ = frontal_projection(a_marked_volume.voxels, a_marked_volume.geometry, bone)
    (right_x, right_y), (_, head_y) = balls(rgb)
    assert right_x < 0.4
    assert head_y < 0.35
    assert right_y > 0.5


def test_the_child_process_renders_what_it_was_given(a_volume, a_straight_grid, volume_presets):
    presets = read_volume_presets(volume_presets)
    voxels = np.full(a_straight_grid.shape, -1000, dtype=np.int16)
    voxels[20:40, 20:40, 20:40] = 900
    process = VolumeProcess()
    try:
        process.make_room(voxels.shape)[:] = voxels
        process.show(a_straight_grid)
        process.request(PictureRequest(7, Viewpoint(), presets[0], 120, 100))
        made = None
        while made is None:
            assert process.alive
            made = process.poll()
        assert made.request.ticket == 7
        assert made.pixels.shape == (100, 120, 3)
        assert made.pixels[50, 60].max() > 40
        assert not made.pixels[5, 5].any()
    finally:
        process.close()


@pytest.mark.parametrize(
    ("shape", "spacing", "factors"),
    [
        ((400, 512, 512), (0.7, 0.7, 1.0), (3, 3, 2)),
        ((60, 512, 512), (0.7, 0.7, 5.0), (2, 2, 1)),
        ((60, 60, 60), (2.0, 2.0, 2.0), (1, 1, 1)),
    ],
)
def test_the_finest_axis_is_thinned_first(shape, spacing, factors):
    assert decimation_factors(Geometry(shape, spacing=spacing), 8_000_000) == factors


def test_the_copy_keeps_the_place_of_things(a_volume):
    geometry = Geometry((8, 40, 40), (5.0, 6.0, 7.0), (1.0, 1.0, 2.0))
    voxels = np.zeros(geometry.shape)
    voxels[:, 20:24, 10:14] = 1000
    volume = a_volume(voxels, geometry)
    copy = Decimation(volume, 8 * 20 * 20)
    room = np.empty(copy.shape, np.int16)
    turns = 0
    while not copy.copy_into(room, 0.0):
        turns += 1
    assert turns == copy.shape[0] - 1
    assert copy.label == "3D 2× decimated"
    k, j, i = np.argwhere(room == 1000).mean(axis=0)
    middle = geometry.to_lps((11.5, 21.5, 0))
    assert copy.geometry.to_lps((i, j, k))[:2] == pytest.approx(middle[:2])


def test_slices_not_loaded_are_air_in_the_copy(a_volume):
    volume = a_volume(np.zeros((4, 8, 8)), Geometry((4, 8, 8)))
    volume.available[2] = False
    copy = Decimation(volume, 1000)
    room = np.empty(copy.shape, np.int16)
    assert copy.copy_into(room)
    assert (room[2] == -1024).all()
    assert not room[[0, 1, 3]].any()


@pytest.mark.parametrize(
    ("name", "software"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits)", True),
        ("Microsoft Basic Render Driver", True),
        ("NVIDIA H200/PCIe/SSE2", False),
        ("AMD Radeon Graphics (radeonsi)", False),
        ("", True),
    ],
)
def test_software_rendering_is_known_by_its_name(name, software):
    assert is_software(name) is software


def test_pictures_are_written_without_a_window(a_volume, a_straight_grid, volume_presets, tmp_path):
    right_half = np.indices(a_straight_grid.shape)[2] < 30
    volume = a_volume(np.where(right_half, 900, -1000), a_straight_grid)
    paths = write_views(tmp_path / "views", volume, volume_presets)
    assert [path.name for path in paths] == ["axial.png", "coronal.png", "sagittal.png", "3d.png"]
    axial = np.array(Image.open(paths[0]))
    assert axial.shape == (768, 768, 3)
    assert axial[300, 200].min() == 255
    assert axial[300, 600].max() == 0
    red, green, blue = (int(value) for value in np.array(Image.open(paths[1]))[384, 600])
    assert red > 2 * green
    assert red > 2 * blue


def test_without_opengl_the_3d_picture_is_a_projection(
    a_volume, a_straight_grid, volume_presets, monkeypatch
):
    monkeypatch.setattr(picture, "_by_process", lambda *_: None)
    right_half = np.indices(a_straight_grid.shape)[2] < 30
    volume = a_volume(np.where(right_half, 900, -1000), a_straight_grid)
    views = render_views(volume, volume_presets, size=200)
    assert views["3d"][100, 40].max() > 100
    assert views["3d"][100, 150].max() == 0


def test_rendering_needs_neither_qt_nor_a_display(repository):
    code = (
        "import sys; sys.modules['PySide6'] = None;"
        "import workstation.render.picture, workstation.render.volume_view as v;"
        "print(v.VolumeView().renderer_name)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, env=environment, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
