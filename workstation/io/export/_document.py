"""What every exported report says, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from model_runtime.api import Provenance
from workstation.core.authorship import Origin, Run
from workstation.core.report import Report, Sentence
from workstation.core.standing import Standing
from workstation.core.study import Patient, Series

_REMARK = "as recorded in the archive; not a cryptographic signature"
DEMONSTRATION = "demonstration model · synthetic phantoms · not for clinical use"
SYNTHETIC = "SYNTHETIC study · no real patient"


@dataclass(frozen=True)
class Part:
    """A stretch of a line: a heading or a sentence (``sentence`` None: a heading)."""

    text: str
    sentence: Sentence | None = None


@dataclass(frozen=True)
class ExportDocument:
    """A report with the study it belongs to; ``created`` in UTC.

    ``standing`` tells whether it is signed as it stands; without one it is an unsigned draft.
    """

    report: Report
    patient: Patient = field(default_factory=Patient)
    study: str = ""
    date: str = ""
    series: str = ""
    synthetic: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    standing: Standing = field(default_factory=Standing)

    @staticmethod
    def of(
        report: Report, series: Series | None, standing: Standing | None = None
    ) -> ExportDocument:
        """Document for a report about a series as its header describes it."""
        standing = standing or Standing()
        if series is None:
            return ExportDocument(report, standing=standing)
        return ExportDocument(
            report,
            series.patient,
            series.study_description,
            series.day,
            f"{series.modality} {series.description}, {series.count} slices".strip(),
            series.synthetic,
            standing=standing,
        )

    @property
    def banners(self) -> tuple[str, ...]:
        """What must stand on top, most important first."""
        runs = self.report.cited_runs()
        # A run without a receipt may be of any model: say the worst.
        demonstration = any(r.provenance is None or r.provenance.demonstration for r in runs)
        first = "SIGNED" if self.standing.is_signed else self.standing.name.upper()
        return (first, *[DEMONSTRATION] * demonstration, *[SYNTHETIC] * self.synthetic)

    @property
    def header(self) -> tuple[tuple[str, str], ...]:
        """Patient and study, line by line."""
        patient = self.patient
        about = " · ".join(part for part in (patient.age, patient.sex) if part)
        rows = (
            ("Patient", patient.name),
            ("Patient ID", patient.id),
            ("Birth date", patient.birth_date),
            ("Age and sex", about),
            ("Study", self.study),
            ("Date", self.date),
            ("Series", self.series),
            *self._signature,
            ("Exported", f"{self.created:%Y-%m-%d %H:%M:%S} UTC"),
        )
        return tuple((name, _one_line(value)) for name, value in rows if value)

    @property
    def _signature(self) -> tuple[tuple[str, str], ...]:
        standing = self.standing
        if standing.signature is None:
            return ()
        if standing.changed:
            told = f"this text differs from what was signed ({standing.signature})"
            return (("Not signed", told),)
        newer = f"version {standing.newer} of this report is newer" if standing.newer else ""
        return (("Signed", f"{standing.signature} ({_REMARK})"), ("Superseded", newer))

    @property
    def lines(self) -> Iterator[tuple[Part, ...]]:
        """Lines of the report with their headings and sentences; empty ones are empty."""
        report = self.report
        parts = [(h.start, Part(report.text[h.start : h.end].strip())) for h in report.headings]
        parts += [(s.start, Part(s.text, s)) for s in report.sentences]
        start = 0
        for line in report.text.split("\n"):
            end = start + len(line) + 1
            here = sorted((p for p in parts if start <= p[0] < end), key=lambda p: p[0])
            yield tuple(part for _, part in here)
            start = end

    @property
    def receipts(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """Receipt of each run whose words stand in the report: its title and its rows."""
        runs = self.report.cited_runs()
        return tuple((f"Model run {n}", _receipt(run)) for n, run in enumerate(runs, 1))


def origin_text(sentence: Sentence) -> str:
    """Whose a sentence is, in one or two words."""
    if sentence.origin is Origin.HUMAN:
        return "human"
    words = "model, edited" if sentence.origin is Origin.EDITED else "model"
    return f"{words}, accepted" if sentence.accepted else words


LEGEND = (
    ("model", "written by the model, untouched, not accepted by a person"),
    ("model, edited", "written by the model, changed by a person"),
    ("accepted", "model words that a person read and accepted as they stand"),
    ("human", "written by a person"),
)


def _receipt(run: Run) -> tuple[tuple[str, str], ...]:
    made = run.provenance
    if made is None:
        return (("Model", "not recorded: the draft did not come to its end"),)
    rows = (
        ("Model", made.model + (" (demonstration)" if made.demonstration else "")),
        ("Weights SHA-256", made.weights_sha256),
        ("Task", str(made.task)),
        ("Prompt", _one_line(made.prompt)),
        ("Series", made.series),
        *_what_it_saw(made),
        ("Seed", f"{made.seed}, temperature {made.temperature:g}"),
        ("Written", f"{made.created}, {made.seconds:.1f} s, {made.tokens} tokens"),
        *(("Note", _one_line(note)) for note in made.notes),
    )
    return tuple((name, value) for name, value in rows if value)


def _what_it_saw(made: Provenance) -> Iterator[tuple[str, str]]:
    if made.window is not None:
        yield "Window", f"{made.window.low:g} … {made.window.high:g} HU {made.region}".strip()
    if made.grid is not None:
        yield "Grid (z, y, x)", " × ".join(str(n) for n in made.grid)
    if made.decimation is not None:
        values = " × ".join(f"{value:.1f}" for value in made.decimation)
        yield "Decimation (z, y, x)", values
    if made.slices is not None:
        first, last = made.slices
        yield "Slices", f"{first + 1} to {last + 1} of {made.slice_count}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
