"""NIfTI, NRRD and MetaImage, read by SimpleITK in the reading process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workstation.core.errors import DecodeError, InputError
from workstation.io.channel import Message
from workstation.io.formats import FORMATS, volume_suffix
from workstation.io.header import open_regular
from workstation.io.shared import write_block
from workstation.io.thumbnail import picture

if TYPE_CHECKING:
    import SimpleITK

_LARGEST = 32767


def read_information(item: Message) -> Message:
    """Job ``volume_header``: size, spacing, origin and axes of the file, in LPS mm."""
    reader = _reader(Path(item["path"]))
    if reader.GetDimension() not in (2, 3, 4):
        raise InputError(f"it has {reader.GetDimension()} dimensions")
    if reader.GetNumberOfComponents() != 1:
        raise InputError("it holds colour or vector values, which cannot be shown as a volume")
    axes = np.array(reader.GetDirection()).reshape(reader.GetDimension(), -1)
    size, spacing, origin = (
        [*values[:3], *default][:3]
        for values, default in (
            (reader.GetSize(), [1]),
            (reader.GetSpacing(), [1.0]),
            (reader.GetOrigin(), [0.0]),
        )
    )
    matrix = np.eye(3)
    matrix[: min(len(axes), 3), : min(len(axes), 3)] = axes[:3, :3]
    volumes = reader.GetSize()[3] if reader.GetDimension() == 4 else 1
    return {
        "size": size,
        "spacing": spacing,
        "origin": origin,
        "direction": matrix.T.tolist(),
        "volumes": int(volumes),
        "bytes": int(np.prod(reader.GetSize(), dtype=np.int64)) * 8,
    }


def thumbnail_of(item: Message) -> Message:
    """Job ``volume_thumbnail``: picture of the middle slice, and whether values look like HU."""
    values = _as_int16(_read(Path(item["path"])), [])
    return {**picture(values[len(values) // 2], None), "hounsfield": looks_like_hounsfield(values)}


def decode_into_block(item: Message) -> Message:
    """Job ``volume_decode``: write all slices into the shared volume.

    ``item`` holds ``path``, ``address``, ``shape`` and ``flip``: whether the stored order of
    slices is reversed so that the axes are right-handed.
    """
    remarks: list[str] = []
    stored = _read(Path(item["path"]))
    if list(stored.shape) != item["shape"]:
        raise DecodeError("its size differs from what its header said")
    values = _as_int16(stored, remarks)
    if item["flip"]:
        values = values[::-1]
    write_block(item["address"], 0, values)
    return {"remarks": remarks, "hounsfield": looks_like_hounsfield(values)}


def looks_like_hounsfield(values: NDArray[np.int16]) -> bool:
    """Tell whether values span air, soft tissue and bone as a CT does."""
    sample = values.reshape(-1)[:: max(1, values.size // 500_000)]
    low, high = int(sample.min()), int(sample.max())
    air = float(((sample >= -1100) & (sample <= -850)).mean())
    tissue = float(((sample >= -200) & (sample <= 200)).mean())
    return -4096 <= low <= -500 and high >= 100 and air > 0.01 and tissue > 0.01


def _reader(path: Path) -> SimpleITK.ImageFileReader:
    import SimpleITK

    with open_regular(path) as stream:
        if not stream.read(1):
            raise InputError("it is empty")
    _check_detached(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(FORMATS[volume_suffix(path)][1])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(_itk_reason(error), "SimpleITK") from None
    return reader


def _itk_reason(error: RuntimeError) -> str:
    if "orthonormal" in str(error):
        return "its axes are not at right angles"
    return "its header is damaged or cut off"


def _check_detached(path: Path) -> None:
    """Refuse headers that point to pixels outside their own folder."""
    if volume_suffix(path) not in (".mhd", ".mha", ".nrrd"):
        return
    with path.open("rb") as stream:
        head = stream.read(65536).decode("latin-1")
    for line in head.split("\n"):
        key, _, value = line.replace("=", ":", 1).partition(":")
        if key.strip().lower() in ("elementdatafile", "data file", "datafile"):
            name = value.strip()
            if "/" in name or "\\" in name or name.startswith(".."):
                raise InputError("its pixels lie outside its folder")


def _read(path: Path) -> NDArray[Any]:
    """Read values (z, y, x) after the file's own scaling; of a 4D file the first volume."""
    import SimpleITK

    reader = _reader(path)
    if reader.GetDimension() == 4:
        reader.SetExtractSize([*reader.GetSize()[:3], 0])
    try:
        image = reader.Execute()
    except RuntimeError:
        raise DecodeError("its pixel data is damaged or cut off") from None
    values = SimpleITK.GetArrayFromImage(image)
    return np.asarray(values if values.ndim == 3 else values[np.newaxis])


def _as_int16(values: NDArray[Any], remarks: list[str]) -> NDArray[np.int16]:
    if values.dtype == np.int16:
        return values
    if values.dtype.kind == "f":
        values = _rounded(values, remarks)
    low, high = values.min(), values.max()
    if low < -_LARGEST - 1 or high > _LARGEST:
        remarks.append("values beyond what 16 bits hold are shown as the limit")
    return np.asarray(np.clip(values, -_LARGEST - 1, _LARGEST), dtype=np.int16)


def _rounded(values: NDArray[Any], remarks: list[str]) -> NDArray[Any]:
    finite = np.isfinite(values)
    if not finite.any():
        raise DecodeError("none of its values is a number")
    if not finite.all():
        remarks.append("values that are not numbers are shown as the smallest value")
        values = np.where(finite, values, values[finite].min())
    rounded = np.rint(values)
    if np.abs(rounded - values).max() > 1e-3:
        remarks.append("values were rounded to whole numbers")
    return np.asarray(rounded)
