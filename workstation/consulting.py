"""Consult the model: draft, ask, find similar; each answer returns to the study it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from model_runtime import api
from workstation.core.errors import ModelError, TomoscribeError
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.model_port import volume_input
from workstation.model_runs import Ask, Kind, Outcome, broken_off, finished
from workstation.prior_search import PriorSearch
from workstation.tasks.pump import Pump
from workstation.ui.ask_panel import AskPanel
from workstation.ui.notifications import Notifications
from workstation.ui.report_panel import ReportPanel
from workstation.ui.similar_panel import SimilarPanel
from workstation.ui.status_strip import StatusStrip

AUTOMATIC, AS_SHOWN = "auto", "shown"
MODEL_WINDOWS = (AUTOMATIC, *(region.value for region in api.Region), AS_SHOWN)
"""Windows that the model can see a scan in: by body region, of one region, or as shown."""

_NO_REPORT = "The report of this study is not open yet, so nothing can be drafted into it."


@dataclass(frozen=True)
class Panels:
    """Where answers are shown."""

    report: ReportPanel
    ask: AskPanel
    similar: SimilarPanel
    strip: StatusStrip
    notifications: Notifications


class Consulting(QObject):
    """Sends requests about the open scan and shows their events where they belong.

    Signals
    -------
    ran(Run)
        The model drafted or answered, to the end or not.
    """

    ran = Signal(object)

    def __init__(self, pump: Pump, reading: Reading, panels: Panels, priors: PriorSearch) -> None:
        super().__init__()
        self._pump, self._reading, self._panels, self._priors = pump, reading, panels, priors
        self._asked: dict[int, Ask] = {}
        # Tokens come in batches; each batch is one change of the text on screen.
        self._showing = QTimer(self, singleShot=True, interval=0)
        self._showing.timeout.connect(self._show_written)
        self.info: api.ModelInfo | None = None
        self.model_window = AUTOMATIC
        pump.loaded.connect(self._on_loaded)
        pump.load_failed.connect(self._on_load_failed)
        pump.told.connect(self._on_told)
        pump.stopped.connect(self._on_stopped)
        panels.report.draft_requested.connect(self.draft)
        panels.report.cancel_requested.connect(self.cancel)
        panels.ask.asked.connect(self.ask)
        panels.ask.cancel_requested.connect(self.cancel)
        panels.ask.insert_requested.connect(panels.report.insert_answer)
        panels.similar.similar_requested.connect(self.find_similar)
        panels.similar.text_search_requested.connect(self.search_text)
        panels.similar.cancel_requested.connect(self.cancel)

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._asked)

    @Slot()
    def draft(self) -> None:
        """Have the model draft the report of the open scan."""
        if any(ask.kind is Kind.DRAFT for ask in self._asked.values()):
            return
        if self._reading.volume is not None and self._panels.report.session is None:
            self._panels.notifications.show(_NO_REPORT, Severity.WARNING)
            return
        run_id = f"draft-{uuid4().hex[:12]}"
        if self._submit(api.Task.REPORT, Ask(Kind.DRAFT, run_id=run_id)) is not None:
            self._panels.report.begin_draft(run_id)

    @Slot(str, object)
    def ask(self, question: str, choices: Sequence[str] = ()) -> None:
        """Ask about the open scan."""
        self._panels.ask.begin(question, choices)
        asked = Ask(Kind.QUESTION, question, f"question-{uuid4().hex[:12]}")
        self._submit(api.Task.QUESTION, asked, tuple(choices))

    @Slot()
    def find_similar(self) -> None:
        """Find prior cases like the open scan."""
        self._panels.similar.run("encoding the scan …")
        self._submit(api.Task.EMBED_VOLUME, Ask(Kind.SIMILAR))

    @Slot(str)
    def search_text(self, text: str) -> None:
        """Find prior cases by words."""
        self._panels.similar.run("searching …")
        request = api.Request(self._pump.next_ticket(), api.Task.EMBED_TEXT, text=text)
        self._asked[request.ticket] = Ask(Kind.SEARCH, text)
        self._pump.submit(request)

    @Slot()
    def cancel(self) -> None:
        """Stop everything under way; what was written stays."""
        self._show_written()
        for ticket, ask in tuple(self._asked.items()):
            self._pump.cancel(ticket)
            self._tell_broken_off(ask, "cancelled")
            self._show_cancelled(ask)
            del self._asked[ticket]
        self._panels.strip.end_work()

    def _tell_broken_off(self, ask: Ask, outcome: Outcome, reason: str = "") -> None:
        if ask.run_id:
            self.ran.emit(broken_off(ask, outcome, self.info, reason))

    def _show_cancelled(self, ask: Ask) -> None:
        if ask.kind is Kind.DRAFT:
            self._panels.report.finish_draft()
        elif ask.kind is Kind.QUESTION:
            self._panels.ask.stop()
        else:
            self._panels.similar.stop()

    def turn_to(self, study_key: str) -> None:
        """Stop everything; show the answers about this study and no similar cases yet."""
        self.cancel()
        self._priors.cancel()
        self._panels.ask.show_study(study_key)
        self._panels.similar.clear()

    def _submit(self, task: api.Task, ask: Ask, choices: tuple[str, ...] = ()) -> int | None:
        """Send a request about the open scan; says why not where it cannot be sent."""
        volume = self._reading.volume
        if volume is None:
            self._fail(ask, "No scan is open. Open one first.")
            return None
        try:
            given = volume_input(volume)
        except ModelError as error:
            self._fail(ask, error.message, error.details)
            return None
        ticket = self._pump.next_ticket()
        request = api.Request(ticket, task, given, ask.words, choices, self.window())
        ask.request, ask.study_key = request, volume.series.study_key
        self._asked[ticket] = ask
        return self._pump.submit(request)

    def window(self) -> api.HuWindow | None:
        """Window for the next request; None leaves it to the body region."""
        if self.model_window == AS_SHOWN:
            return api.HuWindow(self._reading.window.low, self._reading.window.high)
        if self.model_window == AUTOMATIC or self.info is None:
            return None
        return self.info.windows.get(api.Region(self.model_window))

    @Slot(int, object)
    def _on_told(self, ticket: int, event: api.Event) -> None:
        ask = self._asked.get(ticket)
        if ask is None:
            return
        if isinstance(event, api.Token):
            ask.unshown.append(event)
            self._showing.start()
            return
        self._show_written()  # before what comes after it
        match event:
            case api.Progress():
                self._show_progress(ask, event)
            case api.Choices(probabilities=probabilities):
                self._panels.ask.set_choices(probabilities)
            case api.Notice():
                self._show_notice(ask, event)
            case api.Done() | api.Failed() | api.Stopped():
                self._end(ticket)
                self._show_end(ask, event)

    def _show_end(self, ask: Ask, event: api.Done | api.Failed | api.Stopped) -> None:
        match event:
            case api.Done():
                self._finish(ask, event)
            case api.Failed(message=message, details=details):
                self._tell_broken_off(ask, "failed", message)
                self._fail(ask, message, details)

    def _show_notice(self, ask: Ask, notice: api.Notice) -> None:
        self._panels.notifications.show(notice.text, Severity.WARNING)
        if notice.restarts:
            ask.begin_anew()
        if notice.restarts and ask.kind is Kind.DRAFT:
            self._panels.report.restart_draft()
        elif notice.restarts and ask.kind is Kind.QUESTION:
            self._panels.ask.restart()

    def _end(self, ticket: int) -> None:
        del self._asked[ticket]
        if not self._asked:
            self._panels.strip.end_work()

    def _show_progress(self, ask: Ask, event: api.Progress) -> None:
        text = event.stage.value
        if ask.kind is Kind.DRAFT:
            self._panels.report.set_progress(event.stage, event.fraction)
        elif ask.kind is Kind.QUESTION:
            self._panels.ask.set_progress(text, event.fraction)
        else:
            self._panels.similar.run(text, event.fraction)
        self._panels.strip.show_work(text, event.fraction)

    @Slot()
    def _show_written(self) -> None:
        """Show the tokens that have come since the last time."""
        for ask in tuple(self._asked.values()):
            if tokens := ask.take():
                self._write(ask, tokens)

    def _write(self, ask: Ask, tokens: Sequence[api.Token]) -> None:
        text, speed = "".join(token.text for token in tokens), tokens[-1].tokens_per_second
        self._panels.strip.show_work(api.Stage.WRITE.value, None, f"{speed:.0f} tok/s")
        if ask.kind is Kind.DRAFT:
            logprobs, lengths = zip(*((t.logprob, len(t.text)) for t in tokens), strict=True)
            self._panels.report.add_text(text, logprobs, lengths)
            self._panels.report.set_progress(api.Stage.WRITE, None, speed)
        else:
            self._panels.ask.add_text(text)

    def _finish(self, ask: Ask, done: api.Done) -> None:
        if ask.run_id:
            self.ran.emit(finished(ask, done))
        if ask.kind is Kind.DRAFT:
            self._panels.report.finish_draft(done.provenance)
            for note in done.provenance.notes:
                self._panels.notifications.show(f"About the draft: {note}.", Severity.WARNING)
        elif ask.kind is Kind.QUESTION:
            self._panels.ask.finish(done.text, done.provenance)
        else:
            self._show_cases(ask, done)

    def _show_cases(self, ask: Ask, done: api.Done) -> None:
        words = ask.words if ask.kind is Kind.SEARCH else ""
        try:
            self._priors.show(done.embedding, words)
        except ModelError as error:
            self._fail(ask, error.message, error.details)

    def _fail(self, ask: Ask, message: str, details: str = "") -> None:
        if ask.kind is Kind.DRAFT:
            self._panels.report.fail_draft(message, details)
        elif ask.kind is Kind.QUESTION:
            self._panels.ask.fail(message, details)
        else:
            self._panels.similar.fail(message, details)

    @Slot(object)
    def _on_loaded(self, info: api.ModelInfo) -> None:
        self.info = info
        self._priors.use_weights(info.weights_sha256)
        self._panels.strip.show_model(info.notice, info.demonstration)

    @Slot(object)
    def _on_load_failed(self, error: TomoscribeError) -> None:
        self._panels.strip.show_no_model(error.message)
        self._panels.notifications.show(error.message, Severity.ERROR, error.details)

    @Slot(int)
    def _on_stopped(self, ticket: int) -> None:
        ask = self._asked.pop(ticket, None)
        if ask is not None:
            self._tell_broken_off(ask, "cancelled")
        if not self._asked:
            self._panels.strip.end_work()
