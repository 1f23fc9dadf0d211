"""Windows follow DICOM C.11.2.1.2, and the presets are the numbers of the reading room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workstation.core.display import Window, automatic_window, read_window_presets, window_table


@pytest.mark.parametrize(
    "window", [Window(400, 40), Window(80, 40), Window(1500, -600), Window(2, 0)]
)
def test_table_is_the_standards_formula(window: Window) -> None:
    """PS3.3 C.11.2.1.2.1, written as its pseudo code: three cases, output 0…255."""
    table = window_table(window)
    centre, width = window.center, window.width
    for value in range(-2000, 2000, 7):
        if value <= centre - 0.5 - (width - 1) / 2:
            expected = 0.0
        elif value > centre - 0.5 + (width - 1) / 2:
            expected = 255.0
        else:
            expected = ((value - (centre - 0.5)) / (width - 1) + 0.5) * 255
        assert table[value + 32768] == np.rint(expected)


def test_width_one_is_a_threshold() -> None:
    table = window_table(Window(1, 100))
    assert table[32768 + 99] == 0
    assert table[32768 + 100] == 255


def test_inverted_is_the_complement() -> None:
    assert (window_table(Window(400, 40), True) == 255 - window_table(Window(400, 40))).all()


def test_drag_right_widens_and_up_brightens() -> None:
    start = Window(400, 40)
    assert start.dragged(50, 0).width > 400
    assert start.dragged(0, 50).center < 40
    assert Window(1, 0).dragged(-500, 0).width == 1


def test_presets_are_bound_by_key(repository: Path) -> None:
    presets = {
        p.key: p for p in read_window_presets(repository / "resources/window_presets.toml") if p.key
    }
    numbers = {
        "1": (400, 40), "2": (1500, -600), "3": (2000, 350), "4": (80, 40), "5": (350, 40),
        "6": (150, 90), "7": (600, 200), "8": (350, 40), "9": (40, 40),
    }  # fmt: skip
    for key, (width, centre) in numbers.items():
        assert presets[key].window == Window(width, centre), key
    assert presets["2"].id == "lung"
    assert presets["3"].id == "bone"
    assert presets["4"].id == "brain"
    assert presets["0"].window is None
    assert presets["`"].id == "header"


def test_automatic_window_spans_the_body() -> None:
    voxels = np.full((10, 40, 40), -1000, np.int16)
    voxels[:, 10:30, 10:30] = np.arange(400).reshape(20, 20)
    window = automatic_window(voxels)
    assert 0 <= window.low < 20
    assert 380 < window.high <= 400
