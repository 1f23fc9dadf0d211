"""BLEU-1, ROUGE-1 and METEOR against worked examples and the packages that publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from model_runtime.evaluation.text_metrics import (
    bleu_1,
    meteor,
    meteor_splitting,
    rouge_1,
    score_texts,
    words_13a,
)
from model_runtime.evaluation.wordnet import WordNetMissingError, wordnet
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report

# The example of Papineni et al. (2002), which nltk and evaluate document with 0.6944.
_PARTY = (
    "It is a guide to action which ensures that the military always obeys the commands of "
    "the party"
)
_PARTY_REFERENCE = (
    "It is a guide to action that ensures that the military will forever heed Party commands"
)
_TEXTS = st.text(alphabet="ab C0.,-'/%&;<\n()\"!", max_size=30)


def _reports() -> list[str]:
    return [report(sample_case(n), np.random.default_rng(n)) for n in range(8)]


def test_worked_examples() -> None:
    # Seven times "the" against two of them (Papineni et al.): 2/7, and not 7/7.
    assert bleu_1("the the the the the the the", "the cat is on the mat") == pytest.approx(2 / 7)
    # Three of three words, a reference of six: e^(1 - 6/3).
    assert bleu_1("the cat is", "the cat is on the mat") == pytest.approx(np.exp(-1))
    # Six words shared, of eight written and nine wanted.
    assert rouge_1("The quick brown dog jumps on the log", "The quick brown fox jumps over "
                   "the lazy dog") == pytest.approx(2 * 6 / (8 + 9))
    assert meteor(_PARTY, _PARTY_REFERENCE) == pytest.approx(0.6944, abs=5e-5)
    assert meteor("non matching hypothesis", "this is a cat") == 0


def test_meteor_of_a_hand_counted_pair() -> None:
    # Four of four words in one chunk: 1 - 0.5 · (1/4)³.
    assert meteor("no renal stone seen", "no renal stone seen") == pytest.approx(1 - 0.5 / 64)
    # "kidneys" matches by its stem, "rock" matches "stone" by WordNet.
    assert meteor("a rock in kidneys", "a stone in kidney") == pytest.approx(1 - 0.5 / 64)


@settings(max_examples=150, deadline=None)
@given(_TEXTS, _TEXTS)
def test_bleu_is_sacrebleus(written: str, wanted: str) -> None:
    oracle = BLEU(max_ngram_order=1, smooth_method="none")
    # sacrebleu strips a reference before it cuts it into words.
    written, wanted = written.strip(), wanted.strip()
    assert words_13a(written) == Tokenizer13a()(written).split()
    expected = oracle.sentence_score(written, [wanted]).score if words_13a(wanted) else 0
    assert 100 * bleu_1(written, wanted) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(_TEXTS, _TEXTS)
def test_rouge_is_rouge_scores(written: str, wanted: str) -> None:
    expected = RougeScorer(["rouge1"]).score(wanted, written)["rouge1"].fmeasure
    assert rouge_1(written, wanted) == pytest.approx(expected, abs=1e-9)


def test_reports_score_what_the_packages_say() -> None:
    reports = _reports()
    written = [*reports[1:], reports[0]]
    scores = score_texts(written, reports)
    bleu, rouge = BLEU(max_ngram_order=1, smooth_method="none"), RougeScorer(["rouge1"])
    for n, (told, asked) in enumerate(zip(written, reports, strict=True)):
        assert scores["BLEU-1"][n] == pytest.approx(bleu.sentence_score(told, [asked]).score)
        assert scores["ROUGE-1"][n] == pytest.approx(
            100 * rouge.score(asked, told)["rouge1"].fmeasure
        )
        assert scores["METEOR"][n] == pytest.approx(100 * meteor(told, asked))
        assert 0 < scores["METEOR"][n] < 100
    assert all(values.shape == (8,) for values in scores.values())


def test_a_full_stop_inside_a_text_is_a_word_of_its_own() -> None:
    told, asked = "Seen. A nodule here", "Seen . A nodule here"
    expected = single_meteor_score(asked.split(), asked.split(), wordnet=wordnet())
    assert meteor(told, asked) == pytest.approx(expected)
    assert "Punkt" in meteor_splitting()


def test_an_empty_text_scores_nothing() -> None:
    scores = score_texts(["", "a"], ["a nodule", ""])
    assert {name: values.tolist() for name, values in scores.items()} == {
        "BLEU-1": [0, 0], "ROUGE-1": [0, 0], "METEOR": [0, 0]
    }


def test_missing_wordnet_is_named(tmp_path: Path) -> None:
    with pytest.raises(WordNetMissingError, match=r"data\.noun cannot be read.*wordnet-base"):
        meteor("a", "a", tmp_path)
