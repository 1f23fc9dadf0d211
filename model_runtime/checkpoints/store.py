"""The models that are installed, and which of them is in use.

A store is a folder with one folder per model, ``active.json`` that names those in use, and a
hidden folder where the next one is put together. Bundled models lie elsewhere; they are
listed, can be used, and stay. Everything that changes a store holds its lock.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from model_runtime.checkpoints.check import check_folder, paired
from model_runtime.checkpoints.contents import Contents, Layout, layout_of, read_table
from model_runtime.checkpoints.manifest import (
    Manifest,
    check_files,
    read_manifest,
    write_manifest,
)
from model_runtime.checkpoints.memory import check_memory
from model_runtime.checkpoints.staging import Meter, Staged, Told, cleared, stage
from model_runtime.errors import WeightsError
from model_runtime.placement import Placement, Precision

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ACTIVE, _STAGING, _LOCK = "active.json", ".staging", ".lock"


@dataclass(frozen=True)
class Installed:
    """A model that can be used; ``fault`` says why not where it cannot be read."""

    name: str
    folder: Path
    layout: Layout | None
    bundled: bool = False
    in_use: bool = False
    size: int = 0
    source: str = ""
    revision: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Choice:
    """The models in use: what writes, and what finds similar cases beside it.

    ``lost``: another was chosen, which is not there any more.
    """

    model: str
    contrastive: str | None = None
    lost: bool = False


class ModelStore:
    """Installed models under a folder, besides the bundled ones.

    Parameters
    ----------
    bundled : mapping of str to Path
        Name and folder of what came with the program; the first is used until another is.
    """

    def __init__(self, root: Path, bundled: Mapping[str, Path]) -> None:
        self.root = root
        self._bundled = dict(bundled)

    def installed(self) -> list[Installed]:
        """List all models, the bundled first."""
        own = self.root.iterdir() if self.root.is_dir() else ()
        names = sorted(p.name for p in own if p.is_dir() and _NAME.fullmatch(p.name))
        return [self._described(name) for name in (*self._bundled, *names)]

    def install(
        self,
        source: str,
        name: str | None = None,
        revision: str | None = None,
        endpoint: str | None = None,
        told: Told | None = None,
    ) -> Installed:
        """Install from a folder or from a repository ``OWNER/NAME``; what is in use stays.

        Raises
        ------
        WeightsError
            Where it is no checkpoint, is damaged or of another model, or the disk is full.
        TransferError
            Where the connection broke; what came is kept for the next time.
        """
        folder = Path(source).expanduser()
        name = name or (folder.resolve() if folder.is_dir() else folder).name
        if _NAME.fullmatch(name) is None:
            raise WeightsError(
                f"{name!r} cannot be a model's name: letters, digits, '.', '-' and '_' can. "
                "Choose one with --name."
            )
        with self._locked():
            if name in self._bundled or (self.root / name).exists():
                raise WeightsError(
                    f"There is a model named {name} already. Remove it first, or choose another "
                    "name with --name."
                )
            staging = self.root / _STAGING / name
            with cleared(staging):
                staged = stage(source, staging, revision, endpoint, told)
                check_folder(staging)
                write_manifest(staging, _manifest(staged))
                staging.replace(self.root / name)
        return self._described(name)

    def verify(self, name: str, told: Told | None = None) -> None:
        """Sum every file up and compare it with the manifest, the tensors with the model.

        Raises
        ------
        WeightsError
            Naming what differs.
        """
        folder = self.folder(name)
        manifest = read_manifest(folder)
        if manifest is None:
            raise WeightsError(f"{folder} lacks manifest.json. Install the model again.")
        files = [folder / each for each in manifest.files]
        total = sum(path.stat().st_size for path in files if path.is_file())
        fresh = check_files(folder, manifest, thorough=True, told=Meter("verify", total, told))
        check_folder(folder)
        if name not in self._bundled:
            write_manifest(folder, fresh)

    def remove(self, name: str) -> None:
        """Delete an installed model.

        Raises
        ------
        WeightsError
            Where it is bundled, in use or not there.
        """
        folder = self.folder(name)
        if name in self._bundled:
            raise WeightsError(f"{name} came with the program and stays.")
        choice = self.choice()
        if name in (choice.model, choice.contrastive):
            raise WeightsError(
                f"{name} is in use. Use another first: tomoscribe model use {self._default()}"
            )
        with self._locked():
            # Gone by name in one step, whatever deleting it takes.
            doomed = self.root / _STAGING / f"{name}.removed"
            doomed.parent.mkdir(exist_ok=True)
            shutil.rmtree(doomed, ignore_errors=True)
            folder.replace(doomed)
            shutil.rmtree(doomed)

    def use(self, name: str, placement: Placement | None = None) -> Choice:
        """Put a model in use, once it is certain that it loads; returns what is in use then.

        Parameters
        ----------
        placement
            Where it will run; None asks that it fits in the smallest form.

        Raises
        ------
        WeightsError
            Where it does not load or does not fit; what was in use stays in use.
        """
        choice, parts = self._tried(name)
        check_memory(parts, placement or Placement(precision=Precision.INT4))
        with self._locked():
            part = self.root / f"{_ACTIVE}.part"
            part.write_text(json.dumps(asdict(choice)) + "\n", encoding="utf-8")
            part.replace(self.root / _ACTIVE)
        return choice

    def choice(self) -> Choice:
        """Tell what is in use; the bundled model where nothing usable was chosen."""
        try:
            table = json.loads((self.root / _ACTIVE).read_text(encoding="utf-8"))
            choice = Choice(str(table["model"]), table.get("contrastive"))
            for name in filter(None, (choice.model, choice.contrastive)):
                self.folder(name)
        except FileNotFoundError:
            return Choice(self._default())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, WeightsError):
            return Choice(self._default(), lost=True)
        return choice

    def chosen_folders(self) -> tuple[Path, Path | None]:
        """Folders of what is in use: the model, and its contrastive model if any."""
        choice = self.choice()
        other = None if choice.contrastive is None else self.folder(choice.contrastive)
        return self.folder(choice.model), other

    def folder(self, name: str) -> Path:
        """Folder of a model.

        Raises
        ------
        WeightsError
            Where there is none of that name.
        """
        if name in self._bundled:
            return self._bundled[name]
        if _NAME.fullmatch(str(name)) is None or not (self.root / name).is_dir():
            raise WeightsError(f"There is no model named {name}. See tomoscribe model list.")
        return self.root / name

    def _default(self) -> str:
        return next(iter(self._bundled))

    def _tried(self, name: str) -> tuple[Choice, tuple[Contents, ...]]:
        """Find what a model would be used with, and check that both would load."""
        contents, before = self._checked(name), self.choice()
        if contents.layout is Layout.HOUSE:
            return Choice(name), paired(contents, None)
        if contents.layout is Layout.CONTRASTIVE:
            writes = self._checked(before.model)
            if writes.layout is Layout.HOUSE:
                raise WeightsError(
                    f"{before.model}, which is in use, has a contrastive model of its own. Use a "
                    f"published vision-language model first, then {name} beside it."
                )
            return Choice(before.model, name), paired(writes, contents)
        other = before.contrastive or self._only_contrastive()
        beside = None if other is None else self._checked(other)
        return Choice(name, other), paired(contents, beside)

    def _checked(self, name: str) -> Contents:
        folder = self.folder(name)
        manifest = read_manifest(folder)
        if manifest is None:
            raise WeightsError(f"{folder} lacks manifest.json. Install the model again.")
        check_files(folder, manifest, thorough=False)
        return check_folder(folder)

    def _only_contrastive(self) -> str | None:
        """Name the contrastive model where exactly one is installed."""
        names = [each.name for each in self.installed() if each.layout is Layout.CONTRASTIVE]
        return names[0] if len(names) == 1 else None

    def _described(self, name: str) -> Installed:
        folder, choice = self.folder(name), self.choice()
        bundled, in_use = name in self._bundled, name in (choice.model, choice.contrastive)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        try:
            layout = layout_of(read_table(folder), str(folder))
            manifest = read_manifest(folder) or Manifest({})
        except WeightsError as error:
            return Installed(name, folder, None, bundled, in_use, size, fault=str(error))
        source, revision = manifest.source, manifest.revision
        return Installed(name, folder, layout, bundled, in_use, size, source, revision)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / _LOCK, timeout=0):
                yield
        except Timeout as error:
            raise WeightsError(
                "Another installation is under way in this store. Wait for it to end."
            ) from error


def _manifest(staged: Staged) -> Manifest:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Manifest(staged.files, staged.source, staged.revision, now)
