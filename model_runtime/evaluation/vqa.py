"""Open and closed questions, by type, beside three answers that never saw the scan.

Closed questions are counted twice: by the published rule, which takes an answer as right
where the right letter occurs in it with a full stop (whatever else it says), and by which
choice the model thinks likeliest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from model_runtime.decode import Sampling
from model_runtime.evaluation.calibration import calibration
from model_runtime.evaluation.intervals import difference, estimate, mean_of, mean_of_types
from model_runtime.evaluation.m3d import KINDS
from model_runtime.evaluation.scoring import choice_shares
from model_runtime.evaluation.testset import Frequent, TestSet
from model_runtime.evaluation.text_metrics import Metrics
from model_runtime.evaluation.writing import Images, asking, write_texts
from model_runtime.phantom.language import Question
from model_runtime.prompt import lettered
from model_runtime.weights import LoadedModel

Table = dict[str, Any]
_Asked = TypeVar("_Asked")
FREQUENT = "most frequent answer"
_PLAIN = Metrics()
OPEN_TOKENS, LETTER_TOKENS = 256, 64


def frequent_answer(question: Question, frequent: Frequent, closed: bool) -> str:
    """Give the answer that most often was right to this wording, else to this type."""
    if closed:
        return max(
            question.choices,
            key=lambda choice: frequent[question.kind, question.text, choice],
        )
    same = {key: n for key, n in frequent.items() if key[:2] == (question.kind, question.text)}
    like = same or {key: n for key, n in frequent.items() if key[0] == question.kind}
    return max(like, key=lambda key: like[key])[2] if like else ""


def _seen_by(
    name: str, asked: Sequence[tuple[int, _Asked]], blind: int | None
) -> Sequence[tuple[int, _Asked]]:
    """Take what a writer is asked: the blind ones only of the first ``blind`` cases."""
    if name == "model" or blind is None:
        return asked
    return [pair for pair in asked if pair[0] < blind]


@torch.inference_mode()
def open_answers(
    model: LoadedModel, test: TestSet, images: Images, sampling: Sampling, blind: int | None = None
) -> dict[str, list[str]]:
    """Write an answer to every question, its choices untold, by the model and the baselines.

    The questions stand in the order of their cases; what answers blindly is asked about the
    first ``blind`` cases only, so its answers may be fewer.
    """
    asked = [(row, asking(model, question, closed=False)) for row, question in test.asked]
    written = {
        name: write_texts(model, rows, _seen_by(name, asked, blind), sampling, OPEN_TOKENS)
        for name, rows in images.named().items()
    }
    told: dict[tuple[str, str], str] = {}
    for _, question in test.asked:
        key = question.kind, question.text
        if key not in told:
            told[key] = frequent_answer(question, test.frequent, closed=False)
    return written | {FREQUENT: [told[q.kind, q.text] for _, q in test.asked]}


def open_table(test: TestSet, answers: dict[str, list[str]], metrics: Metrics = _PLAIN) -> Table:
    """BLEU-1, ROUGE-1 and METEOR by type and their unweighted mean, in percent."""
    wanted = [question.answer for _, question in test.asked]
    scored = {name: metrics.score(told, wanted[: len(told)]) for name, told in answers.items()}
    return {
        metric: _by_type(test, {name: scores[metric] for name, scores in scored.items()})
        for metric in next(iter(scored.values()))
    }


@torch.inference_mode()
def letter_answers(
    model: LoadedModel, test: TestSet, images: Images, sampling: Sampling, blind: int | None = None
) -> dict[str, list[str]]:
    """Write an answer to every closed question, the baselines as in :func:`open_answers`."""
    asked = [(row, asking(model, question, closed=True)) for row, question in _closed(test).asked]
    return {
        name: write_texts(model, rows, _seen_by(name, asked, blind), sampling, LETTER_TOKENS)
        for name, rows in images.named().items()
    }


def letter_table(test: TestSet, answers: dict[str, list[str]]) -> Table:
    """Share right by the letter rule, by type; and how many answers it is too kind to."""
    closed = _closed(test)
    read = {
        name: [
            lettered(told, len(question.choices))
            for told, (_, question) in zip(texts, closed.asked[: len(texts)], strict=True)
        ]
        for name, texts in answers.items()
    }
    places = [question.choices.index(question.answer) for _, question in closed.asked]
    right = {
        name: _hits(
            [place in found for place, found in zip(places[: len(rows)], rows, strict=True)]
        )
        for name, rows in read.items()
    }
    right[FREQUENT] = _frequent_hits(closed)
    return _by_type(closed, right) | {
        "answers of the model with no letter": sum(not row for row in read["model"]),
        "answers of the model with several letters": sum(len(row) > 1 for row in read["model"]),
    }


@torch.inference_mode()
def likelihoods(
    model: LoadedModel, test: TestSet, images: Images, blind: int | None = None
) -> dict[str, list[NDArray[np.float64]]]:
    """Probability of each choice of every closed question, as in :func:`open_answers`."""
    asked = _closed(test).asked
    return {
        name: choice_shares(model, rows, _seen_by(name, asked, blind))
        for name, rows in images.named().items()
    }


def likelihood_table(test: TestSet, shares: dict[str, list[NDArray[np.float64]]]) -> Table:
    """Share right by likelihood, by type, with the calibration of the model's choices."""
    closed = _closed(test)
    places = [question.choices.index(question.answer) for _, question in closed.asked]
    right = {
        name: _hits(
            [
                int(row.argmax()) == place
                for row, place in zip(rows, places[: len(rows)], strict=True)
            ]
        )
        for name, rows in shares.items()
    }
    chance = 100 * np.array([1 / len(question.choices) for _, question in closed.asked])
    return _by_type(closed, right | {FREQUENT: _frequent_hits(closed), "chance": chance}) | {
        "calibration": choice_calibration(closed.asked, shares["model"])
    }


