"""Marks the folder of a series that was not brought whole, until it is.

The mark is there before the first image, so that a retrieval which is killed leaves no folder
that looks whole. Whoever reads the folder finds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workstation.core.errors import StorageError
from workstation.core.study import Notice

MARK = ".incomplete"
_MOST_BYTES = 1000


@dataclass(frozen=True)
class Incomplete:
    """How many images are here, and of how many; None where the peer does not say."""

    arrived: int
    reported: int | None

    @property
    def text(self) -> str:
        """``12 of 30``."""
        return f"{self.arrived} of {'?' if self.reported is None else self.reported}"

    @property
    def notice(self) -> Notice:
        """What the reader has to know."""
        text = (
            f"Only {self.text} images of this series were retrieved; what is missing "
            "may show what matters. Retrieve it again to bring the rest."
        )
        return Notice(text, badge=f"INCOMPLETE {self.text}")


def mark(folder: Path, state: Incomplete) -> None:
    """Mark a series' folder.

    Raises
    ------
    StorageError
        The disk is full or gone.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).write_text(json.dumps([state.arrived, state.reported]), encoding="ascii")
    except OSError as error:
        raise StorageError("A received image could not be stored.", error.strerror or "") from error


def unmark(folder: Path) -> None:
    """Take the mark away: the series is whole."""
    (folder / MARK).unlink(missing_ok=True)


def read_mark(folder: Path) -> Incomplete | None:
    """Read a folder's mark; one that cannot be read is one all the same."""
    path = folder / MARK
    try:
        with path.open(encoding="ascii") as stream:
            arrived, reported = json.loads(stream.read(_MOST_BYTES))
        return Incomplete(int(arrived), None if reported is None else int(reported))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError):
        return Incomplete(0, None)


def incomplete_in(files: Iterable[Path]) -> Incomplete | None:
    """Find the mark of a series by its files."""
    folders = dict.fromkeys(file.parent for file in files)
    return next((found for folder in folders if (found := read_mark(folder)) is not None), None)
