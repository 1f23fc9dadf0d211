"""Prior cases in the window: the ones that are near, and one of them beside the scan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot

from workstation.core.errors import ModelError, TomoscribeError
from workstation.core.study import Severity
from workstation.core.volume import Volume
from workstation.prior_cases import PriorCases
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications
from workstation.ui.report_panel import ReportPanel
from workstation.ui.similar_panel import SimilarPanel
from workstation.ui.status_strip import StatusStrip


class PriorSearch(QObject):
    """Shows what the index finds, and opens a case in the background.

    Signals
    -------
    opened(Volume)
        A prior case is ready to stand beside the scan.
    """

    opened = Signal(object)

    def __init__(
        self,
        folder: Path,
        panel: SimilarPanel,
        report: ReportPanel,
        strip: StatusStrip,
        notifications: Notifications,
    ) -> None:
        super().__init__()
        self._folder, self._panel, self._report = folder, panel, report
        self._strip, self._notifications = strip, notifications
        self._weights = ""
        self._cases: PriorCases | None = None
        self._opening: Job | None = None
        panel.open_beside_requested.connect(self.open_case)

    def use_weights(self, weights_sha256: str) -> None:
        """Take note of the loaded weights; the index must have been built with them."""
        self._weights = weights_sha256
        self._cases = None

    def show(self, vector: NDArray[np.float32] | None, words: str = "") -> None:
        """Show the cases nearest to a unit vector, of the open scan or of typed words.

        Raises
        ------
        ModelError
            Where there is no vector, or the index cannot be used.
        """
        if vector is None:
            raise ModelError("The model gave no embedding.")
        known = self._loaded()
        cases = known.search(vector)
        if words:
            heading = f"{len(cases)} of {len(known)} cases nearest to “{words}”"
            self._panel.show_cases(heading, cases, words.split())
            return
        session = self._report.session
        text = session.report.text.lower() if session is not None else ""
        shared = sorted({f for case in cases for f in case.findings if f.lower() in text})
        heading = f"{len(cases)} of {len(known)} prior cases, nearest first"
        self._panel.show_cases(heading, cases, shared)

    def _loaded(self) -> PriorCases:
        """Load the index when it is first needed."""
        if self._cases is None:
            self._cases = PriorCases(self._folder, self._weights)
        return self._cases

    @Slot(str)
    def open_case(self, case_id: str) -> None:
        """Render a prior case in the background; an earlier one under way is dropped."""
        self.cancel()
        try:
            cases = self._loaded()
        except ModelError as error:
            self._on_failed(error)
            return
        self._opening = Job(_opener(cases, case_id))
        self._opening.step.connect(self._on_opened)
        self._opening.failed.connect(self._on_failed)
        self._opening.ended.connect(self._strip.end_work)
        self._strip.show_work("opening the prior case", None)
        self._opening.start()

    def cancel(self) -> None:
        """Drop a case that is being opened, as when another study comes on screen."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    @Slot(object)
    def _on_opened(self, volume: Volume) -> None:
        self.opened.emit(volume)

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._notifications.show(error.message, Severity.ERROR, error.details)


def _opener(cases: PriorCases, case_id: str) -> Callable[[Event], Iterator[Volume]]:
    def work(cancelled: Event) -> Iterator[Volume]:
        volume = cases.volume(case_id)
        if not cancelled.is_set():
            yield volume

    return work
