"""The composition root of the window: the only module that knows every part."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from PySide6.QtCore import QObject, QSettings, Slot

from workstation.actions.desk_actions import Desk, desk_actions
from workstation.actions.view_actions import view_actions
from workstation.archive_window import ArchiveWindow, Parts
from workstation.choosing import Choosing
from workstation.consulting import MODEL_WINDOWS, Consulting, Panels
from workstation.core.display import read_window_presets
from workstation.core.errors import StorageError
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.core.volume import Volume
from workstation.explaining import Explaining
from workstation.exporting import Exporting
from workstation.io.pool import WorkerPool
from workstation.keeping import Keeping
from workstation.measuring import Measuring
from workstation.model_port import load_engine
from workstation.opening import Opening
from workstation.prior_search import PriorSearch
from workstation.querying import Querying, query_panel
from workstation.settings import RESOURCES, Settings
from workstation.tasks.job import cancel_all
from workstation.tasks.pump import EngineFactory, Pump
from workstation.ui.ask_panel import AskPanel, ready_questions
from workstation.ui.image_area import ImageArea
from workstation.ui.main_window import MainWindow
from workstation.ui.measurement_panel import MeasurementPanel
from workstation.ui.notification_log import NotificationLog
from workstation.ui.report_panel import ReportPanel
from workstation.ui.series_panel import SeriesPanel
from workstation.ui.shortcuts_overlay import ShortcutsOverlay
from workstation.ui.similar_panel import SimilarPanel
from workstation.ui.text_sheet import TextSheet

_LOG = logging.getLogger(__name__)
_LAST_MILLISECONDS = 1500
"""What jobs are given to end; what they write survives being ended at any point."""


class Workstation(QObject):
    """Everything of one running window, put together.

    Parameters
    ----------
    settings : Settings
    complaints : sequence of str
        What was wrong with the settings file; told as notifications.
    engine : callable, optional
        Makes the engine in the model's thread; by default the model of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        complaints: Sequence[str] = (),
        engine: EngineFactory | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings
        self.reading = Reading()
        self.pool = WorkerPool(settings.decode_workers)
        self._make_window()
        self.notifications = self.window.notifications
        self._keeping = Keeping(settings.archive_address, self.notifications)
        self.journal = self._keeping.journal
        self._keeping.opened.connect(self.report.show_session)
        self.opening = Opening(
            self.reading, self.pool, self.series_panel, self.window.strip, self.notifications
        )
        self.pump = Pump(engine or (lambda: load_engine(settings)))
        strip = self.window.strip
        panels = Panels(self.report, self.ask, self.similar, strip, self.notifications)
        self.priors = PriorSearch(
            settings.prior_cases, self.similar, self.report, self.window.strip, self.notifications
        )
        self.consulting = Consulting(self.pump, self.reading, panels, self.priors)
        self.explaining = Explaining(self.pump, self.reading, panels, self.consulting)
        self.exporting = Exporting(self.reading, self.report, self._keeping, self.notifications)
        self.choosing = Choosing(self.window, self.opening, self.exporting.export)
        self.archive = ArchiveWindow(settings, self._archive_parts())
        self.measuring = Measuring(
            self.reading, self.report, self.notifications, self.archive.archive
        )
        self.querying = Querying(settings, self.window, self.query, self.opening, self.reading)
        self._connect()
        self._make_actions()
        self.window.recall()
        for sentence in complaints:
            self.notifications.show(sentence, Severity.WARNING)

    def _archive_parts(self) -> Parts:
        return Parts(self.window, self.reading, self.pool, self.opening, self.consulting,
                     self.report, self.series_panel, self._keeping)  # fmt: skip

    def _make_window(self) -> None:
        self.images = ImageArea(self.reading, RESOURCES / "volume_presets.toml")
        self.series_panel = SeriesPanel()
        self.report = ReportPanel()
        self.ask = AskPanel(ready_questions(RESOURCES / "questions.toml"))
        self.similar = SimilarPanel()
        self.measured = MeasurementPanel(self.reading)
        self.query = query_panel(self._settings)
        self.window = MainWindow(
            self.images,
            {
                "series": self.series_panel,
                "report": self.report,
                "ask": self.ask,
                "similar": self.similar,
                "measured": self.measured,
                "pacs": self.query,
            },
            QSettings(str(self._settings.data_folder / "window.ini"), QSettings.Format.IniFormat),
        )

    def _connect(self) -> None:
        self.window.dropped.connect(self.opening.open_paths)
        self.window.closing.connect(self.close)
        self.window.may_close = self._may_close
        self.window.strip.cancel_requested.connect(self.cancel)
        self.series_panel.open_requested.connect(self.choosing.folder)
        self.opening.opened.connect(self._on_opened)
        self.opening.loaded.connect(self.window.refresh_actions)
        self.priors.opened.connect(self._on_prior)
        self.report.export_requested.connect(self.choosing.export)
        self.report.save_failed.connect(self._on_save_failed)
        self.exporting.exported.connect(self._on_exported)
        self.explaining.changed.connect(self.window.refresh_actions)
        self.opening.opened.connect(self.measuring.opened)
        self.measured.insert_requested.connect(self.measuring.insert)
        self.measuring.changed.connect(self.window.refresh_actions)

    def _make_actions(self) -> None:
        presets = read_window_presets(RESOURCES / "window_presets.toml")
        desk = Desk(
            open_folder=self.choosing.folder,
            open_file=self.choosing.file,
            quit=self._quit,
            draft=self.draft,
            ask=self.ask_question,
            similar=self.find_similar,
            evidence=self.show_evidence,
            hide_evidence=self._hide_evidence,
            shows_evidence=lambda: self.reading.evidence is not None,
            save=self.report.save,
            sign=self.report.sign,
            cancel=self.cancel,
            show_panel=self.window.raise_dock,
            model_windows=MODEL_WINDOWS,
            set_model_window=self._set_model_window,
            model_window=lambda: self.consulting.model_window,
            close_beside=self.images.close_beside,
            toggle_sync=self._toggle_sync,
            synchronised=lambda: self.images.synchronised,
            reset_layout=self.window.reset_layout,
            full_screen=self._full_screen,
            volume_preset=self.images.next_volume_preset,
            show_log=self._show_log,
            show_keys=self._show_keys,
            show_about=self._show_about,
            has_scan=lambda: self.reading.volume is not None,
            is_busy=self._is_busy,
            has_beside=lambda: self.images.beside is not None,
        )
        own, pacs, tools = (x.actions() for x in (self.archive, self.querying, self.measuring))
        actions = (*own, *desk_actions(desk), *pacs, *view_actions(self.reading, presets), *tools)
        self.window.set_actions(actions)
        self.window.refresh_actions()
        self._keys = ShortcutsOverlay(actions, self.window)
        self._sheet = TextSheet(self.window)
        self._log = NotificationLog(self.notifications, self.window)
        self.window.strip.log_requested.connect(self._log.toggle)

    @Slot(object)
    def _on_opened(self, volume: Volume) -> None:
        """Another series is on screen: the panels follow, the report is its study's."""
        self.explaining.forget()
        self.consulting.turn_to(volume.series.study_key)
        self.images.close_beside()
        self.window.show_patient(volume.series)
        self.window.refresh_actions()
        current = self.report.session
        if current is None or current.study_key != volume.series.study_key:
            self.report.show_session(None)
            self._keeping.open(volume.series.study_key, self._settings.author)

    @Slot(object)
    def _on_prior(self, volume: Volume) -> None:
        beside = Reading()
        beside.other_patient = True
        beside.open(volume)
        beside.window = self.reading.window
        self.images.show_beside(beside)
        self.window.refresh_actions()

    @Slot()
    def draft(self) -> None:
        """Draft the report of the open scan."""
        self.window.raise_dock("report")
        self.consulting.draft()

    @Slot()
    def ask_question(self) -> None:
        """Put the cursor into the question line."""
        self.window.raise_dock("ask")
        self.ask.focus_question()

    @Slot()
    def find_similar(self) -> None:
        """Find prior cases like the open scan."""
        self.window.raise_dock("similar")
        self.consulting.find_similar()

    @Slot()
    def cancel(self) -> None:
        """Stop whatever is under way."""
        self.opening.cancel_load()
        self.explaining.cancel()
        self.consulting.cancel()

    @Slot()
    def show_evidence(self) -> None:
        """Look for the evidence of the sentence at the report's cursor."""
        self.window.raise_dock("report")
        self.report.show_evidence()

    def _hide_evidence(self) -> None:
        self.reading.evidence = None

    def _is_busy(self) -> bool:
        return self.consulting.is_busy or self.explaining.is_busy or self.opening.is_loading

    @Slot(str, str)
    def _on_exported(self, key: str, name: str) -> None:
        self.archive.note("report exported", format=key, written_as=name)

    @Slot(str, str)
    def _on_save_failed(self, message: str, details: str) -> None:
        self.notifications.show(message, Severity.ERROR, details)

    def _set_model_window(self, name: str) -> None:
        self.consulting.model_window = name
        self.window.refresh_actions()

    def _quit(self) -> None:
        self.window.close()

    def _toggle_sync(self) -> None:
        self.images.set_synchronised(not self.images.synchronised)

    def _full_screen(self) -> None:
        if self.window.isFullScreen():
            self.window.showNormal()
        else:
            self.window.showFullScreen()

    def _show_keys(self) -> None:
        self._keys.toggle()

    def _show_log(self) -> None:
        self._log.toggle()

    def _show_about(self) -> None:
        info = self.consulting.info
        card = info.card if info is not None else "No model is loaded."
        self._sheet.show_text("The loaded model", card)

    def _may_close(self) -> bool:
        return self._keeping.may_close(self.report.session) and self.measuring.may_close()

    @Slot()
    def close(self) -> None:
        """End every thread and process; the report is written first."""
        self.explaining.cancel()
        self.consulting.cancel()
        self.archive.stop()
        self.measuring.close()
        self.measured.close_reading()
        self.report.show_session(None)
        if self.journal is not None:
            try:
                self.journal.close()
            except StorageError as error:
                _LOG.error("the report journal was not written: %s", error.details)
        self.opening.cancel_scan()
        self.opening.cancel_load()
        cancel_all(_LAST_MILLISECONDS)
        self.archive.close()
        self.pump.close()
        self.images.shut_down()
        self.pool.close()
