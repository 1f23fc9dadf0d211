"""Words of measurements: inside the pane, on no others, the reason for doubt once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workstation.core.geometry import Geometry, Plane
from workstation.core.measurement import Measurement
from workstation.core.scene import resolve
from workstation.core.session import Reading
from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.render.mapping import SliceMapping
from workstation.render.measurement_marks import measurement_labels, measurement_marks
from workstation.render.overlay import LINE_HEIGHT, Tone
from workstation.tools import measure


@pytest.fixture
def reading():
    shape = (5, 64, 64)
    geometry = Geometry(shape, (-64.0, -64.0, 0.0), (2.0, 2.0, 3.0))
    volume = Volume(
        Series("s", "study", (), 5, modality="CT"), np.zeros(shape, np.int16), geometry,
        np.ones(5, bool), approximate=True,
    )  # fmt: skip
    reading = Reading()
    reading.open(volume)
    ends = ((-60.0, 0.0), (60.0, 1.0), (62.0, 2.0), (0.0, 62.0), (0.0, -62.0))
    reading.measurements = tuple(
        Measurement(f"m{n}", "length", "s", Plane.AXIAL, ((0.0, 5.0, 6.0), (x, y, 6.0)))
        for n, (x, y) in enumerate(ends)
    )
    return reading


@pytest.mark.parametrize("size", [(300, 300), (900, 500)])
def test_no_label_lies_on_another_or_outside(reading, size):
    scene = resolve(reading, measure).slice(Plane.AXIAL)
    labels = measurement_labels(scene, SliceMapping.of(scene, *size))
    assert sum(label.text.startswith("≈ ") for label in labels) == 6
    rows = sorted((label.y, label.x, len(label.text) * 7.0) for label in labels)
    for (y, x, wide), (below, left, other) in pairwise(rows):
        assert below - y >= LINE_HEIGHT or left >= x + wide or x >= left + other
    assert all(0 <= label.x < size[0] and 0 <= label.y <= size[1] for label in labels)


def test_the_reason_stands_beside_the_one_in_hand(reading):
    reading.selected = "m3"
    scene = resolve(reading, measure).slice(Plane.AXIAL)
    mapping = SliceMapping.of(scene, 500, 500)
    labels = measurement_labels(scene, mapping)
    (reason,) = [label for label in labels if label.tone is Tone.AMBER]
    (chosen,) = [label for label in labels if label.tone is Tone.CHOSEN]
    assert (reason.x, reason.y) == (chosen.x, chosen.y + LINE_HEIGHT)
    assert reason.text == "≈ approximate geometry"
    tones = [mark.tone for mark in measurement_marks(scene, mapping)]
    assert tones.count(Tone.CHOSEN) == 3, "its line and two handles"
