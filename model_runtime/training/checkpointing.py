"""Checkpoints of a run: written whole or not at all, and never mistaken for one another."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


class CheckpointError(OSError):
    """A checkpoint cannot be written or read; the message names the file and what stays."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write beside, flush to the disk, then rename: a full disk keeps the previous one.

    Raises
    ------
    CheckpointError
        Where it cannot be written; the previous checkpoint is as it was.
    """
    part = path.with_suffix(".part")
    try:
        torch.save(dict(state), part)
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    except (OSError, RuntimeError) as error:
        # Torch's own writer tells a full disk as a RuntimeError.
        part.unlink(missing_ok=True)
        stays = f"{path} is the last good one" if path.exists() else "there is none yet"
        step = state.get("step")
        raise CheckpointError(
            f"the checkpoint of step {step} cannot be written: {error}; {stays}"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None where there is none.

    Raises
    ------
    CheckpointError
        Where it is damaged: a run never starts again from nothing by itself.
    """
    # What a killed process left half written is no checkpoint.
    path.with_suffix(".part").unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        _ = state["module"], state["optimizer"], state["step"]
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"the checkpoint {path} is damaged ({error}); restore a copy of it, or delete it to "
            "start again"
        ) from error
    return state


def begin_from(module: nn.Module, path: Path, needed: str) -> list[str]:
    """Take over a checkpoint's weights; return the names of those that do not fit.

    Tensors whose name starts with ``needed`` have to fit; others, as heads for another size of
    volume, begin anew.

    Raises
    ------
    CheckpointError
        Where there is none, it is damaged, or what is needed does not fit.
    """
    state = load_checkpoint(path)
    if state is None:
        raise CheckpointError(f"there is no checkpoint {path} to begin from")
    own, given = module.state_dict(), state["module"]
    fits = {n: v for n, v in given.items() if n in own and own[n].shape == v.shape}
    left = sorted(own.keys() - fits.keys())
    lacking = next((name for name in left if name.startswith(needed)), None)
    if lacking is not None:
        raise CheckpointError(f"the checkpoint {path} is of another model: {lacking} does not fit")
    module.load_state_dict(own | fits)
    return left


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's names, to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
