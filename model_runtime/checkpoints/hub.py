"""Checkpoints from a Hugging Face hub, or from a mirror that speaks like one.

Only the files of :mod:`model_runtime.checkpoints.files` are asked for, so no program ever
comes from there. A file grows beside its final name and is continued where it ended, in the
next run too. What came is compared with the checksum that the hub states.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from model_runtime.checkpoints.manifest import Entry, entry_of
from model_runtime.errors import WeightsError

Told = Callable[[int], None]
PART = ".part"
_HUB = "https://huggingface.co"
_SECONDS = 20.0
_ATTEMPTS = 3
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class TransferError(WeightsError):
    """The hub cannot be reached, or the connection broke; the same command goes on."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub states it; it gives a sha256 for large files, git's sum for others."""

    name: str
    size: int | None
    sha256: str
    blob_id: str


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    Attributes
    ----------
    endpoint : str
        Address of the hub, without a slash at its end.
    """

    name: str
    commit: str
    endpoint: str
    files: dict[str, RemoteFile]


def is_repository(source: str) -> bool:
    """Tell whether a text has the form OWNER/NAME."""
    return _REPOSITORY.fullmatch(source) is not None


def open_repository(name: str, revision: str | None, endpoint: str | None) -> Repository:
    """Ask the hub what a repository holds.

    Raises
    ------
    WeightsError
        Where there is no such repository or revision, or access has to be asked for.
    TransferError
        Where the hub cannot be reached.
    """
    address = (endpoint or os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    api = HfApi(endpoint=address, token=_token(address))
    try:
        info = api.model_info(name, revision=revision, files_metadata=True, timeout=_SECONDS)
    except GatedRepoError as error:
        raise WeightsError(
            f"{name} is given to those only who asked for it at {address}/{name}. "
            "Ask there, log in with 'hf auth login', and try again."
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"There is no repository {name} at {address}.") from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{name} at {address} has no revision {revision}.") from error
    except HFValidationError as error:
        raise WeightsError(f"{name} is not the name of a repository: {error}") from error
    except OfflineModeIsEnabled as error:
        raise TransferError(
            "HF_HUB_OFFLINE is set, so nothing is downloaded. Install from a folder, or unset it."
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL, HfHubHTTPError, OSError) as error:
        raise TransferError(f"{address} cannot be reached: {error}.") from error
    if not info.sha or not info.siblings:
        raise WeightsError(f"{address} does not say what {name} holds.")
    files = {
        each.rfilename: RemoteFile(
            each.rfilename, each.size, each.lfs.sha256 if each.lfs else "", each.blob_id or ""
        )
        for each in info.siblings
    }
    return Repository(name, info.sha, address, files)


def fetch(repository: Repository, name: str, folder: Path, told: Told) -> Entry:
    """Download a file, or the rest of it; ``told`` hears of every block's bytes.

    Raises
    ------
    TransferError
        Where the connection breaks; what came is kept.
    WeightsError
        Where what came is not what the hub states; it is deleted.
    """
    stated = repository.files[name]
    whole, part = folder / name, folder / f"{name}{PART}"
    if whole.is_file():
        told(whole.stat().st_size)
    else:
        _download(repository, stated, part, told)
        part.replace(whole)
    entry = entry_of(whole)
    if not _is_as_stated(whole, entry, stated):
        whole.unlink()
        raise WeightsError(
            f"{name} came damaged from {repository.endpoint}: its checksum is not the one that "
            "is stated there. It was deleted; try again."
        )
    return entry


def _download(repository: Repository, stated: RemoteFile, part: Path, told: Told) -> None:
    """Let a file grow to its end, going on a few times where the connection breaks."""
    if part.is_file() and stated.size is not None and part.stat().st_size > stated.size:
        part.unlink()
    told(part.stat().st_size if part.is_file() else 0)
    for attempt in range(_ATTEMPTS):
        try:
            with part.open("ab") as stream:
                _continue(repository, stated, stream, told)
        except httpx2.ReadError as error:
            # The library itself tries again after other faults of the network only.
            if attempt + 1 == _ATTEMPTS:
                raise _broken(repository, stated, error) from error
        except (httpx2.HTTPError, OSError) as error:
            # Want of space has a number of its own; a refusal or a wrong length has none.
            if getattr(error, "errno", None) is not None:
                raise
            raise _broken(repository, stated, error) from error
        else:
            return


def _continue(repository: Repository, stated: RemoteFile, stream: BinaryIO, told: Told) -> None:
    """Ask for what lies behind the end of a file."""
    name, commit, address = repository.name, repository.commit, repository.endpoint
    http_get(
        hf_hub_url(name, stated.name, revision=commit, endpoint=address),
        stream,
        resume_size=stream.tell(),
        headers=build_hf_headers(token=_token(address)),
        expected_size=stated.size,
        tqdm_class=cast(Any, lambda **_: _Bar(told)),
    )


def _broken(repository: Repository, stated: RemoteFile, error: Exception) -> TransferError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return TransferError(
        f"The download of {stated.name} from {repository.endpoint} broke off: {reason} "
        "What came is kept; the same command goes on from there."
    )


def _is_as_stated(path: Path, entry: Entry, stated: RemoteFile) -> bool:
    if stated.size is not None and entry.size != stated.size:
        return False
    if stated.sha256:
        return entry.sha256 == stated.sha256
    if not stated.blob_id:
        return True
    content = path.read_bytes()
    # git's own checksum of a file; the hub states no other for small ones.
    found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return found.hexdigest() == stated.blob_id


def _token(endpoint: str) -> bool | None:
    """Send the user's token to the hub itself only, never to a mirror."""
    return None if endpoint == _HUB else False


class _Bar:
    """What the library takes for a progress bar; it tells the bytes and draws nothing."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was drawn."""

    def update(self, count: float | None = 1) -> None:
        """Tell of so many bytes; fewer than none where the library begins anew."""
        self._told(int(count or 0))
