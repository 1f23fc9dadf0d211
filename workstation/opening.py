"""Open: look for series, list them, load one; whatever comes later never disturbs the reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from workstation.core.errors import TomoscribeError
from workstation.core.session import Reading
from workstation.core.study import Series, Severity
from workstation.core.volume import Volume
from workstation.io.incomplete import Incomplete
from workstation.io.index import (
    ScanFinished,
    ScanProgress,
    SeriesFound,
    SeriesThumbnail,
    scan,
)
from workstation.io.load import LoadStep, load
from workstation.io.pool import WorkerPool
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications
from workstation.ui.series_panel import SeriesPanel
from workstation.ui.status_strip import StatusStrip


@dataclass(frozen=True)
class Known:
    """What files do not say themselves, by file.

    Attributes
    ----------
    descriptions : mapping of Path to str
        Of volume files whose own names say nothing.
    parts : mapping of Path to Incomplete
        Files of series of which a PACS did not send all.
    """

    descriptions: Mapping[Path, str] = field(default_factory=dict)
    parts: Mapping[Path, Incomplete] = field(default_factory=dict)


_NOTHING = Known()


class Opening(QObject):
    """Finds and loads series into a reading.

    Signals
    -------
    began()
        Files, or another series, are about to be opened.
    opened(Volume)
        The first slice of another series is on screen.
    loaded(Volume)
        All that could be read is.
    """

    began = Signal()
    opened = Signal(object)
    loaded = Signal(object)

    def __init__(
        self,
        reading: Reading,
        pool: WorkerPool,
        panel: SeriesPanel,
        strip: StatusStrip,
        notifications: Notifications,
    ) -> None:
        super().__init__()
        self._reading, self.pool, self._panel = reading, pool, panel
        self._strip, self._notifications = strip, notifications
        self._scan: Job | None = None
        self._load: Job | None = None
        self._series: Series | None = None
        self._known = _NOTHING
        panel.series_chosen.connect(self._on_chosen)
        panel.cancel_requested.connect(self.cancel_scan)

    @Slot(object)
    def open_paths(self, paths: Sequence[Path], name: str = "", known: Known = _NOTHING) -> None:
        """Look for series in files and folders; the first readable one is loaded.

        ``name`` is what is told to be read, ``known`` what the archive knows of the files.
        """
        self.cancel_scan()
        given = tuple(paths)
        self._known = known
        self.began.emit()
        self._panel.begin(f"reading {name or given[0].name or given[0]} …")

        def work(cancelled: Event) -> Iterator[object]:
            yield from scan(given, cancelled, self.pool)

        self._scan = Job(work)
        self._scan.step.connect(self._on_found)
        self._scan.failed.connect(self._on_scan_failed)
        self._scan.start()

    @Slot()
    def cancel_scan(self) -> None:
        """Stop looking; what was found stays."""
        if self._scan is not None:
            self._scan.cancel()
            self._scan = None
            self._panel.finish([])

    @Slot()
    def cancel_load(self) -> None:
        """Stop loading; the slices read so far stay."""
        if self._load is not None:
            self._load.cancel()
            self._load = None
            self._strip.end_work()

    @property
    def is_loading(self) -> bool:
        """Whether a series is being loaded."""
        return self._load is not None

    @Slot(object)
    def _on_chosen(self, series: Series) -> None:
        self.began.emit()
        self.open_series(series)

    @Slot(object)
    def open_series(self, series: Series) -> None:
        """Load a series; the first slice shows before the rest is there."""
        if series.readable:
            self._notifications.show(series.readable, Severity.ERROR)
            return
        self.cancel_load()
        self._series = series

        def work(cancelled: Event) -> Iterator[object]:
            yield from load(series, cancelled, self.pool)

        self._load = Job(work)
        self._load.step.connect(self._on_loaded)
        self._load.failed.connect(self._on_load_failed)
        self._load.finished.connect(self._on_load_finished)
        self._strip.show_work("loading", None)
        self._load.start()

    @Slot(object)
    def _on_found(self, event: object) -> None:
        match event:
            case ScanProgress(files_done=done, files_total=total, current_name=name):
                self._panel.set_progress(f"reading {name}", done / total if total else None)
            case SeriesFound(series=series):
                self._panel.add(self._described(series))
            case SeriesThumbnail(key=key, image=image):
                self._panel.show_thumbnail(key, image)
            case ScanFinished():
                self._on_scanned(event)

    def _described(self, series: Series) -> Series:
        """Say what only the archive knows: that it is a part, or how a volume file was named."""
        part = self._known.parts.get(series.files[0])
        if part is not None:
            series = replace(series, notices=(part.notice, *series.notices))
        described = self._known.descriptions.get(series.files[0], "")
        if series.format == "DICOM" or not described:
            return series
        synthetic = "SYNTHETIC" in described.upper()
        return replace(series, description=described, synthetic=synthetic)

    def _on_scanned(self, done: ScanFinished) -> None:
        self._scan = None
        self._panel.finish([(item.path.name, item.reason) for item in done.skipped])
        for notice in done.notices:
            self._notifications.show(notice.text, notice.severity, notice.details)
        readable = [series for series in self._panel.series if not series.readable]
        if readable:
            self.open_series(max(readable, key=_rank))
        elif self._panel.series:
            self._notifications.show(self._panel.series[0].readable, Severity.ERROR)
        else:
            reasons = "\n".join(f"{item.path.name}: {item.reason}" for item in done.skipped[:50])
            self._notifications.show(
                "No scan was found there. Open a folder or file with CT images.",
                Severity.WARNING,
                reasons,
            )

    @Slot(object)
    def _on_scan_failed(self, error: TomoscribeError) -> None:
        self._scan = None
        self._panel.fail(error.message, error.details)
        self._notifications.show(error.message, Severity.ERROR, error.details)

    @Slot(object)
    def _on_loaded(self, step: LoadStep) -> None:
        current = self._reading.volume
        if current is None or current.key != step.volume.key or self.sender() is None:
            self._show(step.volume)
        else:
            self._reading.refresh(step.volume)
        if step.done < step.total:
            text = f"loading {step.done} of {step.total} slices"
            self._strip.show_work(text, step.done / step.total)

    def _show(self, volume: Volume) -> None:
        self._reading.open(volume)
        self._panel.mark_open(volume.key)
        self.opened.emit(volume)

    @Slot()
    def _on_load_finished(self) -> None:
        self._load = None
        self._strip.end_work()
        volume = self._reading.volume
        if volume is not None:
            self._strip.show_badges([notice.badge for notice in volume.notices if notice.badge])
            for notice in volume.notices:
                self._notifications.show(notice.text, notice.severity, notice.details)
            self.loaded.emit(volume)

    @Slot(object)
    def _on_load_failed(self, error: TomoscribeError) -> None:
        self._load = None
        self._strip.end_work()
        self._notifications.show(error.message, Severity.ERROR, error.details)


def _rank(series: Series) -> tuple[bool, int]:
    """Prefer CT, then the series with most slices."""
    return series.modality in ("CT", ""), series.count
