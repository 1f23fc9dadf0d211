"""The workstation's jobs on the command line; every fault is a sentence and a status."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Event

from model_runtime import api
from workstation import (
    archive_commands,
    batch,
    deidentify_commands,
    model_commands,
    pacs_commands,
)
from workstation.archive.report_archive import ReportArchive
from workstation.archive.standing import standing
from workstation.core.errors import (
    CancelledError,
    InputError,
    ModelError,
    StorageError,
    TomoscribeError,
)
from workstation.core.report import Report
from workstation.core.standing import Standing
from workstation.core.volume import Volume
from workstation.io.export import ExportDocument, export, formats
from workstation.io.pool import WorkerPool
from workstation.model_port import Answer, Continued, load_engine
from workstation.prior_cases import PriorCases
from workstation.settings import Settings, load_settings

FAULT, USAGE, CANCELLED = 1, 2, 130


class _Terminal:
    """What a command needs: settings, a pool of readers, and a way to be cancelled."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cancelled = Event()
        self.pool = WorkerPool(settings.decode_workers)
        signal.signal(signal.SIGINT, lambda *_: self.cancelled.set())

    def open_volume(self, path: Path) -> Volume:
        """Open the main series of a path; what was left out goes to stderr."""
        opened = batch.find_series([path], self.cancelled, self.pool)
        for line in opened.skipped:
            print(f"skipped {line}", file=sys.stderr)
        volume = batch.load_volume(batch.main_series(opened), self.cancelled, self.pool)
        for notice in (*opened.notices, *volume.notices):
            badge = f" [{notice.badge}]" if notice.badge else ""
            print(f"{notice.severity.value}:{badge} {notice.text}", file=sys.stderr)
        return volume

    def engine(self) -> api.Engine:
        """Load the model; its notice goes to stderr."""
        engine = load_engine(self.settings)
        print(f"● {engine.info.notice}", file=sys.stderr)
        return engine


def _open(given: argparse.Namespace) -> int:
    if sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise InputError(
            "There is no display here, so no window can open. Use "
            "'tomoscribe headless OUT [INPUT]' for the same job without one."
        )
    from workstation.start import run as run_window

    return run_window(given.paths)


def _tell_notice(event: api.Event) -> None:
    if isinstance(event, api.Notice):
        print(event.text, file=sys.stderr)


def _draft(given: argparse.Namespace, terminal: _Terminal) -> None:
    volume = terminal.open_volume(given.input)

    written = Continued()

    def told(event: api.Event) -> None:
        _tell_notice(event)
        print(written.grown(event), end="", flush=True)

    window = api.HuWindow(*given.window) if given.window else None
    _, answer = batch.draft_report(terminal.engine(), volume, terminal.cancelled, window, told)
    print()
    _print_receipt(answer)


def _ask(given: argparse.Namespace, terminal: _Terminal) -> None:
    volume = terminal.open_volume(given.input)
    answer = batch.ask(
        terminal.engine(), volume, given.question, given.choice, terminal.cancelled,
        on_event=_tell_notice,
    )  # fmt: skip
    print(answer.text)
    for choice, share in answer.choices:
        print(f"  {share:6.1%}  {choice}")
    _print_receipt(answer)


def _similar(given: argparse.Namespace, terminal: _Terminal) -> None:
    if (given.input is None) == (given.text is None):
        raise InputError("Give either an INPUT to compare or --text to search for.")
    volume = terminal.open_volume(given.input) if given.input is not None else None
    engine = terminal.engine()
    answer = batch.embedding(engine, volume, given.text or "", terminal.cancelled, _tell_notice)
    priors = PriorCases(terminal.settings.prior_cases, engine.info.weights_sha256)
    if answer.embedding is None:
        raise ModelError("The model gave no embedding.")
    for case in priors.search(answer.embedding, given.count):
        findings = ", ".join(case.findings) or "no abnormality"
        print(f"{case.score:.3f}  {case.case_id}  {case.region}  {findings}")


def _export(given: argparse.Namespace, terminal: _Terminal) -> None:
    opened = batch.find_series([given.input], terminal.cancelled, terminal.pool)
    series = batch.main_series(opened)
    report, signed = _stored_report(terminal.settings, series.study_key)
    out = given.out or Path(f"report{formats()[given.format].suffix}")
    export(ExportDocument.of(report, series, signed), out, given.format)
    print(out)


