"""Which series are wanted of a peer, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from workstation.io.pacs.query import Answer


@dataclass(frozen=True)
class SeriesKey:
    """Which series; ``count`` is how many images the peer says it has, None if it does not."""

    study_uid: str
    series_uid: str
    count: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Progress:
    """How many instances of a series are here, and of how many."""

    key: SeriesKey
    arrived: int
    reported: int | None


@dataclass(frozen=True)
class Failed:
    """An instance that did not come."""

    sop_uid: str
    reason: str


@dataclass(frozen=True)
class Retrieval:
    """What became of one series.

    Parameters
    ----------
    reported : int or None
        How many instances the peer says there are; None where it does not say.
    arrived : tuple of Path
        Complete files, those of an earlier attempt among them.
    missing : tuple of Failed
        What is known not to have come, and why.
    fault : str
        The last trouble with the peer, as a sentence.
    """

    key: SeriesKey
    folder: Path
    reported: int | None
    arrived: tuple[Path, ...]
    missing: tuple[Failed, ...] = ()
    attempts: int = 0
    fault: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that the peer reported is here."""
        return not self.missing and self.reported is not None and (
            len(self.arrived) >= self.reported
        )  # fmt: skip


def keys_of(study_uid: str, answers: Iterable[Answer]) -> tuple[SeriesKey, ...]:
    """List the series of a study that a peer answered with."""
    return tuple(
        SeriesKey(study_uid, one.series_uid, one.instance_count)
        for one in answers
        if one.series_uid
    )
