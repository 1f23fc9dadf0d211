"""Any text survives; the special tokens stand where the prompt expects them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report
from model_runtime.prompt import SPECIAL_TOKENS, choice_answer
from model_runtime.training.tokenizer import VOCABULARY, by_words, train_tokenizer

_WORDS = train_tokenizer(range(60), 500)


@given(st.text(max_size=60).filter(lambda text: "<" not in text))
def test_any_text_survives_the_round_trip(text: str) -> None:
    assert _WORDS.decode(_WORDS.encode(text).ids) == text


def test_reports_survive_and_digits_stand_alone(words: Tokenizer) -> None:
    text = report(sample_case(1), np.random.default_rng(1))
    encoded = words.encode(text)
    assert words.decode(encoded.ids) == text
    assert "4" in encoded.tokens
    assert not any(sum(c.isdigit() for c in token) > 1 for token in encoded.tokens)


def test_special_tokens_come_first(words: Tokenizer) -> None:
    assert [words.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_tokens_are_phrases_that_end_with_the_sentence() -> None:
    words = train_tokenizer(range(600))
    assert words.get_vocab_size() <= VOCABULARY
    texts = [report(sample_case(seed), np.random.default_rng(seed)) for seed in range(2000, 2060)]
    tokens = [token for text in texts for token in words.encode(text).tokens]
    assert len(tokens) < 0.8 * sum(len(text.split()) for text in texts)
    assert max(len(words.encode(text).ids) for text in texts) < 100
    assert not any(len(token) > 1 and set(token) & set(".,:;?!") for token in tokens)


def test_the_letter_of_a_choice_stands_alone(words: Tokenizer) -> None:
    for letter in "ABCD":
        answer = choice_answer(("right kidney",) * 4, "ABCD".index(letter))
        assert words.encode(answer).tokens[0] == letter
    assert [t for t in words.encode("Where? A. liver B. spleen").tokens if "B" in t] == ["ĠB"]


def test_the_same_texts_in_shorter_tokens() -> None:
    whole = train_tokenizer(range(200))
    short = by_words(whole)
    text = report(sample_case(2000), np.random.default_rng(0))
    assert short.decode(short.encode(text).ids) == text
    assert len(short.encode(text).ids) > len(whole.encode(text).ids)
    assert short.get_vocab() == whole.get_vocab()