def _stored_report(settings: Settings, study_key: str) -> tuple[Report, Standing]:
    """Return the draft's last state, or the last version kept, and whether it is signed."""
    archive = ReportArchive(settings.archive_address)
    try:
        draft, versions = archive.journal(study_key), archive.versions(study_key)
    finally:
        archive.close()
    if draft is None and not versions:
        raise StorageError("No report has been kept for this study. Draft or type one first.")
    report = versions[-1].report if draft is None else draft
    return report, standing(report, versions, versions[-1].number if versions else None)


def _headless(given: argparse.Namespace, terminal: _Terminal) -> None:
    from workstation.headless import run_headless

    source = given.input or terminal.settings.study
    volume = terminal.open_volume(source)
    for path in run_headless(terminal.settings, volume, given.out, terminal.cancelled):
        print(path)


def _selftest(_given: argparse.Namespace, terminal: _Terminal) -> None:
    from workstation.selftest import run_selftest

    failed = 0
    for name, fault in run_selftest(terminal.settings, terminal.pool):
        print(f"{'FAILED' if fault else 'ok':>6}  {name}" + (f": {fault}" if fault else ""))
        failed += bool(fault)
    if failed:
        raise TomoscribeError(f"{failed} checks failed; the installation is not sound.")


def _print_receipt(answer: Answer) -> None:
    if answer.provenance is not None:
        print(json.dumps(asdict(answer.provenance), indent=1), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tomoscribe",
        description="Read CT with a model that drafts. Not a medical device.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    window = commands.add_parser("open", help="open the window")
    window.add_argument("paths", nargs="*", type=Path)
    draft = commands.add_parser("draft", help="draft the report of a scan")
    draft.add_argument("input", type=Path)
    draft.add_argument(
        "--window", nargs=2, type=float, metavar=("LOW", "HIGH"),
        help="HU that the model sees black and white; by body region if not given",
    )  # fmt: skip
    ask = commands.add_parser("ask", help="answer a question about a scan")
    ask.add_argument("input", type=Path)
    ask.add_argument("question")
    ask.add_argument("--choice", action="append", default=[], help="once per choice")
    similar = commands.add_parser("similar", help="find prior cases like a scan or a text")
    similar.add_argument("input", nargs="?", type=Path)
    similar.add_argument("--text")
    similar.add_argument("--count", type=int, default=10)
    out = commands.add_parser(
        "export", help="write a study's report, which says whether it is signed"
    )
    out.add_argument("input", type=Path)
    out.add_argument("--format", choices=sorted(formats()), default="pdf")
    out.add_argument("--out", type=Path)
    whole = commands.add_parser("headless", help="draft, ask, find and picture without a window")
    whole.add_argument("out", type=Path)
    whole.add_argument("input", nargs="?", type=Path)
    commands.add_parser("selftest", help="check this installation")
    archive_commands.add_parser(commands)
    model_commands.add_parser(commands)
    deidentify_commands.add_parser(commands)
    pacs_commands.add_parser(commands)
    return parser


def _model(given: argparse.Namespace, terminal: _Terminal) -> None:
    model_commands.run_model_command(given, terminal.settings, terminal.cancelled)


def _archive(given: argparse.Namespace, terminal: _Terminal) -> None:
    archive_commands.run_archive_command(
        given, terminal.settings, terminal.cancelled, terminal.pool
    )


def _deidentify(given: argparse.Namespace, terminal: _Terminal) -> None:
    deidentify_commands.run_deidentify(given, terminal.pool, terminal.cancelled)


def _pacs(given: argparse.Namespace, terminal: _Terminal) -> None:
    pacs_commands.run_pacs_command(given, terminal.settings, terminal.cancelled)


_JOBS: dict[str, Callable[[argparse.Namespace, _Terminal], None]] = {
    "deidentify": _deidentify,
    "draft": _draft,
    "ask": _ask,
    "similar": _similar,
    "export": _export,
    "headless": _headless,
    "archive": _archive,
    "model": _model,
    "pacs": _pacs,
    "selftest": _selftest,
}


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    parser = _parser()
    given = parser.parse_args(arguments or ["open"])
    try:
        if given.command not in _JOBS:
            return _open(given)
        return _run_job(given)
    except CancelledError:
        print("Cancelled.", file=sys.stderr)
        return CANCELLED
    except TomoscribeError as error:
        print(f"tomoscribe: {error.message}", file=sys.stderr)
        if error.details:
            print(f"  ({error.details})", file=sys.stderr)
        return FAULT


def _run_job(given: argparse.Namespace) -> int:
    settings, complaints = load_settings()
    for sentence in complaints:
        print(f"warning: {sentence}", file=sys.stderr)
    terminal = _Terminal(settings)
    try:
        _JOBS[given.command](given, terminal)
    finally:
        terminal.pool.close()
    return 0
