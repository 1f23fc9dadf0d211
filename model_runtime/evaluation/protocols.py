"""The published way of evaluating and a clean one, run beside each other.

Published: the first items of the test split as they come; reports and answers are drawn at
temperature 1 (seed 42, + 1 per text); closed questions by the letter rule. Two things are
not as published: the prompt of a report is always the model's own instead of one of 42
drawn at random, and a volume that cannot be read ends the run instead of being replaced.

Clean: items whose report or volume training holds too are left out, and so are repeated
captions; texts are written greedily; closed questions are counted by likelihood as well,
with calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_runtime.decode import Sampling
from model_runtime.evaluation.m3d import KINDS, DatasetError
from model_runtime.evaluation.pointing import pointing
from model_runtime.evaluation.reports import TOKENS, drafts, report_table
from model_runtime.evaluation.retrieval import COUNTS, distinct_items, facts_of, retrieval_table
from model_runtime.evaluation.scoring import choice_shares, embed_captions
from model_runtime.evaluation.sentences import sentence_calibration
from model_runtime.evaluation.testset import TestSet
from model_runtime.evaluation.text_metrics import Metrics, meteor_splitting
from model_runtime.evaluation.vqa import (
    choice_calibration,
    letter_answers,
    letter_table,
    likelihood_table,
    likelihoods,
    open_answers,
    open_table,
)
from model_runtime.evaluation.wordnet import wordnet
from model_runtime.evaluation.writing import (
    GREEDY,
    PUBLISHED,
    Images,
    encode,
    report_prompt,
    write_rows,
)
from model_runtime.weights import LoadedModel

Table = dict[str, Any]
PARTS = ("retrieval", "report", "vqa", "evidence")
_PLAIN = Metrics()


@dataclass(frozen=True)
class Protocol:
    """How texts are written, and whether repeated and trained items are left out."""

    name: str
    sampling: Sampling
    clean: bool
    words: str


_REPORTS = 1000
"""How many reports the published scripts score."""

PROTOCOLS = {
    "published": Protocol(
        "published",
        PUBLISHED,
        clean=False,
        words=f"first items of the test split; texts drawn at temperature 1, seed {PUBLISHED.seed} "
        "(+ 1 per text); closed questions by the letter rule; the model's own report prompt",
    ),
    "clean": Protocol(
        "clean",
        GREEDY,
        clean=True,
        words="without items that training holds and without repeated captions; texts written "
        "greedily; closed questions by letter rule and by likelihood",
    ),
}


@dataclass(frozen=True)
class Limits:
    """Of how many items what takes long is computed; None is all. The tables tell each n.

    ``blind``: answers without the image and with another's; ``drawn``: texts that are drawn
    at temperature 1; ``evidence``: maps.
    """

    blind: int | None = None
    drawn: int | None = None
    evidence: int | None = None


_ALL = Limits()


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The items that a protocol takes, with what the model sees of them."""

    test: TestSet
    images: Images | None
    vectors: NDArray[np.float32] | None
    limits: Limits


def evaluate(
    model: LoadedModel,
    test: TestSet,
    parts: Sequence[str],
    protocols: Sequence[Protocol],
    metrics: Metrics = _PLAIN,
    *,
    limits: Limits = _ALL,
) -> tuple[Table, Table]:
    """Run some parts, out of :data:`PARTS`, under some protocols.

    Returns the figures, and what was written by protocol, part and who wrote it.

    Raises
    ------
    DatasetError
        Where a volume cannot be read, or there are fewer than two items.
    WordNetMissingError
        Before anything is computed, where METEOR will be needed and cannot be had.
    """
    if len(test.items) < 2:
        raise DatasetError("An evaluation needs at least two test items.")
    texts = any(part in parts for part in ("report", "vqa", "evidence"))
    if texts:
        wordnet(metrics.wordnet)
    with torch.inference_mode():
        images, vectors = encode(model, test.items, images=texts, vectors="retrieval" in parts)
    chosen = _Chosen(test, images, vectors, limits)
    said: Table = {protocol.name: {} for protocol in protocols}
    results = _told_of(test) | {"METEOR sentences": meteor_splitting() if texts else ""}
    results["protocols"] = {
        protocol.name: _under(protocol, model, chosen, parts, metrics, said[protocol.name])
        for protocol in protocols
    }
    if "evidence" in parts:
        results["evidence"] = _evidence(model, chosen)
    return results, said


def _told_of(test: TestSet) -> Table:
    """Say what the figures are of."""
    return {
        "data": test.name,
        "items": len(test.items),
        "questions": len(test.asked),
        "notes": list(test.notes),
        "overlap": test.overlap,
    }


