"""Checks that a user can run on an installed copy."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import numpy as np

from model_runtime import api
from workstation import batch
from workstation.archive.report_archive import ReportArchive
from workstation.core.errors import TomoscribeError
from workstation.core.report import Report, edited
from workstation.core.volume import Volume
from workstation.io.export import ExportDocument, export, formats
from workstation.io.pool import WorkerPool
from workstation.model_port import load_engine
from workstation.prior_cases import PriorCases
from workstation.render.picture import render_views
from workstation.settings import RESOURCES, Settings


class _Checks:
    """One check per method; each raises where something is not as it must be."""

    def __init__(self, settings: Settings, pool: WorkerPool, folder: Path) -> None:
        self.settings, self.pool, self.folder = settings, pool, folder
        self.volume: Volume | None = None
        self.engine: api.Engine | None = None

    def read_the_bundled_study(self) -> None:
        opened = batch.find_series([self.settings.study], Event(), self.pool)
        self.volume = batch.load_volume(batch.main_series(opened), Event(), self.pool)
        _demand(self.volume.complete, "slices are missing")
        _demand(self.volume.series.synthetic, "the study is not marked synthetic")

    def draw_the_views(self) -> None:
        pictures = render_views(self._opened(), RESOURCES / "volume_presets.toml", size=256)
        _demand(set(pictures) == {"axial", "coronal", "sagittal", "3d"}, "a view is missing")
        _demand(all(np.ptp(p) > 50 for p in pictures.values()), "a view is empty")

    def load_the_model(self) -> None:
        self.engine = load_engine(self.settings)

    def draft_a_report(self) -> None:
        report, answer = batch.draft_report(self._loaded(), self._opened(), Event())
        _demand(bool(report.text.strip()), "the draft is empty")
        _demand(answer.provenance is not None, "the draft has no receipt")

    def search_the_prior_cases(self) -> None:
        engine = self._loaded()
        priors = PriorCases(self.settings.prior_cases, engine.info.weights_sha256)
        found = batch.embedding(engine, None, "right lower lobe nodule", Event())
        _demand(found.embedding is not None, "no embedding")
        if found.embedding is not None:
            _demand(len(priors.search(found.embedding)) > 0, "nothing was found")

    def keep_a_report(self) -> None:
        report = edited(Report(), "Typed by a person.")
        archive = ReportArchive(self.folder / "reports.db")
        try:
            archive.save("selftest", report, "selftest")
            latest = archive.latest("selftest")
        finally:
            archive.close()
        _demand(latest is not None and latest.report.text == report.text, "it came back changed")

    def export_a_report(self) -> None:
        document = ExportDocument.of(edited(Report(), "Typed by a person."), None)
        for key, chosen in formats().items():
            path = self.folder / f"report{chosen.suffix}"
            export(document, path, key)
            _demand(path.stat().st_size > 0, f"{key} is empty")

    def _opened(self) -> Volume:
        if self.volume is None:
            raise TomoscribeError("there is no study to try it on")
        return self.volume

    def _loaded(self) -> api.Engine:
        if self.engine is None:
            raise TomoscribeError("there is no model to try it on")
        return self.engine


def _demand(true: bool, otherwise: str) -> None:
    if not true:
        raise TomoscribeError(otherwise)


def run_selftest(settings: Settings, pool: WorkerPool) -> Iterator[tuple[str, str]]:
    """Yield each check's name and what is wrong, empty where nothing is."""
    with tempfile.TemporaryDirectory() as folder:
        checks = _Checks(settings, pool, Path(folder))
        steps: tuple[Callable[[], None], ...] = (
            checks.read_the_bundled_study,
            checks.draw_the_views,
            checks.load_the_model,
            checks.draft_a_report,
            checks.search_the_prior_cases,
            checks.keep_a_report,
            checks.export_a_report,
        )
        for step in steps:
            name = step.__name__.replace("_", " ")
            try:
                step()
            except TomoscribeError as error:
                yield name, error.message
            else:
                yield name, ""
