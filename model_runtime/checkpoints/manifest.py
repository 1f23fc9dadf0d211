"""``manifest.json``: the checksum of every file, and where they came from.

A checksum of 30 GB takes a minute, so it is computed when a checkpoint is installed and when
it is verified. On loading, a file whose length and time of change are those noted then is
taken for the same; any other is summed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model_runtime.checkpoints.files import MANIFEST, inside
from model_runtime.errors import WeightsError
from model_runtime.json_text import read_json

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Entry:
    """One file: its checksum, and its length and time of change when that was computed."""

    sha256: str
    size: int = -1
    changed_ns: int = -1


@dataclass(frozen=True)
class Manifest:
    """What is stated of a folder; the bundled model's states checksums only."""

    files: dict[str, Entry]
    source: str = ""
    revision: str = ""
    installed: str = ""

    def digest(self, names: Iterable[str]) -> str:
        """One checksum for several files, in this order."""
        together = "".join(self.files[name].sha256 for name in names)
        return hashlib.sha256(together.encode()).hexdigest()


def file_sha256(path: Path, told: Callable[[int], None] | None = None) -> str:
    """Checksum of a file, hexadecimal; ``told`` hears of every block's bytes."""
    sum_ = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            sum_.update(block)
            if told is not None:
                told(len(block))
    return sum_.hexdigest()


def entry_of(path: Path, told: Callable[[int], None] | None = None) -> Entry:
    """Sum up a file."""
    state = path.stat()
    return Entry(file_sha256(path, told), state.st_size, state.st_mtime_ns)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest in one step."""
    part = folder / f"{MANIFEST}.part"
    part.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
    part.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest, of either form; None where there is none.

    Raises
    ------
    WeightsError
        Where it is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        table = read_json(path)
        if not isinstance(table.get("files"), dict):
            return Manifest({name: Entry(str(sum_)) for name, sum_ in table.items()})
        files = {name: Entry(**entry) for name, entry in table.pop("files").items()}
        return Manifest(files, **table)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged: {error}.") from error


def check_files(
    folder: Path,
    manifest: Manifest,
    thorough: bool,
    told: Callable[[int], None] | None = None,
) -> Manifest:
    """Compare files with the manifest; returns it with fresh times.

    Parameters
    ----------
    thorough
        Sum up every file, also those that look unchanged.

    Raises
    ------
    WeightsError
        Naming the first file that is missing or differs.
    """
    fresh = {}
    for name, stated in manifest.files.items():
        path = inside(folder, name)
        if not path.is_file():
            raise WeightsError(f"{folder} lacks {name}. Copy the model folder again.")
        state = path.stat()
        same = (state.st_size, state.st_mtime_ns) == (stated.size, stated.changed_ns)
        found = stated if same and not thorough else entry_of(path, told)
        if found.sha256 != stated.sha256:
            raise WeightsError(
                f"{path} is damaged or was changed: its checksum is not that of the "
                "manifest. Copy the model folder again."
            )
        fresh[name] = found
    return replace(manifest, files=fresh)