def choice_calibration(
    asked: Sequence[tuple[int, Question]], shares: Sequence[NDArray[np.float64]]
) -> Table:
    """Compare the probability of the likeliest choice with whether it is right."""
    right = [
        question.choices[int(row.argmax())] == question.answer
        for (_, question), row in zip(asked, shares, strict=True)
    ]
    return calibration([float(row.max()) for row in shares], right).table()


def _closed(test: TestSet) -> TestSet:
    asked = [(row, question) for row, question in test.asked if question.choices]
    return TestSet(test.name, test.items, asked, test.frequent)


def _frequent_hits(closed: TestSet) -> NDArray[np.float64]:
    return _hits(
        [
            frequent_answer(question, closed.frequent, closed=True) == question.answer
            for _, question in closed.asked
        ]
    )


def _hits(right: Sequence[bool]) -> NDArray[np.float64]:
    return 100.0 * np.array(right, np.float64)


def _by_type(test: TestSet, scores: dict[str, NDArray[np.float64]]) -> Table:
    """Means by type, unweighted mean of them, and the model's gain over each baseline.

    Questions to be answered by yes or no are none of the published types: they are told
    apart and take no part in the mean, unless there are no others.
    """
    kinds = np.array([question.kind for _, question in test.asked])
    cases = np.array([row for row, _ in test.asked])
    counted = np.isin(kinds, KINDS)
    if not counted.any():
        counted[:] = True
    table: Table = {}
    for name, values in scores.items():
        # A baseline may have been asked only the first of the questions.
        held = slice(len(values))
        table[name] = {
            kind: estimate(
                mean_of(values[kinds[held] == kind]), cases[held][kinds[held] == kind].tolist()
            ).table()
            for kind in dict.fromkeys(kinds[held].tolist())
        } | {"mean of types": _mean_of_types(kinds, cases, counted, values)}
    table["gain of the model over"] = {
        name: _mean_of_types(kinds, cases, counted, scores["model"][: len(values)], values)
        for name, values in scores.items()
        if name != "model"
    }
    return table


def _mean_of_types(
    kinds: NDArray[np.str_],
    cases: NDArray[np.int_],
    counted: NDArray[np.bool_],
    values: NDArray[np.float64],
    less: NDArray[np.float64] | None = None,
) -> Table:
    """Estimate the mean over types of some values, or of how much they exceed others."""
    held = np.flatnonzero(counted[: len(values)])
    types = kinds[held].tolist()
    figure = mean_of_types(values[held], types)
    if less is not None:
        figure = difference(figure, mean_of_types(less[held], types))
    return estimate(figure, cases[held].tolist()).table()
