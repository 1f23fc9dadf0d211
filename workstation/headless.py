"""The whole job on one scan, written to a folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from model_runtime import api
from workstation import batch
from workstation.core.atomic_file import write_atomically
from workstation.core.errors import ModelError, StorageError
from workstation.core.report import Report
from workstation.core.similar import SimilarCase
from workstation.core.volume import Volume
from workstation.io.export import ExportDocument, export
from workstation.model_port import Answer, load_engine
from workstation.prior_cases import PriorCases
from workstation.render.picture import write_views
from workstation.settings import RESOURCES, Settings


def run_headless(
    settings: Settings, volume: Volume, out: Path, cancelled: Event
) -> Iterator[Path]:
    """Write pictures, report, answers and similar cases, yielding each file as it is done.

    The pictures come first: a scan that the model refuses is still shown.

    Raises
    ------
    StorageError
        Where the folder cannot be written.
    ModelError
        Where the model cannot be loaded or refuses the scan.
    """
    yield from _write_views(volume, out / "views")
    engine = load_engine(settings)
    report, _ = batch.draft_report(engine, volume, cancelled)
    yield from _write_report(report, volume, out)
    answers = [_answered(engine, volume, question, cancelled) for question in _questions()]
    yield _write_json(out / "answers.json", {"notice": engine.info.notice, "answers": answers})
    priors = PriorCases(settings.prior_cases, engine.info.weights_sha256)
    found = batch.embedding(engine, volume, "", cancelled)
    if found.embedding is None:
        raise ModelError("The model gave no embedding, so similar cases cannot be found.")
    cases = [_case(case) for case in priors.search(found.embedding)]
    yield _write_json(
        out / "similar.json",
        {"notice": engine.info.notice, "searched": len(priors), "cases": cases}
        | {"provenance": _receipt(found.provenance)},
    )


def _write_views(volume: Volume, folder: Path) -> tuple[Path, ...]:
    try:
        return write_views(folder, volume, RESOURCES / "volume_presets.toml")
    except OSError as error:
        raise StorageError(
            f"The pictures cannot be written to {folder}: {error.strerror}. Choose another folder.",
            repr(error),
        ) from error


def _write_report(report: Report, volume: Volume, out: Path) -> Iterator[Path]:
    document = ExportDocument.of(report, volume.series)
    for name, key in (("report.md", "markdown"), ("report.pdf", "pdf")):
        export(document, out / name, key)
        yield out / name


def _questions() -> list[dict[str, Any]]:
    table = tomllib.loads((RESOURCES / "questions.toml").read_text(encoding="utf-8"))
    questions: list[dict[str, Any]] = table["question"]
    return questions


def _answered(
    engine: api.Engine, volume: Volume, question: dict[str, Any], cancelled: Event
) -> dict[str, Any]:
    answer: Answer = batch.ask(
        engine, volume, str(question["text"]), question["choices"], cancelled
    )
    return {
        "question": question["text"],
        "choices": [
            {"choice": choice, "probability": round(share, 4)} for choice, share in answer.choices
        ],
        "answer": answer.text,
        "provenance": _receipt(answer.provenance),
    }


def _receipt(provenance: api.Provenance | None) -> dict[str, Any] | None:
    return asdict(provenance) if provenance is not None else None


def _case(case: SimilarCase) -> dict[str, Any]:
    return {
        "id": case.case_id,
        "score": round(case.score, 4),
        "region": case.region,
        "date": case.date,
        "age": case.age,
        "sex": case.sex,
        "findings": list(case.findings),
        "report": case.report,
        "synthetic": case.synthetic,
    }


def _write_json(path: Path, content: object) -> Path:
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())
    return path
