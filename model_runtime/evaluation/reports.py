"""Drafts against the reports that were wanted, and against the truth where it is known.

Beside the model stand drafts for an empty volume and for another case's volume, and the
report that training holds most often, given to every case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from model_runtime.batching import Row
from model_runtime.decode import Sampling
from model_runtime.evaluation.findings import ReportScores, score_reports, share
from model_runtime.evaluation.intervals import Statistic, Values, difference, estimate, mean_of
from model_runtime.evaluation.testset import TestSet
from model_runtime.evaluation.text_metrics import Metrics
from model_runtime.evaluation.writing import Images, report_prompt, write_rows
from model_runtime.phantom.case import Case
from model_runtime.weights import LoadedModel

Table = dict[str, Any]
COMMON = "commonest report of training"
PARSER = "the true reports, read back"
"""Shows that what is counted is the draft, not the reading of it: every figure is 1."""
_PLAIN = Metrics()
TOKENS = 256
"""What the published scripts let a report have."""


@torch.inference_mode()
def drafts(
    model: LoadedModel, test: TestSet, images: Images, sampling: Sampling, blind: int | None = None
) -> tuple[dict[str, list[str]], list[Row]]:
    """Write a report for every item, by the model and the baselines.

    Where texts are drawn, those for another case's volume are written for the first ``blind``
    items only. Written greedily, they are the model's own, one item on.

    Returns
    -------
    dict of list of str
        The texts by who wrote them.
    list of Row
        The model's own, token by token.
    """
    asked = [(row, report_prompt(model)) for row in range(len(test.items))]
    texts, own = dict[str, list[str]](), list[Row]()
    for name, seen in images.named().items():
        if name != "model" and sampling.temperature == 0 and seen.stride(0):
            texts[name] = [*texts["model"][-1:], *texts["model"][:-1]]
            continue
        mine = asked if name == "model" else asked[:blind]
        rows = write_rows(model, seen, mine, sampling, TOKENS)
        texts[name] = [str(model.tokenizer.decode(row.ids)).strip() for row in rows]
        own = own or rows
    return texts | {COMMON: [test.common_report] * len(asked)}, own


def report_table(test: TestSet, written: dict[str, list[str]], metrics: Metrics = _PLAIN) -> Table:
    """BLEU-1, ROUGE-1 and METEOR in percent, and clinical efficacy where the truth is known."""
    wanted = [item.report for item in test.items]
    scored = {name: metrics.score(texts, wanted[: len(texts)]) for name, texts in written.items()}
    table: Table = {
        name: {
            metric: estimate(mean_of(values), len(values)).table()
            for metric, values in scores.items()
        }
        | {"distinct drafts": len(set(written[name])), "empty drafts": written[name].count("")}
        for name, scores in scored.items()
    }
    table["gain of the model over"] = {
        name: {
            metric: estimate(
                difference(mean_of(scored["model"][metric][: len(values)]), mean_of(values)),
                len(values),
            ).table()
            for metric, values in scores.items()
        }
        for name, scores in scored.items()
        if name != "model"
    }
    cases = [item.case for item in test.items if item.case is not None]
    if len(cases) == len(test.items):
        table["clinical efficacy"] = {
            name: clinical_table(cases[: len(texts)], texts)
            for name, texts in (written | {PARSER: list(wanted)}).items()
        }
    return table


def clinical_table(cases: Sequence[Case], texts: Sequence[str]) -> Table:
    """Compare findings stated with findings there: precision, recall, F1, sides, inventions."""
    scores = score_reports(cases, texts)
    counts = np.array([_counts(case, text) for case, text in zip(cases, texts, strict=True)])
    right, invented, missed = counts.T.astype(np.float64)
    figures: dict[str, Statistic] = {
        "precision": _quotient(right, right + invented),
        "recall": _quotient(right, right + missed),
        "F1": _quotient(2 * right, 2 * right + invented + missed),
        "invented findings per draft": mean_of(invented),
        "drafts with an invented finding": mean_of(invented > 0),
    }
    return {name: estimate(figure, len(cases)).table() for name, figure in figures.items()} | {
        "macro F1": scores.macro_f1(),
        "hallucination rate": scores.micro().invented
        / max(1, scores.micro().right + scores.micro().invented),
        **_details(scores),
    }


def _details(scores: ReportScores) -> Table:
    """Say what was told of the findings that are there and stated."""
    errors = scores.size_errors
    return {
        "side right": _shared(scores.sides),
        "laterality error": {
            "share": scores.sides[False] / max(1, scores.sides.total()),
            "n": scores.sides.total(),
        },
        "place right": _shared(scores.places),
        "degree right": _shared(scores.degrees),
        "number right": _shared(scores.numbers),
        "whole finding right": _shared(scores.whole),
        "sentences not understood": {
            "share": scores.unread / max(1, scores.sentences),
            "n": scores.sentences,
        },
        "size error mm": {"mean": float(np.mean(errors)) if errors else None, "n": len(errors)},
        "by finding": {
            kind: {"n": t.right + t.missed, "P": t.precision, "R": t.recall, "F1": t.f1}
            for kind, t in sorted(scores.kinds.items())
        },
    }


def _shared(counts: Counter[bool]) -> Table:
    return {"share": share(counts), "n": counts.total()}


def _counts(case: Case, text: str) -> tuple[int, int, int]:
    tally = score_reports([case], [text]).micro()
    return tally.right, tally.invented, tally.missed


def _quotient(above: Values, below: Values) -> Statistic:
    """Make the statistic "sum of one over sum of the other"; 0 where there is nothing below."""
    return lambda drawn: (drawn @ above) / np.maximum(drawn @ below, 1)
