"""The PACS panel at work: searches, retrievals one after another, a patient's priors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event

from PySide6.QtCore import QObject, Slot

from workstation.actions.action import Action
from workstation.actions.query_actions import QueryDesk, query_actions
from workstation.connecting import Connecting
from workstation.core.errors import InputError, PeerRefusedError, TomoscribeError
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.fetching import Fetching
from workstation.logins import LoginNeededError
from workstation.opening import Opening
from workstation.pacs_peers import peer_names
from workstation.retrieving import Kept, Partly
from workstation.settings import Settings
from workstation.tasks.job import Job
from workstation.tasks.telling import telling
from workstation.ui.main_window import MainWindow
from workstation.ui.query_panel import QueryPanel
from workstation.ui.study_table import Stage, StudyRow

_WRONG_LOGIN = "HTTP 401"


def query_panel(settings: Settings) -> QueryPanel:
    """Make the panel for the peers of the settings."""
    return QueryPanel(peer_names(settings))


class Querying(QObject):
    """Joins the panel to the peers of the settings; all of the network runs in jobs."""

    def __init__(
        self,
        settings: Settings,
        window: MainWindow,
        panel: QueryPanel,
        opening: Opening,
        reading: Reading,
    ) -> None:
        super().__init__(window)
        self._settings, self._window, self._panel = settings, window, panel
        self._reading, self._opening = reading, opening
        self.connecting = Connecting(settings, window, opening.pool)
        self.connecting.changed.connect(self._on_configured)
        panel.settings_requested.connect(self.connecting.configuring.open)
        self.logins = self.connecting.logins
        self._search: Job | None = None
        self._fetching = Fetching(settings, opening.pool, self.connecting.source, self)
        self._wanted: StudyRow | None = None
        self._again: Callable[[], None] = self.search
        self._limited = False
        self._fetching.changed.connect(self._on_changed)
        self._fetching.ended.connect(self._on_ended)
        self._fetching.failed.connect(self._on_retrieval_failed)
        panel.search_requested.connect(self.search)
        panel.retrieve_requested.connect(self.retrieve)
        panel.open_requested.connect(self.open)
        panel.priors_requested.connect(self.priors)
        panel.cancel_requested.connect(self.cancel)
        panel.retry_requested.connect(self._retry)
        panel.close_requested.connect(self.toggle)
        self.logins.given.connect(self._retry)
        opening.opened.connect(self._on_opened)
        self._on_opened()

    @Slot()
    def _on_configured(self) -> None:
        self._panel.show_peers(self.connecting.names)
        self._on_opened()
        self._window.refresh_actions()

    def actions(self) -> tuple[Action, ...]:
        """Give the table of the menu PACS."""
        desk = QueryDesk(
            toggle=self.toggle,
            shown=self._window.docks["pacs"].isVisible,
            priors=self.priors,
            has_patient=self._has_patient,
            cancel=self.cancel,
            is_busy=lambda: self.is_busy,
            settings=self.connecting.configuring.open,
        )
        return query_actions(desk)

    @property
    def is_busy(self) -> bool:
        """Whether a search or a retrieval is under way."""
        return self._search is not None or bool(self._fetching.rows)

    @Slot()
    def _on_opened(self) -> None:
        self._panel.priors.setEnabled(self._has_patient())

    @Slot()
    def toggle(self) -> None:
        """Show the panel, ready to type, or hide it."""
        dock = self._window.docks["pacs"]
        if dock.isVisible():
            dock.hide()
        else:
            self._window.raise_dock("pacs")
            self._panel.form.fields["patient_name"].setFocus()
        self._window.refresh_actions()

    @Slot()
    def search(self) -> None:
        """Look for what was typed."""
        try:
            values = self._panel.form.values()
        except InputError as error:
            self._panel.running.fail(error.message)
            return
        name = self._panel.form.peer.currentText()

        def work(cancelled: Event) -> Iterator[object]:
            from workstation.io.pacs.query import Query

            query = Query(**values)  # type: ignore[arg-type]
            source = self.connecting.source(name)
            found = yield from telling(lambda tell: source.find(query, cancelled, told=tell))
            yield found.limited

        self._begin_search(work, self.search, f"asking {name} …")

    @Slot()
    def priors(self) -> None:
        """Find the other studies of the open patient and retrieve them all."""
        self._window.raise_dock("pacs")
        self._window.refresh_actions()
        volume = self._reading.volume
        name = self._panel.form.peer.currentText()
        if volume is None or not self._has_patient() or not name:
            return
        file, patient = volume.series.files[0], volume.series.patient

        def work(cancelled: Event) -> Iterator[object]:
            from workstation.io.pacs.priors import find_priors, is_same_person
            from workstation.io.pacs.store import read_identity

            source, current = self.connecting.source(name), read_identity(file)[0]
            for one in find_priors(source, patient.id, cancelled, current=current):
                yield one, is_same_person(one, patient.birth_date)
            yield False

        self._begin_search(work, self.priors, f"asking {name} for this patient's priors …")

    def _begin_search(
        self, work: Callable[[Event], Iterator[object]], again: Callable[[], None], text: str
    ) -> None:
        if self._search is not None:
            self._search.cancel()
        self._again, self._limited = again, False
        self._panel.show_rows(self._fetching.rows)
        self._panel.running.run(text)
        self._search = Job(work)
        self._search.step.connect(self._on_found)
        self._search.failed.connect(self._on_search_failed)
        self._search.finished.connect(self._on_search_finished)
        self._search.start()
        self._window.refresh_actions()

    @Slot(object)
    def _on_found(self, step: object) -> None:
        if isinstance(step, bool):
            self._limited = step
            return
        answer, same = step if isinstance(step, tuple) else (step, None)
        uids = [row.answer.study_uid for row in self._panel.table.rows]
        if answer.study_uid in uids:
            return
        row = StudyRow(answer, self._panel.form.peer.currentText())
        if same is False:
            row.stage = Stage.DOUBTFUL
        self._panel.add_rows([row])
        if same:
            self.retrieve([row], False)

    @Slot(object)
    def _on_search_failed(self, error: TomoscribeError) -> None:
        self._search = None
        self._fail(error, self._panel.form.peer.currentText())

    @Slot()
    def _on_search_finished(self) -> None:
        self._search = None
        self._panel.finish(self._limited)
        doubtful = [row for row in self._panel.table.rows if row.stage is Stage.DOUBTFUL]
        if doubtful:
            self._window.notifications.show(
                f"Not retrieved, because the birth date is another one under the same patient "
                f"number: {len(doubtful)} of {len(self._panel.table.rows)} studies.",
                Severity.WARNING,
            )
        self._show_work()

    @Slot(object, bool)
    def retrieve(self, rows: list[StudyRow], open_first: bool) -> None:
        """Retrieve studies, one after another; one that was begun goes on."""
        if open_first and rows:
            self._wanted = rows[0]
        self._fetching.add(rows)

    @Slot(object)
    def _on_changed(self, row: StudyRow) -> None:
        self._panel.renew(row)
        self._show_work()

    @Slot(object, object)
    def _on_ended(self, row: StudyRow, outcome: Kept | Partly) -> None:
        show = self._window.notifications.show
        for text in outcome.notices:
            show(text, Severity.WARNING)
        if isinstance(outcome, Kept):
            if row is self._wanted:
                self.open(row)
        else:
            text = f"A study was retrieved in part only: {row.counted} images. {outcome.fault}"
            kept = " It is in the archive, marked incomplete." if outcome.arrived else ""
            show(text.strip() + kept, Severity.WARNING)
        if row is self._wanted:
            self._wanted = None
        self._show_work()

    @Slot(object, object)
    def _on_retrieval_failed(self, error: TomoscribeError, rows: list[StudyRow]) -> None:
        self._again = lambda: self.retrieve(rows, False)
        self._fail(error, rows[0].source if rows else "")

    def _fail(self, error: TomoscribeError, name: str) -> None:
        if isinstance(error, LoginNeededError):
            self._panel.running.fail(error.message)
            self.logins.ask(error.peer)
        else:
            if isinstance(error, PeerRefusedError) and error.details == _WRONG_LOGIN:
                self.logins.reject(name, self._settings)
            self._panel.running.fail(error.message, error.details)
        self._window.refresh_actions()

    @Slot()
    def _retry(self) -> None:
        self._again()

    @Slot(object)
    def open(self, row: StudyRow) -> None:
        """Open what was retrieved; a part says so on the images."""
        if row.paths:
            self._opening.open_paths(row.paths)

    @Slot()
    def cancel(self) -> None:
        """Stop what is under way; what arrived stays and a later retrieval goes on there."""
        if self._search is not None:
            self._search.cancel()
        self._search = self._wanted = None
        self._fetching.cancel()
        self._panel.finish(self._limited)
        self._window.refresh_actions()

    def _show_work(self) -> None:
        row, waiting = self._fetching.current, len(self._fetching.rows) - 1
        if row is not None:
            more = f", {waiting} more to come" if waiting else ""
            fraction = min(row.arrived / row.total, 1.0) if row.total else None
            self._panel.running.run(f"retrieving {row.counted} images{more}", fraction)
        elif self._search is None:
            self._panel.running.hide()
        self._window.refresh_actions()

    def _has_patient(self) -> bool:
        volume = self._reading.volume
        return volume is not None and bool(volume.series.patient.id.strip()) and (
            bool(self._settings.pacs_peers or self._settings.dicomweb_peers)
        )  # fmt: skip
