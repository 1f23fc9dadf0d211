"""Any text survives; the special tokens stand where the prompt expects them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report
from model_runtime.prompt import SPECIAL_TOKENS
from model_runtime.training.tokenizer import train_tokenizer

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


def test_the_words_of_the_reports_are_few_and_whole() -> None:
    """The vocabulary of the demonstration: below 1500 tokens, about one for each word."""
    words = train_tokenizer(range(600), 1500)
    assert words.get_vocab_size() < 1500
    texts = [report(sample_case(seed), np.random.default_rng(seed)) for seed in range(2000, 2060)]
    tokens = sum(len(words.encode(text).ids) for text in texts)
    assert tokens < 1.5 * sum(len(text.split()) for text in texts)
    assert max(len(words.encode(text).ids) for text in texts) < 224
