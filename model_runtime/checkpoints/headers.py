"""What weights are there, read from the headers of safetensors files alone.

A header is a length of eight bytes, little endian, and as many bytes of JSON: of each tensor
the number format, the shape and its place in what follows. So a checkpoint of 30 GB is
judged in milliseconds, and a file cut short is found before anything is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_runtime.checkpoints.files import INDEX, WEIGHTS, inside, is_shard, refuse_pickles
from model_runtime.errors import WeightsError
from model_runtime.json_text import parse_json, read_json

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}
"""Number formats that are read, and the bytes of one number."""
KEPT = ("lm_head.", "model.mm_projector.")
"""What is never narrowed below what is stored: it was trained in full."""
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class Stored:
    """A tensor as it lies in a file."""

    path: Path
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def weight_files(folder: Path) -> list[Path]:
    """Name the files of published weights: one, or those of the index.

    Raises
    ------
    WeightsError
        Where a file is missing, or the index names one outside the folder.
    """
    if (folder / INDEX).is_file():
        return _indexed(folder)
    single = inside(folder, WEIGHTS)
    if single.is_file():
        return [single]
    names = [path.name for path in folder.iterdir()]
    if any(is_shard(name) for name in names):
        raise WeightsError(f"{folder} lacks {INDEX}. Copy the whole checkpoint.")
    refuse_pickles(names, str(folder))
    raise WeightsError(f"{folder} lacks {WEIGHTS}. Copy the whole checkpoint.")


def _indexed(folder: Path) -> list[Path]:
    """Files of an index, each there and named as weights are."""
    names = sorted(set(_weight_map(folder).values()))
    for name in names:
        path = inside(folder, name)
        refuse_pickles([name], str(folder))
        if path.suffix != ".safetensors":
            raise WeightsError(f"{folder / INDEX} names {name!r}, which is not a weights file.")
        if not path.is_file():
            raise WeightsError(
                f"{folder} lacks {name}, one of the {len(names)} parts of its weights. "
                "Copy the whole checkpoint."
            )
    return [folder / name for name in names]


def _weight_map(folder: Path) -> dict[str, str]:
    path = inside(folder, INDEX)
    try:
        table = dict(read_json(path)["weight_map"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is damaged: {error}.") from error
    if not table or not all(isinstance(name, str) for name in table.values()):
        raise WeightsError(f"{path} is damaged: its weight_map names no files.")
    return table


def published_tensors(folder: Path) -> dict[str, Stored]:
    """Read every tensor of published weights from the headers.

    Raises
    ------
    WeightsError
        Where a file is missing or damaged, or index and files do not agree.
    """
    found: dict[str, Stored] = {}
    for path in weight_files(folder):
        for name, tensor in file_tensors(path).items():
            if name in found:
                raise WeightsError(f"{name} is in both {found[name].path.name} and {path.name}.")
            found[name] = tensor
    if (folder / INDEX).is_file():
        stated = _weight_map(folder)
        odd = {name for name in stated.keys() | found.keys() if _strays(stated, found, name)}
        if odd:
            raise WeightsError(
                f"{folder / INDEX} and the weights do not agree on {len(odd)} tensors, such as "
                f"{min(odd)}. Copy the whole checkpoint again."
            )
    return found


def _strays(stated: Mapping[str, str], found: Mapping[str, Stored], name: str) -> bool:
    return name not in found or stated.get(name) != found[name].path.name


def file_tensors(path: Path) -> dict[str, Stored]:
    """Read one file's header and compare it with the file's length.

    Raises
    ------
    WeightsError
        Where the file is cut short, too long, or not safetensors.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            # An absurd length is read as nothing, which is not JSON.
            ends = length <= min(size - 8, _LONGEST_HEADER)
            table: dict[str, Any] = parse_json(stream.read(length) if ends else b"")
        table.pop("__metadata__", None)
        tensors = {
            name: Stored(path, str(entry["dtype"]), tuple(map(int, entry["shape"])))
            for name, entry in table.items()
        }
        end = sum(_spans(table, tensors))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is cut short or damaged: {error}.") from error
    if end != size - 8 - length:
        raise WeightsError(
            f"{path} is cut short or damaged: it should hold {end:,} bytes of weights and "
            f"holds {size - 8 - length:,}. Copy it again."
        )
    return tensors


def _spans(table: Mapping[str, Any], tensors: Mapping[str, Stored]) -> Iterator[int]:
    """Bytes of each tensor, which must be those of its shape."""
    for name, tensor in tensors.items():
        begin, end = table[name]["data_offsets"]
        if tensor.dtype not in BYTES:
            raise ValueError(f"{name} is stored as {tensor.dtype}, which is not read")
        if end - begin != tensor.count * BYTES[tensor.dtype]:
            raise ValueError(f"{name} has a wrong length")
        yield end - begin
