"""The measurements: reports, closed questions with blind baselines, retrieval, text search."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.evaluation.answers import choose, model_input, write_reports
from model_runtime.evaluation.findings import score_reports, share
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.language import (
    Question,
    finding_sentences,
    impression,
    questions,
    technique,
)
from model_runtime.training.contrastive import claims_of
from model_runtime.training.tokenizer import encode_texts
from model_runtime.weights import LoadedModel

Table = dict[str, Any]
Matrix = NDArray[np.float32]


def measure(model: LoadedModel, seeds: Sequence[int]) -> tuple[Table, list[str]]:
    """Measure everything on the cases of some seeds; also returns the drafts."""
    cases = [sample_case(seed) for seed in seeds]
    whole = [full_text(case) for case in cases]
    with torch.inference_mode():
        image, blank, vectors = _encode(model, cases)
        drafts = write_reports(model, image)
        table = {
            "cases": len(cases),
            "reports": report_table(cases, drafts),
            "reports of another scan": report_table(cases, [*drafts[1:], drafts[0]]),
            "closed questions": _closed(model, cases, image, blank),
            "retrieval": retrieval_table(vectors, embed_texts(model, whole)),
            "text search": search_table(model, cases, vectors),
        }
    return table, drafts


def _encode(model: LoadedModel, cases: Sequence[Case]) -> tuple[Tensor, Tensor, Matrix]:
    """Image tokens of each case, those of an empty image, and contrastive vectors."""
    tokens, vectors = [], []
    for case in cases:
        volume = model_input(case, model)[None]
        tokens.append(model.vlm.image_tokens(volume))
        vectors.append(model.siglip.embed_volume(volume))
    blank = model.vlm.image_tokens(torch.zeros_like(volume))
    return torch.cat(tokens), blank, torch.cat(vectors).numpy()


def report_table(cases: Sequence[Case], drafts: Sequence[str]) -> Table:
    """Score drafts against the truth."""
    scores = score_reports(cases, drafts)
    micro = scores.micro()
    return {
        "micro precision": micro.precision,
        "micro recall": micro.recall,
        "micro F1": micro.f1,
        "macro F1": scores.macro_f1(),
        "side right": share(scores.sides),
        "place right": share(scores.places),
        "degree right": share(scores.degrees),
        "size error mm": float(np.mean(scores.size_errors)) if scores.size_errors else None,
        "distinct drafts": len(set(drafts)),
        "by finding": {
            kind: {"n": t.right + t.missed, "P": t.precision, "R": t.recall, "F1": t.f1}
            for kind, t in sorted(scores.kinds.items())
        },
    }


def _closed(model: LoadedModel, cases: Sequence[Case], image: Tensor, blank: Tensor) -> Table:
    asked = [
        (row, question)
        for row, case in enumerate(cases)
        for question in questions(case, np.random.default_rng([case.seed, 11]))
        if question.choices
    ]
    common = _common_answers()
    answers = {
        "model": choose(model, image, asked),
        "image removed": choose(model, blank.expand(len(cases), -1, -1), asked),
        "image of another case": choose(model, image.roll(1, dims=0), asked),
        "most frequent answer": [
            max(question.choices, key=lambda choice: common[question.kind, question.text, choice])
            for _, question in asked
        ],
    }
    return {name: accuracy(asked, given) for name, given in answers.items()}


def _common_answers() -> Counter[tuple[str, str, str]]:
    """Count the answers to each question over training cases."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for seed in range(1000):
        for question in questions(sample_case(seed), np.random.default_rng([seed, 11])):
            counts[question.kind, question.text, question.answer] += 1
    return counts


def accuracy(asked: Sequence[tuple[int, Question]], given: Sequence[str]) -> Table:
    """Share of right answers by type, and the unweighted mean over the types."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for (_, question), answer in zip(asked, given, strict=True):
        by_kind[question.kind].append(answer == question.answer)
    means = {kind: float(np.mean(right)) for kind, right in sorted(by_kind.items())}
    return {**means, "mean": float(np.mean(list(means.values())))}


def full_text(case: Case) -> str:
    """Tell technique, findings and impression, as trained."""
    random = np.random.default_rng([case.seed, 13])
    return " ".join((technique(case), *finding_sentences(case, random), impression(case)))


def embed_texts(model: LoadedModel, texts: Sequence[str]) -> Matrix:
    """Compute unit vectors of texts, shape (N, width)."""
    out: Matrix = model.siglip.embed_text(*encode_texts(model.tokenizer, texts)).numpy()
    return out


def retrieval_table(volumes: Matrix, texts: Matrix) -> Table:
    """R@k both ways; a tie counts by the chance that it would be broken rightly."""
    scores = volumes @ texts.T
    return {
        f"{way} R@{k}": recall_at(matrix, k)
        for way, matrix in (("volume to text", scores), ("text to volume", scores.T))
        for k in (1, 5, 10)
    }


def recall_at(scores: Matrix, k: int) -> float:
    """Share of rows whose own column is among the best ``k``."""
    own = np.diag(scores)[:, None]
    higher, equal = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    return float(np.clip((k - higher) / equal, 0, 1).mean())


def search_table(model: LoadedModel, cases: Sequence[Case], vectors: Matrix) -> Table:
    """Mean average precision of typed findings against the order of chance."""
    claims = [claims_of(case) for case in cases]
    queries = [q for q, n in Counter(c for held in claims for c in held).items() if n >= 3]
    if not queries:
        return {"queries": 0, "mean average precision": None, "chance": None}
    texts = embed_texts(model, queries)
    precisions, chances = [], []
    for query, text in zip(queries, texts, strict=True):
        holds = np.array([query in held for held in claims])
        precisions.append(average_precision(vectors @ text, holds))
        chances.append(float(holds.mean()))
    return {
        "queries": len(queries),
        "mean average precision": float(np.mean(precisions)),
        "chance": float(np.mean(chances)),
    }


def average_precision(scores: NDArray[np.float32], holds: NDArray[np.bool_]) -> float:
    """Mean of the precision at each hit, best score first."""
    hits = holds[np.argsort(-scores, kind="stable")]
    places = np.flatnonzero(hits)
    return float(np.mean((np.arange(len(places)) + 1) / (places + 1)))
