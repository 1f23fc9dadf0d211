"""Values whose header gives them a sign that they do not have: flagged, never changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from workstation.core.errors import InputError
from workstation.core.study import Severity
from workstation.io.pixels import decode
from workstation.io.remarks import SIGN
from workstation.settings import Settings


def _body(bone: int, air: int) -> np.ndarray:
    """Hounsfield units of a soft disc in air, with bone that grows dense in its middle."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    distance = np.hypot(rows, columns)
    body = np.where(distance < 28, 40, air)
    dense = np.clip((20 - distance) * 120, 0, bone)
    noise = np.random.default_rng(3).integers(-15, 16, (64, 64))
    return np.where(distance < 28, body + dense + noise, air)[None].astype(np.int32)


def _twelve_bits(declared: int, padding: bool = False):
    def change(dataset, _k):
        dataset.PixelRepresentation = declared
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.RescaleIntercept = -1024 if not padding else 0

    return change


@pytest.mark.parametrize("declared", [0, 1])
def test_unsigned_values_under_a_signed_header_are_flagged(declared, make_series, scanned, loaded):
    """Case 17: 12 bits without a sign, read with one: bone above 1023 HU falls below air."""
    hu = _body(1600, -1000)
    folder = make_series(
        count=1, stored=(hu + 1024).astype(np.uint16), change=_twelve_bits(declared)
    )
    volume = loaded(scanned(folder).series[0])
    badges = [(one.badge, one.severity) for one in volume.notices if one.badge == "sign doubtful"]
    if declared:
        assert badges == [("sign doubtful", Severity.WARNING)]
        stored = hu + 1024
        assert np.array_equal(volume.voxels, np.where(stored > 2047, stored - 4096, stored) - 1024)
    else:
        assert badges == []
        assert np.array_equal(volume.voxels, hu)


def test_metal_beside_what_is_outside_the_field_of_view_is_no_sign(make_series, scanned, loaded):
    """Case 17: signed 12 bits, −2048 around the body without being declared as padding."""
    hu = _body(4000, -2048)
    hu[0, 30:34] = 2047
    stored = np.clip(hu, -2048, 2047).astype(np.int16)
    folder = make_series(count=1, stored=stored, change=_twelve_bits(1, padding=True))
    volume = loaded(scanned(folder).series[0])
    assert np.array_equal(volume.voxels, stored)
    assert not any(one.badge == "sign doubtful" for one in volume.notices)


@pytest.mark.filterwarnings("ignore")
def test_no_real_scan_is_said_to_have_a_wrong_sign():
    """Case 17: every CT image of pydicom's own files, and the bundled study."""
    paths = [one for one in Path(pydicom.data.__file__).parent.rglob("*") if one.is_file()]
    looked = 0
    for path in [*paths, *sorted(Settings().study.rglob("*.dcm"))]:
        try:
            remarks = decode(path).remarks
        except InputError:
            continue
        looked += 1
        assert SIGN not in remarks, path
    assert looked > 150
