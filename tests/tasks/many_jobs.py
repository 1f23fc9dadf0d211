"""Runs thousands of short jobs in a process of its own; it ends with 0 if nothing took it down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from threading import Event

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Slot

from workstation.tasks.job import Job

_AT_ONCE = 6


class _Owner(QObject):
    """Starts jobs until there were enough, and counts what comes back."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.steps = self.ended = self.started = 0
        self._wanted = wanted
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._more)
        self._timer.start(1)

    @Slot()
    def _more(self) -> None:
        if self.started >= self._wanted:
            self._timer.stop()
            QTimer.singleShot(1500, QCoreApplication.quit)
            return
        for _ in range(_AT_ONCE):
            self.started += 1
            job = Job(_work)
            job.step.connect(self._on_step)
            job.ended.connect(self._on_ended)
            job.start()

    @Slot(object)
    def _on_step(self, _step: object) -> None:
        self.steps += 1

    @Slot()
    def _on_ended(self) -> None:
        self.ended += 1


def _work(_cancelled: Event) -> Iterator[object]:
    for number in range(3):
        yield (number, [object()] * 10)


def main() -> int:
    """Run as many jobs as the first argument says."""
    application = QCoreApplication([])
    owner = _Owner(int(sys.argv[1]))
    application.exec()
    return int((owner.ended, owner.steps) != (owner.started, 3 * owner.started))


if __name__ == "__main__":
    sys.exit(main())
