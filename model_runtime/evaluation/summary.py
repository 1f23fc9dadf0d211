"""The figures of :func:`.protocols.evaluate` as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model_runtime.evaluation.retrieval import KS, WAYS
from model_runtime.evaluation.tables import number, table

Table = dict[str, Any]
_GAIN = "gain of the model over"
_CLINICAL = (
    *("precision", "recall", "F1", "macro F1", "hallucination rate"),
    *("invented findings per draft", "drafts with an invented finding"),
)


def summary(results: Table) -> str:
    """Lay the figures out; each with its 95 % interval in brackets."""
    parts = [
        f"# Evaluation on {results['data']}\n",
        f"{results['items']} items, {results['questions']} questions. Figures are percent unless "
        "they say otherwise; brackets hold the 95 % interval of a bootstrap over cases.\n",
        "".join(f"- {note}\n" for note in _notes(results)),
    ]
    for name, told in results["protocols"].items():
        parts += [f"## Protocol: {name}\n", f"{told['how']}.\n", *_sections(told)]
    if "evidence" in results:
        parts += _evidence(results["evidence"])
    return "\n".join(parts)


def interval(row: Table, digits: int = 1) -> str:
    """Write a figure with its interval."""
    return f"{row['value']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def _notes(results: Table) -> Iterator[str]:
    yield from (f"{name}: {results[name]}" for name in ("model", "weights sha256"))
    yield from results["notes"]
    yield from (f"{name}: {number(value)}" for name, value in results["overlap"].items())
    if results["METEOR sentences"]:
        yield f"METEOR cuts sentences by {results['METEOR sentences']}"
    if results.get("BERTScore"):
        yield f"BERTScore: {results['BERTScore']}"


def _sections(told: Table) -> Iterator[str]:
    if "retrieval" in told:
        yield from _retrieval(told["retrieval"])
    if "reports" in told:
        yield from _reports(told["reports"])
    for name, questions in told.items():
        if name.startswith("closed questions"):
            yield f"### {name[0].upper()}{name[1:]}\n"
            yield _types(questions)
            yield from _remarks(questions)
        elif name == "open questions":
            for metric, scores in questions.items():
                yield f"### Open questions, {metric}\n"
                yield _types(scores)


def _retrieval(counts: Table) -> Iterator[str]:
    yield "### Retrieval\n"
    yield table(
        ("first items", "way", *(f"R@{k}" for k in KS), "R@1 ties won / lost", "chance R@1"),
        (
            (
                count,
                f"{way} ({rows[way]['queries with ties']} with ties)",
                *(interval(rows[way][f"R@{k}"]) for k in KS),
                f"{rows[way]['R@1']['optimistic']:.1f} / {rows[way]['R@1']['pessimistic']:.1f}",
                f"{rows[way]['R@1']['chance']:.2f}",
            )
            for count, rows in counts.items()
            for way in WAYS
        ),
    )
    yield "Ties count by chance. " + " ".join(
        f"Of the first {count}, "
        f"{rows['items whose caption another has too']} have a caption that another has too: "
        f"R@1 can be at most {_ceilings(rows)}."
        for count, rows in counts.items()
    ) + "\n"


def _ceilings(rows: Table) -> str:
    words = f"{rows['R@1 ceiling, identical reports']:.1f}"
    if "R@1 ceiling, identical facts" in rows:
        words += f" ({rows['R@1 ceiling, identical facts']:.1f} where the words tell nothing)"
    return words


def _reports(rows: Table) -> Iterator[str]:
    writers = [name for name, held in rows.items() if "empty drafts" in _columns(held)]
    metrics = [name for name, held in rows["model"].items() if isinstance(held, dict)]
    yield f"### Reports ({rows['n']})\n"
    yield table(
        ("written by", *metrics, "distinct", "empty"),
        (
            (
                name,
                *(interval(rows[name][metric]) for metric in metrics),
                str(rows[name]["distinct drafts"]),
                str(rows[name]["empty drafts"]),
            )
            for name in writers
        ),
    )
    if "clinical efficacy" in rows:
        yield from _clinical(rows["clinical efficacy"])
    if rows.get("calibration of sentences"):
        told = rows["calibration of sentences"]
        yield from _calibration("the sentences that state a finding", told)


def _columns(held: object) -> Table:
    return held if isinstance(held, dict) else {}


def _clinical(writers: Table) -> Iterator[str]:
    yield "### Findings in the reports (shares)\n"
    yield table(
        ("written by", *_CLINICAL, "side right", "size error mm"),
        (
            (
                name,
                *(_figure(row[figure]) for figure in _CLINICAL),
                f"{number(row['side right']['share'])} of {row['side right']['n']}",
                f"{number(row['size error mm']['mean'])} of {row['size error mm']['n']}",
            )
            for name, row in writers.items()
        ),
    )
    yield table(
        ("finding", "cases", "precision", "recall", "F1"),
        (
            (kind, str(row["n"]), number(row["P"]), number(row["R"]), number(row["F1"]))
            for kind, row in writers["model"]["by finding"].items()
        ),
    )


def _figure(row: Table | float) -> str:
    return interval(row, 3) if isinstance(row, dict) else number(row)


def _types(rows: Table) -> str:
    """Lay out answers by type, and the model's gain."""
    kinds = list(rows["model"])
    writers = [name for name, held in rows.items() if isinstance(held, dict) and kinds[0] in held]
    gains = rows[_GAIN]
    return table(
        ("answered by", *kinds, "gain of the model"),
        (
            (
                name,
                *(interval(rows[name][kind]) for kind in kinds),
                interval(gains[name]) if name in gains else "",
            )
            for name in writers
        ),
    )


