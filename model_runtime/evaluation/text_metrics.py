"""BLEU-1, ROUGE-1 and METEOR as the published evaluation computes them.

That is: of each text against its one reference, averaged over the texts, times 100. The
published protocol calls the package ``evaluate`` with ``max_order=1`` for BLEU, and takes
``rouge1``. Both are written out here, and tested to give what sacrebleu and rouge-score
give; METEOR is nltk's, with Debian's WordNet (``folder``).
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_runtime.evaluation.bert_score import BertScore
from model_runtime.evaluation.wordnet import DEBIAN, WordNet, WordNetMissingError, wordnet

Scores = NDArray[np.float64]

_APART = re.compile("([" + re.escape("".join(set(string.punctuation) - set("'-.,"))) + "])")
_STOP_AFTER_LETTER = re.compile(r"([^0-9])([.,])")
_STOP_BEFORE_LETTER = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


@dataclass(frozen=True, eq=False)
class Metrics:
    """Where the metrics find what they need; without BERTScore's model there are three."""

    wordnet: Path = DEBIAN
    bert: BertScore | None = None

    def score(self, written: Sequence[str], wanted: Sequence[str]) -> dict[str, Scores]:
        """Score each text against its reference, in percent, shape (N,) each.

        Raises
        ------
        WordNetMissingError
            Where METEOR cannot be computed.
        """
        scores = score_texts(written, wanted, self.wordnet)
        if self.bert is not None:
            scores["BERTScore"] = 100 * self.bert.f1(written, wanted)
        return scores


def score_texts(
    written: Sequence[str], wanted: Sequence[str], folder: Path = DEBIAN
) -> dict[str, Scores]:
    """Score each text against its reference.

    Returns
    -------
    dict of ndarray, shape (N,)
        BLEU-1, ROUGE-1 and METEOR of each pair, times 100.

    Raises
    ------
    WordNetMissingError
        Where METEOR cannot be computed.
    """
    pairs = list(zip(written, wanted, strict=True))
    known = wordnet(folder)
    return {
        "BLEU-1": np.array([100 * bleu_1(*pair) for pair in pairs]),
        "ROUGE-1": np.array([100 * rouge_1(*pair) for pair in pairs]),
        "METEOR": np.array([100 * _meteor(*pair, known) for pair in pairs]),
    }


def bleu_1(written: str, wanted: str) -> float:
    """Sentence BLEU of single words: clipped precision times the brevity penalty, in [0, 1].

    An empty text scores 0, where the published package would stop with a division by zero.
    """
    told, asked = words_13a(written), words_13a(wanted)
    if not told or not asked:
        return 0.0
    precision = (Counter(told) & Counter(asked)).total() / len(told)
    return precision * math.exp(min(0.0, 1 - len(asked) / len(told)))


def words_13a(text: str) -> list[str]:
    """Split into words as NIST's mteval-v13a does; upper and lower case stay apart."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in _ENTITIES:
        text = text.replace(entity, sign)
    text = _APART.sub(r" \1 ", f" {text} ")
    text = _STOP_AFTER_LETTER.sub(r"\1 \2 ", text)
    text = _STOP_BEFORE_LETTER.sub(r" \1 \2", text)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", text).split()


def rouge_1(written: str, wanted: str) -> float:
    """F1 of the words that two texts share, in [0, 1]; no stemming, case is ignored."""
    told = Counter(re.findall("[a-z0-9]+", written.lower()))
    asked = Counter(re.findall("[a-z0-9]+", wanted.lower()))
    return 2 * (told & asked).total() / max(1, told.total() + asked.total())


def meteor(written: str, wanted: str, folder: Path = DEBIAN) -> float:
    """METEOR with α 0.9, β 3 and γ 0.5, in [0, 1].

    Raises
    ------
    WordNetMissingError
    """
    return _meteor(written, wanted, wordnet(folder))


def _meteor(written: str, wanted: str, known: WordNet) -> float:
    words = _splitting()[1]
    from nltk.translate.meteor_score import single_meteor_score

    return float(
        single_meteor_score(
            words(wanted), words(written), wordnet=known, alpha=0.9, beta=3.0, gamma=0.5
        )
    )


def meteor_splitting() -> str:
    """Say how texts were cut into sentences for METEOR; the results state it."""
    return _splitting()[0]


@cache
def _splitting() -> tuple[str, Any]:
    """How words are found: sentences by Punkt, each cut as the Penn Treebank's.

    The published protocol uses Punkt with English parameters, which have to be fetched;
    without them Punkt takes every full stop before a space for an end, abbreviations too.
    """
    try:
        from nltk.tokenize import NLTKWordTokenizer, sent_tokenize, word_tokenize
        from nltk.tokenize.punkt import PunktSentenceTokenizer
    except ImportError as error:
        raise WordNetMissingError(
            f"METEOR needs the Python package nltk ({error}). Install it with 'pip install nltk'."
        ) from error
    try:
        sent_tokenize("One. Two.")
    except LookupError:
        sentences, cut = PunktSentenceTokenizer(), NLTKWordTokenizer()
        return "Punkt without its English parameters (nltk_data has no punkt_tab)", lambda text: [
            word for sentence in sentences.tokenize(text) for word in cut.tokenize(sentence)
        ]
    return "Punkt with its English parameters", word_tokenize
