import numpy as np
import pytest

from workstation.core.display import Window, window_table
from workstation.core.geometry import Geometry, Plane
from workstation.core.scene import resolve
from workstation.core.session import Camera, Reading
from workstation.render.mapping import SliceMapping
from workstation.render.slice_view import SliceView, share_with_vtk

SIZE = 300


def drawn(reading, plane, size=SIZE):
    view = SliceView()
    view.show(reading.volume)
    return view.picture(resolve(reading).slice(plane), size, size).on_black(size, size)


@pytest.mark.parametrize("plane", list(Plane))
def test_an_r_reads_as_an_r_in_every_plane_of_every_scan(plane, a_grid, glyph_volume, glyph):
    reading = Reading()
    reading.open(glyph_volume(plane, a_grid), Window(1000, 500))
    picture = drawn(reading, plane).astype(float)
    scene = resolve(reading).slice(plane)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    right, down = SliceMapping.of(scene, SIZE, SIZE).to_mm(x, y)
    vectors = scene.axes.vectors(a_grid)
    lps = np.array(scene.centre) + right[..., None] * vectors[0] + down[..., None] * vectors[1]
    in_patient = glyph(lps @ plane.right, lps @ plane.down)
    upright = glyph(right, down)
    assert likeness(picture, in_patient) > 0.85
    assert likeness(picture, upright) > likeness(picture[:, ::-1], upright) + 0.1
    assert likeness(picture, upright) > likeness(picture[::-1], upright) + 0.1


def likeness(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.mark.parametrize(
    ("plane", "letters"),
    [(Plane.AXIAL, "RLAP"), (Plane.CORONAL, "RLSI"), (Plane.SAGITTAL, "APSI")],
)
def test_letters_name_the_side_on_which_the_patient_lies(plane, letters, a_grid, a_volume):
    reading = Reading()
    reading.open(a_volume(np.zeros(a_grid.shape), a_grid))
    assert "".join(word[0] for word in resolve(reading).slice(plane).letters) == letters


def test_every_value_is_shown_as_the_window_table_says(a_volume):
    values = np.arange(-32768, 32768, dtype=np.int16).reshape(1, 256, 256)
    volume = a_volume(values, Geometry((1, 256, 256)))
    for width, inverted in ((400, False), (1, False), (80, True)):
        window = Window(width, 40)
        reading = Reading()
        reading.open(volume, window)
        reading.inverted = inverted
        picture = drawn(reading, Plane.AXIAL, 256)
        assert np.array_equal(picture.ravel(), window_table(window, inverted))


def test_values_between_pixels_are_linear_in_hu(a_volume):
    volume = a_volume(np.array([[[0, 1000]]]), Geometry((1, 1, 2)))
    reading = Reading()
    reading.open(volume, Window(2001, 1000.5))
    picture = drawn(reading, Plane.AXIAL, 8)[4].astype(int)
    hu = [0, 0, 125, 375, 625, 875, 1000, 1000]
    expected = [window_table(Window(2001, 1000.5))[32768 + value] for value in hu]
    assert np.abs(picture - expected).max() <= 1


def test_nothing_is_mixed_in_from_the_next_slice(a_volume):
    voxels = np.zeros((3, 4, 4))
    voxels[1] = 500
    reading = Reading()
    reading.open(a_volume(voxels, Geometry((3, 4, 4), spacing=(1.0, 1.0, 5.0))), Window(1000, 500))
    assert set(np.unique(drawn(reading, Plane.AXIAL, 40))) == {window_table(reading.window)[33268]}
    reading.scroll(Plane.AXIAL, 1)
    assert not drawn(reading, Plane.AXIAL, 40).any()


def test_outside_the_scan_is_black_even_when_inverted(a_volume, a_straight_grid):
    reading = Reading()
    reading.open(a_volume(np.zeros(a_straight_grid.shape), a_straight_grid))
    reading.inverted = True
    reading.move_camera(Plane.AXIAL, Camera(0.5))
    picture = drawn(reading, Plane.AXIAL)
    assert not picture[:70].any()
    assert not picture[:, :70].any()
    assert picture[80:220, 80:220].all()


def test_a_slice_not_loaded_is_not_drawn_and_its_rows_are_black(a_volume, a_straight_grid):
    volume = a_volume(np.full(a_straight_grid.shape, 400), a_straight_grid)
    volume.available[30:] = False
    reading = Reading()
    reading.open(volume)
    reading.go_to_slice(Plane.AXIAL, 40)
    assert not drawn(reading, Plane.AXIAL).any()
    coronal = drawn(reading, Plane.CORONAL)
    assert not coronal[: SIZE // 2].any()
    assert coronal[SIZE // 2 + 5 :].all()


def test_voxels_are_shared_and_new_ones_show_after_show(a_volume, a_straight_grid):
    volume = a_volume(np.zeros(a_straight_grid.shape), a_straight_grid)
    view, reading = SliceView(), Reading()
    view.show(volume)
    reading.open(volume)
    scene = resolve(reading).slice(Plane.AXIAL)
    before = view.picture(scene, 50, 50).pixels.copy()
    volume.voxels[:] = 200
    view.show(volume)
    assert (view.picture(scene, 50, 50).pixels > before).all()
    scalars = share_with_vtk(volume.voxels).GetPointData().GetScalars()
    assert scalars.GetVoidPointer(0)
    volume.voxels[0, 0, 0] = 77
    assert scalars.GetTuple1(0) == 77


def test_a_pixel_and_its_place_in_the_patient_go_both_ways(a_grid, a_volume):
    volume = a_volume(np.zeros(a_grid.shape), a_grid)
    reading = Reading()
    reading.open(volume)
    reading.move_camera(Plane.SAGITTAL, Camera(2.0, (5.0, -3.0)))
    scene = resolve(reading).slice(Plane.SAGITTAL)
    mapping = SliceMapping.of(scene, 320, 200)
    reading.point_at(mapping.to_lps(scene, a_grid, 200.0, 90.0))
    cross = resolve(reading).slice(Plane.SAGITTAL).cross
    assert mapping.to_pixel(*cross) == pytest.approx((200, 90))


def test_the_picture_shows_the_voxel_that_the_readout_names(a_grid, a_volume):
    voxels = np.random.default_rng(3).integers(0, 255, a_grid.shape)
    reading = Reading()
    reading.open(a_volume(voxels, a_grid), Window(256, 128))
    for plane in Plane:
        scene = resolve(reading).slice(plane)
        mapping = SliceMapping.of(scene, SIZE, SIZE)
        picture = drawn(reading, plane)
        for x, y in ((100, 120), (152, 149), (210, 60)):
            middle = a_grid.to_lps(np.rint(a_grid.to_index(mapping.to_lps(scene, a_grid, x, y))))
            vectors = scene.axes.vectors(a_grid)
            offset = middle - np.array(scene.centre)
            column, row = mapping.to_pixel(offset @ vectors[0], offset @ vectors[1])
            shown = int(picture[int(row), int(column)])
            assert abs(shown - reading.volume.value_at(tuple(middle))) <= 60
