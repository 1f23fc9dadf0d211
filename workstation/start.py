"""How the window comes up: a splash first, and behind it all that is slow to import.

Loading torch's libraries holds the interpreter for some tenths of a second, during which no
window answers. So it is done before there is one. What else the model's thread imports makes so
many objects that looking through them for garbage takes as long; that is left until it is done.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from workstation.core.errors import TomoscribeError
from workstation.settings import Settings, load_settings
from workstation.tasks.job import Job
from workstation.tasks.leaving import leave
from workstation.tasks.tidying import Tidying
from workstation.ui.splash import Splash
from workstation.ui.theme import apply_theme

if TYPE_CHECKING:
    from workstation.app import Workstation

SWITCH_SECONDS = 0.001
"""The GUI gets the interpreter back from a busy model thread within this time."""
_SLOW = "torch"
_LOADING_MILLISECONDS = 60_000
AfterStart = Callable[["Workstation"], None]


class Starting(QObject):
    """Shows the splash, imports behind it, and opens the window when both are there."""

    def __init__(
        self, paths: Sequence[Path], after_start: AfterStart | None, application: QApplication
    ) -> None:
        super().__init__(application)
        self._after_start = after_start
        self._settings, self._complaints = load_settings()
        self._paths = list(paths) or [self._settings.study]
        self._begun = False
        self._workstation: Workstation | None = None
        self._imported = self._settings.model_host == "process"
        self._splash: Splash | None = Splash()
        self._job: Job | None = None
        self._tidying: Tidying | None = None
        # Queued: the picture must be on screen before the thread is busy.
        queued = Qt.ConnectionType.QueuedConnection
        self._splash.painted.connect(self._on_splash, queued)
        self._splash.show()

    @Slot()
    def _on_splash(self) -> None:
        if self._begun:
            return
        self._begun = True
        if not self._imported:
            self._job = Job(_importing, self)
            self._job.ended.connect(self._on_imported)
            self._job.start()
        if self._splash is not None:
            self._splash.say("Preparing the views …")
        try:
            self._workstation = _built(self._settings, self._complaints)
        # Whatever kept the window from being built, nobody could end a program without one; the
        # fault is raised on, to the terminal.
        except Exception:
            QApplication.exit(1)
            raise
        if self._splash is not None and not self._imported:
            self._splash.say("Loading the model's libraries …")
        self._open_when_ready()

    @Slot()
    def _on_imported(self) -> None:
        self._imported = True
        self._open_when_ready()

    def _open_when_ready(self) -> None:
        workstation = self._workstation
        if workstation is None or not self._imported or self._splash is None:
            return
        workstation.window.show()
        self._splash.close()
        self._splash.deleteLater()
        self._splash = None
        workstation.pump.loaded.connect(self._on_model)
        workstation.pump.load_failed.connect(self._on_model)
        QTimer.singleShot(_LOADING_MILLISECONDS, self, self._on_model)
        QTimer.singleShot(0, self, self._open_paths)
        if self._after_start is not None:
            self._after_start(workstation)

    @Slot()
    def _on_model(self) -> None:
        """Look for garbage from now on, but not among what was imported."""
        if self._tidying is None:
            gc.freeze()
            self._tidying = Tidying(self)

    @Slot()
    def _open_paths(self) -> None:
        if self._workstation is not None:
            self._workstation.opening.open_paths(self._paths)


def _importing(_cancelled: Event) -> Iterator[None]:
    """Import what the model's thread will need; where it is not sound, that thread will tell."""
    try:
        importlib.import_module(_SLOW)
    except (ImportError, OSError):
        return
    yield


def _built(settings: Settings, complaints: Sequence[str]) -> Workstation:
    from workstation.app import Workstation
    from workstation.ui.notifications import install_excepthook

    workstation = Workstation(settings, complaints)
    install_excepthook(workstation.notifications)
    return workstation


def run(paths: Sequence[Path], after_start: AfterStart | None = None) -> int:
    """Open the window and stay until it is closed; returns the exit status."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()
    QGuiApplication.setApplicationName("Tomoscribe")
    application = QApplication.instance() or QApplication(sys.argv[:1])
    if not isinstance(application, QApplication):
        raise TomoscribeError("Qt is already running without windows in this process.")
    apply_theme(application)
    Starting(paths, after_start, application)
    return leave(application.exec())
