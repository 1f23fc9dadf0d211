"""Reports as JSON, with the receipts of the model's runs."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from model_runtime.api import HuWindow, Provenance, Task
from workstation.core.authorship import Fragment, Piece, Run
from workstation.core.errors import StorageError
from workstation.core.report import Report
from workstation.core.sentences import Span

SCHEMA = 1


def to_json(report: Report) -> str:
    """Report as one JSON text, schema version inside."""
    return json.dumps(
        {
            "schema": SCHEMA,
            **_fragment_to_dict(report.content),
            "accepted": sorted(report.accepted),
            "runs": [_run_to_dict(run) for run in report.runs],
        },
        ensure_ascii=False,
    )


def from_json(text: str, name: str = "this report") -> Report:
    """Read a report back; ``name`` says in an error which one it is.

    Runs that were being written when it was stored have ended.

    Raises
    ------
    StorageError
        The text is damaged, or a newer program wrote it.
    """
    stored = _parsed(text, name)
    if stored.get("schema") != SCHEMA:
        raise StorageError(
            f"The stored form of {name} is of version {stored.get('schema')}; this program knows "
            f"version {SCHEMA}. Open it with the newer Tomoscribe that wrote it."
        )
    try:
        report = Report(
            _fragment_from_dict(stored),
            tuple(_run_from_dict(run) for run in stored["runs"]),
            frozenset(Span(int(start), int(end)) for start, end in stored["accepted"]),
        )
        consistent = _consistent(report)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, repr(error)) from error
    if not consistent:
        raise _damaged(name, "text and authorship disagree")
    return report


def fragment_to_json(fragment: Fragment, runs: tuple[Run, ...]) -> str:
    """Part of a report for the clipboard, with the runs it comes from."""
    cited = {piece.run_id for piece in fragment.pieces}
    kept = [_run_to_dict(run) for run in runs if run.id in cited]
    return json.dumps({"schema": SCHEMA, **_fragment_to_dict(fragment), "runs": kept})


def fragment_from_json(text: str) -> tuple[Fragment, tuple[Run, ...]]:
    """Part of a report from the clipboard, and the runs it comes from."""
    report = from_json(json.dumps({"accepted": [], **_parsed(text, "the clipboard")}))
    return report.content, report.runs


def provenance_to_dict(provenance: Provenance) -> dict[str, Any]:
    """Receipt as plain values."""
    return dataclasses.asdict(provenance)


def provenance_from_dict(stored: dict[str, Any]) -> Provenance:
    """Receipt from plain values; what a later version added is left out."""
    names = {field.name for field in dataclasses.fields(Provenance)}
    values = {key: _frozen(value) for key, value in stored.items() if key in names}
    values["task"] = Task(values["task"])
    if isinstance(values.get("window"), dict):
        values["window"] = HuWindow(**values["window"])
    return Provenance(**values)


def _frozen(value: Any) -> Any:  # noqa: ANN401  (whatever JSON holds)
    return tuple(value) if isinstance(value, list) else value


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(name, str(error)) from error
    if not isinstance(stored, dict):
        raise _damaged(name, "not an object")
    return stored


def _damaged(name: str, details: str) -> StorageError:
    return StorageError(
        f"The stored form of {name} is damaged and was left as it is. "
        "Restore an earlier version, or a copy of the archive.",
        details,
    )


def _fragment_to_dict(fragment: Fragment) -> dict[str, Any]:
    pieces = [[piece.length, piece.run_id, piece.start] for piece in fragment.pieces]
    return {"text": fragment.text, "pieces": pieces}


def _fragment_from_dict(stored: dict[str, Any]) -> Fragment:
    pieces = (Piece(int(length), str(run), int(start)) for length, run, start in stored["pieces"])
    return Fragment(str(stored["text"]), tuple(pieces))


def _run_to_dict(run: Run) -> dict[str, Any]:
    receipt = None if run.provenance is None else provenance_to_dict(run.provenance)
    tokens = [[length, p if math.isfinite(p) else None] for length, p in run.tokens]
    return {"id": run.id, "text": run.text, "tokens": tokens, "provenance": receipt}


def _run_from_dict(stored: dict[str, Any]) -> Run:
    receipt = stored["provenance"]
    return Run(
        str(stored["id"]),
        str(stored["text"]),
        tuple((int(n), math.nan if p is None else float(p)) for n, p in stored["tokens"]),
        None if receipt is None else provenance_from_dict(receipt),
    )


def _consistent(report: Report) -> bool:
    """Whether the pieces make the text, and each of the model is what the model wrote."""
    at = 0
    for piece in report.content.pieces:
        written = report.text[at : at + piece.length]
        if piece.run_id:
            source = report.run(piece.run_id).text[piece.start : piece.start + piece.length]
            if source != written:
                return False
        at += piece.length
    return at == len(report.text)
