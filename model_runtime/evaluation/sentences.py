"""How sure the model was of each sentence of a draft, against whether it is true.

A sentence's confidence is the geometric mean of its tokens' probabilities. Only sentences
that state a finding are judged: such a one is true where the case has that finding, on that
side if it names one. Absent findings and the sizes are not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import Tokenizer

from model_runtime.batching import Row
from model_runtime.evaluation.calibration import calibration
from model_runtime.evaluation.findings import stated_findings
from model_runtime.phantom.case import SIDES, Case, Finding


def sentence_calibration(
    cases: Sequence[Case], rows: Sequence[Row], tokenizer: Tokenizer
) -> dict[str, Any] | None:
    """Compare confidence with truth over all drafts; None where no sentence states a finding."""
    told: list[float] = []
    right: list[bool] = []
    for case, row in zip(cases, rows, strict=True):
        for sentence, confidence in findings_sentences(row, tokenizer):
            for finding in stated_findings(sentence):
                told.append(confidence)
                right.append(holds(case, finding))
    return calibration(told, right).table() if told else None


def holds(case: Case, finding: Finding) -> bool:
    """Tell whether a case has a finding, on its side if it has one."""
    side = finding.place.split(" ")[0]
    return any(
        there.kind == finding.kind
        and (side not in SIDES or there.place.split(" ")[0] == side)
        for there in case.findings
    )


def findings_sentences(row: Row, tokenizer: Tokenizer) -> Iterator[tuple[str, float]]:
    """Yield each sentence of a draft's Findings section with its confidence."""
    text, start, logprobs = "", 0, list[float]()
    within = False
    for place, logprob in enumerate(row.logprobs):
        text = str(tokenizer.decode(row.ids[: place + 1]))
        logprobs.append(logprob)
        piece = text[start:]
        if "Findings:" in piece:
            within, start, logprobs = True, len(text), []
        elif "Impression:" in piece:
            return
        elif within and piece.rstrip().endswith("."):
            yield piece.strip(), math.exp(sum(logprobs) / len(logprobs))
            start, logprobs = len(text), []
