"""``tomoscribe model``: install, list, verify, remove and use models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING, Any, TextIO

from model_runtime.errors import WeightsError
from model_runtime.placement import Placement, Precision
from workstation.core.errors import CancelledError, ModelError
from workstation.model_choice import model_store
from workstation.settings import Settings

if TYPE_CHECKING:
    from model_runtime.checkpoints.staging import Progress
    from model_runtime.checkpoints.store import Installed, ModelStore

_STEP = 5


class _Percentage:
    """Writes how far it is: over itself in a terminal, else a line for every few per cent."""

    def __init__(self, stream: TextIO, cancelled: Event) -> None:
        self._stream, self._cancelled = stream, cancelled
        self._last = ("", -1)

    def __call__(self, progress: Progress) -> None:
        """Take a step; raises where the user stopped."""
        if self._cancelled.is_set():
            raise CancelledError("Cancelled.")
        share = 100 * progress.done // max(progress.total, 1)
        terminal = self._stream.isatty()
        now = (progress.stage, share if terminal else share - share % _STEP)
        if now == self._last:
            return
        self._last = now
        size = f"{progress.done / 1e6:,.0f} of {progress.total / 1e6:,.0f} MB"
        end = "\n" if not terminal or share == 100 else "\r"
        self._stream.write(f"{progress.stage} {now[1]:3d} %  {size}{end}")
        self._stream.flush()


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse names no type for it
    """Add ``model`` and what it can do to the program's commands."""
    model = commands.add_parser("model", help="install, list, verify, remove and use models")
    jobs = model.add_subparsers(dest="job", metavar="JOB", required=True)
    install = jobs.add_parser("install", help="from a folder, or a repository OWNER/NAME of a hub")
    install.add_argument("source", metavar="REPO_OR_FOLDER")
    install.add_argument("--name", help="by which it will be known; the source's if not given")
    install.add_argument("--endpoint", help="address of the hub; HF_ENDPOINT if not given")
    install.add_argument("--revision", help="branch, tag or commit; the newest if not given")
    jobs.add_parser("list", help="what is installed, and what is in use")
    verify = jobs.add_parser("verify", help="compare every file with its checksum")
    verify.add_argument("name", nargs="?", help="all if not given")
    remove = jobs.add_parser("remove", help="delete an installed model")
    remove.add_argument("name")
    use = jobs.add_parser("use", help="load this one from now on")
    use.add_argument("name")


def run_model_command(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    """Run one of them.

    Raises
    ------
    ModelError
        With a sentence, where it is refused.
    """
    try:
        _JOBS[given.job](given, settings, cancelled)
    except WeightsError as error:
        raise ModelError(str(error)) from error


def _install(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    told = _Percentage(sys.stderr, cancelled)
    new = model_store(settings).install(
        given.source, given.name, given.revision, given.endpoint, told
    )
    _say(f"Installed {new.name} ({new.layout}, {new.size / 1e9:.2f} GB). "
         f"To load it from now on: tomoscribe model use {new.name}")  # fmt: skip


def _list(_given: argparse.Namespace, settings: Settings, _cancelled: Event) -> None:
    for model in model_store(settings).installed():
        _say(_line(model))
    if "model_folder" in settings.model_fields_set:
        _say(f"The setting model_folder comes first: {settings.model_folder}")


def _line(model: Installed) -> str:
    mark = "*" if model.in_use else " "
    kind = "damaged" if model.layout is None else f"{model.layout}"
    origin = "bundled" if model.bundled else model.source
    if model.revision:
        origin += f" @ {model.revision[:12]}"
    return f"{mark} {model.name:32} {kind:16} {model.size / 1e9:7.2f} GB  {model.fault or origin}"


def _verify(given: argparse.Namespace, settings: Settings, cancelled: Event) -> None:
    store = model_store(settings)
    names = [given.name] if given.name else [model.name for model in store.installed()]
    faults = [fault for name in names if (fault := _fault(store, name, cancelled))]
    if faults:
        raise ModelError(" ".join(faults))


def _fault(store: ModelStore, name: str, cancelled: Event) -> str:
    """Verify one model and say how it went; returns the fault, if any."""
    try:
        store.verify(name, _Percentage(sys.stderr, cancelled))
    except WeightsError as error:
        _say(f"FAILED  {name}")
        return str(error)
    _say(f"    ok  {name}")
    return ""


def _remove(given: argparse.Namespace, settings: Settings, _cancelled: Event) -> None:
    model_store(settings).remove(given.name)
    _say(f"Removed {given.name}.")


def _use(given: argparse.Namespace, settings: Settings, _cancelled: Event) -> None:
    choice = model_store(settings).use(given.name, _placement(settings))
    beside = f" with {choice.contrastive} for similar cases" if choice.contrastive else ""
    _say(f"In use from the next start: {choice.model}{beside}.")
    if "model_folder" in settings.model_fields_set:
        _say(f"But the setting model_folder comes first: {settings.model_folder}. Take it out.")


def _placement(settings: Settings) -> Placement | None:
    """Where the model will run, as far as the settings say; None where the program chooses."""
    if settings.model_precision == "auto" or settings.model_device == "auto":
        return None
    return Placement(settings.model_device, Precision(settings.model_precision))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


_JOBS: dict[str, Callable[[argparse.Namespace, Settings, Event], None]] = {
    "install": _install,
    "list": _list,
    "verify": _verify,
    "remove": _remove,
    "use": _use,
}
