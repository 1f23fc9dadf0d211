"""Where a checkpoint is put together before it is installed: from a folder or from a hub.

Nothing is visible under its name before it is whole: the staging folder lies in the store
itself and is put in place by one rename.
"""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_runtime.checkpoints.contents import Layout, layout_of, read_table
from model_runtime.checkpoints.files import CONFIG, MANIFEST, TOKENIZER, inside, wanted
from model_runtime.checkpoints.manifest import Entry, entry_of, read_manifest
from model_runtime.errors import WeightsError

if TYPE_CHECKING:
    from model_runtime.checkpoints.hub import Repository

_BLOCK = 1 << 22
_ORIGIN = ".origin"


@dataclass(frozen=True)
class Progress:
    """How far an installation is, in bytes."""

    stage: str
    done: int
    total: int


Told = Callable[[Progress], None]


@dataclass(frozen=True)
class Staged:
    """A whole checkpoint in its staging folder, not yet judged."""

    files: dict[str, Entry]
    source: str
    revision: str = ""


class Meter:
    """Adds bytes up and tells how many of them there are."""

    def __init__(self, stage: str, total: int, told: Told | None) -> None:
        self._stage, self._total, self._told = stage, total, told
        self._done = 0

    def __call__(self, count: int) -> None:
        """Add so many bytes; what listens may raise to stop."""
        self._done += count
        if self._told is not None:
            self._told(Progress(self._stage, self._done, max(self._total, self._done)))


@contextlib.contextmanager
def cleared(staging: Path) -> Iterator[None]:
    """Leave nothing behind a refusal; a download that broke off or was stopped is kept.

    Raises
    ------
    WeightsError
        Where the disk is full or cannot be written.
    """
    from model_runtime.checkpoints.hub import TransferError

    try:
        yield
    except TransferError:
        raise
    except WeightsError:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fault = "is full" if full else f"cannot be used: {error}"
        raise WeightsError(
            f"The disk of {staging.parent.parent} {fault}. Nothing was installed."
        ) from error
    # Whatever it is, Ctrl+C too, no half a folder may stay, unless it tells where its transfer
    # stopped; the fault is raised on.
    except BaseException:
        if not (staging / _ORIGIN).is_file():
            shutil.rmtree(staging, ignore_errors=True)
        raise


def check_space(root: Path, size: int) -> None:
    """Refuse what the disk cannot take, before anything is written.

    Raises
    ------
    WeightsError
        With both figures.
    """
    free = shutil.disk_usage(root).free
    if size > free:
        raise WeightsError(
            f"The model takes {size / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are free at "
            f"{root}. Make room, or set data_folder to a larger disk."
        )


def stage(
    source: str, staging: Path, revision: str | None, endpoint: str | None, told: Told | None
) -> Staged:
    """Fetch a checkpoint from wherever its source is.

    Raises
    ------
    WeightsError
        Where the source is neither a folder nor a repository, or holds no checkpoint.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return stage_folder(folder, staging, told)
    from model_runtime.checkpoints.hub import is_repository

    if folder.exists() or not is_repository(source):
        raise WeightsError(
            f"{source} is neither a folder nor the name of a repository (OWNER/NAME)."
        )
    return stage_repository(source, revision, endpoint, staging, told)


def stage_folder(source: Path, staging: Path, told: Told | None) -> Staged:
    """Copy what belongs to a checkpoint from a folder.

    Raises
    ------
    WeightsError
        Where it is none, or a file differs from the folder's own manifest.
    """
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    layout_of(read_table(source), str(source))
    names = wanted((path.name for path in source.iterdir() if path.is_file()), str(source))
    paths = [inside(source, name) for name in names if name != MANIFEST]
    total = sum(path.stat().st_size for path in paths)
    check_space(staging, total)
    meter = Meter("copy", total, told)
    files = {path.name: _copied(path, staging / path.name, meter) for path in paths}
    manifest = read_manifest(source)
    for name, stated in (manifest.files if manifest is not None else {}).items():
        if name not in files or files[name].sha256 != stated.sha256:
            raise WeightsError(
                f"{source / name} is missing, damaged or was changed: its checksum is not that of "
                "the manifest there. Copy the model folder again."
            )
    return Staged(files, str(source.resolve()))


def _copied(source: Path, target: Path, meter: Meter) -> Entry:
    with source.open("rb") as given, target.open("wb") as copy:
        while block := given.read(_BLOCK):
            copy.write(block)
            meter(len(block))
    return entry_of(target)


def stage_repository(
    name: str, revision: str | None, endpoint: str | None, staging: Path, told: Told | None
) -> Staged:
    """Download a checkpoint, or the rest of one whose download broke off.

    Raises
    ------
    WeightsError
        Where the repository holds none, or something came damaged.
    TransferError
        Where the connection breaks; what came is kept for the next time.
    """
    from model_runtime.checkpoints.hub import open_repository

    repository = open_repository(name, revision, endpoint)
    names = [each for each in wanted(repository.files, name) if each != MANIFEST]
    _begin(staging, repository)
    total = sum(repository.files[each].size or 0 for each in names)
    check_space(staging, total - sum(path.stat().st_size for path in staging.iterdir()))
    meter = Meter("download", total, told)
    # The configuration comes first: what is of another architecture is refused at once.
    names.sort(key=lambda each: (each != CONFIG, repository.files[each].size or 0))
    files = _fetched(repository, names[:1], staging, meter)
    table = read_table(staging)
    layout = layout_of(table, name)
    files |= _fetched(repository, names[1:], staging, meter)
    if layout is Layout.CONTRASTIVE and not set(TOKENIZER) & files.keys():
        files |= _borrowed_tokenizer(table.get("language_model_name_or_path"), repository, staging)
    (staging / _ORIGIN).unlink()
    return Staged(files, f"{repository.endpoint}/{name}", repository.commit)


def _begin(staging: Path, repository: Repository) -> None:
    """Keep what came before only where it is of the same commit."""
    origin = json.dumps([repository.endpoint, repository.name, repository.commit])
    note = staging / _ORIGIN
    if staging.exists() and not (note.is_file() and note.read_text(encoding="utf-8") == origin):
        shutil.rmtree(staging)
    staging.mkdir(parents=True, exist_ok=True)
    note.write_text(origin, encoding="utf-8")


def _fetched(
    repository: Repository, names: list[str], staging: Path, meter: Meter
) -> dict[str, Entry]:
    from model_runtime.checkpoints.hub import fetch

    return {name: fetch(repository, name, staging, meter) for name in names}


def _borrowed_tokenizer(
    text_model: object, repository: Repository, staging: Path
) -> dict[str, Entry]:
    """Fetch the text tower's tokenizer from the text model it was made of."""
    from model_runtime.checkpoints.hub import is_repository, open_repository

    if not isinstance(text_model, str) or not is_repository(text_model):
        return {}
    other = open_repository(text_model, None, repository.endpoint)
    names = [name for name in TOKENIZER if name in other.files]
    return _fetched(other, names, staging, Meter("download", 0, None))