def _evidence(told: Table) -> Iterator[str]:
    game = told["pointing"]
    yield "## Evidence\n"
    yield (
        f"Evidence maps of true sentences against the lesions of {game['cases']} cases, findings "
        f"of more than {game['least mm']:.0f} mm. point: the strongest cell's centre lies in the "
        "lesion grown by one voxel; cell: the strongest cell touches the lesion. Told as one "
        "place: the sentence fits the scan and its map is focused, as the program asks for.\n"
    )
    rows = {"all": game["all"], "told as one place": game["focused"], **game["by finding"]}
    for rule in ("point", "cell"):
        yield f"### Pointing game, {rule} (%)\n"
        yield table(
            ("finding", "n", "model", "another case's map", "random in the body"),
            (
                (
                    name,
                    str(row["n"]),
                    *(interval(figure) for figure in list(row[rule].values())[:3]),
                )
                for name, row in rows.items()
                if row
            ),
        )
        gains = game["all"][rule][_GAIN]
        yield "Gain over " + ", over ".join(
            f"{name}: {interval(row)}" for name, row in gains.items()
        ) + ".\n"
    if told["calibration of sentences"]:
        words = "the sentences that state a finding, on these cases"
        yield from _calibration(words, told["calibration of sentences"])
    yield from _calibration("the likeliest choice, on these cases", told["calibration of choices"])


def _remarks(rows: Table) -> Iterator[str]:
    for name, held in rows.items():
        if isinstance(held, int):
            yield f"{name[0].upper()}{name[1:]}: {held}.\n"
    if "calibration" in rows:
        yield from _calibration("the likeliest choice", rows["calibration"])


def _calibration(words: str, told: Table) -> Iterator[str]:
    yield (
        f"Calibration of {words}: ECE {told['ece']:.3f}, Brier {told['brier']:.3f}, "
        f"{told['n']} in all.\n"
    )
    yield table(
        ("confidence", "n", "mean confidence", "share right"),
        (
            (
                f"{row['low']:.1f}–{row['high']:.1f}",
                str(row["n"]),
                number(row["confidence"]),
                number(row["accuracy"]),
            )
            for row in told["bins"]
        ),
    )
