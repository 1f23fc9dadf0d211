"""Files on their way to a peer: what was taken, what not, and trying again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from workstation.core.errors import CancelledError, NetworkError, PeerRefusedError
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.patience import Patience

NOT_DICOM = "it is not a DICOM file that names its instance"
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Unsent:
    """A file that the peer did not take."""

    path: Path
    reason: str


@dataclass
class Sent:
    """What a peer took and what not; ``earlier`` was taken in an attempt before this call."""

    taken: list[Path] = field(default_factory=list)
    refused: list[Unsent] = field(default_factory=list)
    earlier: list[Path] = field(default_factory=list)


class Outgoing:
    """One sending.

    Parameters
    ----------
    told : callable or None
        Hears after each file how many are done, of how many.
    ledger : Ledger or None
        Lets a later call go on where this one was cancelled, killed or given up.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        cancelled: Event,
        told: Told | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self._paths, self._cancelled, self._told = tuple(dict.fromkeys(paths)), cancelled, told
        self._book = ledger or Ledger(None)
        self.sent = Sent(earlier=[path for path in self._paths if self._book.knows(path)])

    @property
    def left(self) -> list[Path]:
        """What is still to be sent."""
        sent = self.sent
        done = {*sent.taken, *sent.earlier, *(one.path for one in sent.refused)}
        return [path for path in self._paths if path not in done]

    def refuse(self, path: Path, reason: str) -> None:
        """Note that a file cannot be sent."""
        self.sent.refused.append(Unsent(path, reason))

    def each(self, send_one: Callable[[Path], str]) -> None:
        """Send what is left; ``send_one`` returns why a file was refused, or nothing.

        Raises
        ------
        CancelledError
            Between two files.
        """
        for path in self.left:
            if self._cancelled.is_set():
                raise CancelledError("Sending was cancelled.")
            if reason := send_one(path):
                self.refuse(path, reason)
            else:
                self.sent.taken.append(path)
                self._book.note(path)
            if self._told is not None:
                self._told(len(self._paths) - len(self.left), len(self._paths))

    def run(self, once: Callable[[], None], patience: Patience) -> Sent:
        """Try until it goes through; give up after some attempts that brought nothing.

        Raises
        ------
        NetworkError
            That of the last attempt; at once for one that does not get better.
        """
        try:
            self._persist(once, patience)
        # Whatever it is, Ctrl+C too, the book must say that it is not finished; it is raised on.
        except BaseException:
            self._book.close(finished=False)
            raise
        self._book.close(finished=not self.sent.refused)
        return self.sent

    def _persist(self, once: Callable[[], None], patience: Patience) -> None:
        idle = 0
        while self.left:
            before = len(self.left)
            try:
                return once()
            except PeerRefusedError:
                raise
            except NetworkError:
                idle = 0 if len(self.left) < before else idle + 1
                if idle >= patience.attempts or self._cancelled.is_set():
                    raise
            self._cancelled.wait(patience.pause * 2 ** max(idle - 1, 0))
        return None