def _evidence(model: LoadedModel, chosen: _Chosen) -> Table:
    """Measure evidence maps, and how sure the model is of what it says, on the first items."""
    places = [n for n, item in enumerate(chosen.test.items) if item.case is not None]
    part = _taken(chosen, places[: chosen.limits.evidence])
    if not part.test.items:
        raise DatasetError("Evidence needs phantoms: only their lesions are known.")
    assert part.images is not None
    own = part.images.own
    with torch.inference_mode():
        asked = [(row, report_prompt(model)) for row in range(len(part.test.items))]
        rows = write_rows(model, own, asked, GREEDY, TOKENS)
        closed = [pair for pair in part.test.asked if pair[1].choices]
        shares = choice_shares(model, own, closed)
    cases = [item.case for item in part.test.items if item.case]
    return {
        "pointing": pointing(model, part.test.items),
        "calibration of sentences": sentence_calibration(cases, rows, model.tokenizer),
        "calibration of choices": choice_calibration(closed, shares),
    }


def _under(  # noqa: PLR0917
    protocol: Protocol,
    model: LoadedModel,
    chosen: _Chosen,
    parts: Sequence[str],
    metrics: Metrics,
    written: Table,
) -> Table:
    """Run the parts under one protocol; what was written goes into ``written``."""
    told: Table = {"how": protocol.words}
    if "retrieval" in parts:
        told["retrieval"] = _retrieval(model, chosen, protocol)
    if "report" in parts:
        told["reports"] = _reports(model, chosen, protocol, written, metrics)
    if "vqa" in parts:
        told |= _questions(model, chosen, protocol, written, metrics)
    return told


def _retrieval(model: LoadedModel, chosen: _Chosen, protocol: Protocol) -> Table:
    part = _taken(chosen, _captioned(chosen.test, protocol)[: max(COUNTS)])
    assert part.vectors is not None
    captions = [item.caption for item in part.test.items]
    facts = [facts_of(item.case) for item in part.test.items if item.case]
    places = {caption: n for n, caption in enumerate(dict.fromkeys(captions))}
    with torch.inference_mode():
        texts = embed_captions(model, list(places))
    # Each caption is scored once: a product may differ in its last bits from column to column,
    # and would then break the ties of repeated captions.
    scores = part.vectors.astype(np.float64) @ texts.T.astype(np.float64)
    scores = scores[:, [places[caption] for caption in captions]]
    return retrieval_table(scores, captions, facts=facts if len(facts) == len(captions) else None)


def _reports(
    model: LoadedModel, chosen: _Chosen, protocol: Protocol, written: Table, metrics: Metrics
) -> Table:
    most = _REPORTS if protocol.clean else _least(_REPORTS, chosen.limits.drawn)
    part = _taken(chosen, _captioned(chosen.test, protocol)[:most])
    assert part.images is not None
    written["reports"], rows = drafts(
        model, part.test, part.images, protocol.sampling, chosen.limits.blind
    )
    table = report_table(part.test, written["reports"], metrics) | {"n": len(part.test.items)}
    cases = [item.case for item in part.test.items if item.case is not None]
    if protocol.clean and len(cases) == len(rows):
        table["calibration of sentences"] = sentence_calibration(cases, rows, model.tokenizer)
    return table


def _questions(
    model: LoadedModel, chosen: _Chosen, protocol: Protocol, written: Table, metrics: Metrics
) -> Table:
    left_out = chosen.test.trained if protocol.clean else frozenset[int]()
    places = [n for n in range(len(chosen.test.items)) if n not in left_out]
    part = _taken(chosen, places if protocol.clean else places[: chosen.limits.drawn])
    test, images, blind = part.test, part.images, chosen.limits.blind
    if not protocol.clean:
        # The published tables know five types only.
        test = replace(test, asked=[pair for pair in test.asked if pair[1].kind in KINDS])
    assert images is not None
    if not test.asked:
        raise DatasetError("There are no questions about the items that are left.")
    test = replace(test, asked=sorted(test.asked, key=lambda pair: pair[0]))
    how = (model, test, images, protocol.sampling, blind)
    written["open questions"] = open_answers(*how)
    written["closed questions"] = letter_answers(*how)
    table: Table = {
        "open questions": open_table(test, written["open questions"], metrics),
        "closed questions, letter rule": letter_table(test, written["closed questions"]),
    }
    if protocol.clean:
        shares = likelihoods(model, test, images, blind)
        table["closed questions, likelihood"] = likelihood_table(test, shares)
    return table


def _captioned(test: TestSet, protocol: Protocol) -> list[int]:
    """Places of the items with a report, in their order, as the protocol takes them."""
    places = [n for n, item in enumerate(test.items) if item.report]
    if protocol.clean:
        places = [n for n in places if n not in test.trained]
        kept = distinct_items([test.items[n].caption for n in places])
        places = [places[n] for n in kept]
    if len(places) < 2:
        raise DatasetError(f"Fewer than two test items are left under the {protocol.name} rules.")
    return places


def _taken(chosen: _Chosen, places: Sequence[int]) -> _Chosen:
    """Keep some items and the questions about them."""
    test, now = chosen.test, {place: n for n, place in enumerate(places)}
    return _Chosen(
        replace(
            test,
            items=[test.items[n] for n in places],
            asked=[(now[row], question) for row, question in test.asked if row in now],
        ),
        None if chosen.images is None else chosen.images.take(places),
        None if chosen.vectors is None else chosen.vectors[list(places)],
        chosen.limits,
    )


def _least(first: int, second: int | None) -> int:
    return first if second is None else min(first, second)
