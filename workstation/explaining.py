"""Look for the evidence of a sentence or an answer, and show it where it was asked for."""

from __future__ import annotations

from weakref import WeakSet

from PySide6.QtCore import QObject, Signal, Slot

from model_runtime import api
from workstation.consulting import Consulting, Panels
from workstation.core.claim import Claim
from workstation.core.errors import ModelError
from workstation.core.evidence import strongest_place
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.core.volume import Volume
from workstation.model_port import volume_input
from workstation.tasks.pump import Pump
from workstation.ui.evidence_view import EvidenceView, Explained

_ANOTHER_SERIES = "These words are about another series. Open that one to look for their evidence."


class Explaining(QObject):
    """One search at a time: a new one takes the place of the one before.

    Signals
    -------
    changed()
        A search began or ended, or what the images show of one.
    """

    changed = Signal()

    def __init__(
        self, pump: Pump, reading: Reading, panels: Panels, consulting: Consulting
    ) -> None:
        super().__init__()
        self._pump, self._reading, self._panels = pump, reading, panels
        self._consulting = consulting
        self._usual: dict[str, api.HuWindow] = {}
        self._wired: WeakSet[EvidenceView] = WeakSet()
        self._ticket: int | None = None
        self._view: EvidenceView | None = None
        self._volume: Volume | None = None
        self._found: api.Evidence | None = None
        self._on_screen: EvidenceView | None = None
        pump.loaded.connect(self._on_loaded)
        pump.told.connect(self._on_told)
        pump.stopped.connect(self._on_stopped)
        reading.events.evidence.connect(self._on_evidence)
        panels.report.evidence_requested.connect(self.explain)
        panels.ask.evidence_requested.connect(self.explain)

    @property
    def is_busy(self) -> bool:
        """Whether a search is under way."""
        return self._ticket is not None

    @Slot(object, object)
    def explain(self, claim: Claim, view: EvidenceView) -> None:
        """Look in the open scan for the evidence of a claim and tell it in a view."""
        self.cancel()
        self._wire(view)
        view.claim = claim
        volume = self._reading.volume
        if volume is None:
            view.fail("No scan is open. Open one first.")
            return
        if not claim.is_about(volume.series.description, len(volume.available)):
            view.fail(_ANOTHER_SERIES)
            return
        try:
            given = volume_input(volume)
        except ModelError as error:
            view.fail(error.message, error.details)
            return
        view.run("looking for evidence …")
        self._view, self._volume, self._found = view, volume, None
        self._ticket = self._pump.next_ticket()
        self._pump.submit(
            api.Request(
                self._ticket, api.Task.EVIDENCE, given, claim.question, claim.choices,
                self._seen_in(claim), context=claim.context, target=claim.target,
            )
        )  # fmt: skip
        self.changed.emit()

    @Slot()
    def cancel(self) -> None:
        """Stop the search; what was told before stays."""
        if self._ticket is not None:
            self._pump.cancel(self._ticket)
            self._end().stop()

    def forget(self) -> None:
        """Stop, since another series is open; the report's line was about the one before."""
        self.cancel()
        self._panels.report.evidence.dismiss()

    def _seen_in(self, claim: Claim) -> api.HuWindow | None:
        """Window in which the model saw the scan; None, the usual one, saves it work."""
        receipt = claim.receipt
        if receipt is None or receipt.window is None:
            return self._consulting.window()
        usual = self._usual.get(receipt.region)
        return None if receipt.window == usual else receipt.window

    def _wire(self, view: EvidenceView) -> None:
        if view not in self._wired:
            self._wired.add(view)
            view.cancel_requested.connect(self.cancel)
            view.retry_requested.connect(self._on_retry)
            view.show_requested.connect(self._on_show)
            view.go_requested.connect(self._on_go)

    def _end(self) -> EvidenceView:
        """Let go of the search; returns where it was to be told."""
        view, self._ticket, self._view = self._view, None, None
        assert view is not None
        if not self._consulting.is_busy:
            self._panels.strip.end_work()
        self.changed.emit()
        return view

    @Slot(object)
    def _on_loaded(self, info: api.ModelInfo) -> None:
        self._usual = {region.value: window for region, window in info.windows.items()}

    @Slot(int, object)
    def _on_told(self, ticket: int, event: api.Event) -> None:
        if ticket != self._ticket or self._view is None:
            return
        match event:
            case api.Progress():
                self._show_progress(self._view, event)
            case api.Notice(text=text):
                self._panels.notifications.show(text, Severity.WARNING)
            case api.Evidence():
                self._found = event
            case api.Done():
                self._tell()
            case api.Failed(message=message, details=details):
                self._end().fail(message, details)
            case api.Stopped():
                self._end().stop()

    def _show_progress(self, view: EvidenceView, event: api.Progress) -> None:
        view.run(event.stage.value, event.fraction)
        if not self._consulting.is_busy:
            self._panels.strip.show_work(event.stage.value, event.fraction)

    @Slot(int)
    def _on_stopped(self, ticket: int) -> None:
        if ticket == self._ticket:
            self._end().stop()

    def _tell(self) -> None:
        found, volume, view = self._found, self._volume, self._end()
        if found is None or volume is None or view.claim is None:
            view.fail("The model ended without an answer; try again.")
            return
        view.tell(Explained(view.claim, found, volume.key))
        self._on_show(view, found.localised)

    @Slot(object)
    def _on_retry(self, view: EvidenceView) -> None:
        if view.claim is not None:
            self.explain(view.claim, view)

    @Slot(object, bool)
    def _on_show(self, view: EvidenceView, shown: bool) -> None:
        """Put a view's blocks on the images, or take away what is there."""
        found = self._localised(view)
        if shown and found is not None:
            self._reading.evidence = None  # whoever showed theirs hears that they are gone
            self._on_screen = view
            self._reading.evidence = found.evidence.maps[0]
        else:
            self._reading.evidence = None

    @Slot(object)
    def _on_go(self, view: EvidenceView) -> None:
        """Bring the crosshair to the strongest cell, or back."""
        found, volume = self._localised(view), self._reading.volume
        if found is None or volume is None:
            return
        if view.came_from is not None:
            self._reading.point_at(view.came_from)
            view.came_from = None
        else:
            view.came_from = self._reading.cursor
            self._reading.point_at(strongest_place(found.evidence.maps[0], volume.geometry))
            self._on_show(view, True)
        view.set_went(view.came_from is not None)

    def _localised(self, view: EvidenceView) -> Explained | None:
        """Give what a view tells, where it lies in one place of the volume that is open."""
        found, volume = view.explained, self._reading.volume
        if found is None or volume is None or not found.evidence.localised:
            return None
        if found.volume_key != volume.key:
            view.fail(_ANOTHER_SERIES)
            return None
        return found

    def _on_evidence(self, heat: api.HeatMap | None) -> None:
        """Tell the view whose blocks came or went, by whatever way."""
        if self._on_screen is not None:
            self._on_screen.set_shown(heat is not None)
            if heat is None:
                self._on_screen = None
        self.changed.emit()
