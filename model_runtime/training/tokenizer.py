"""A small byte-level BPE of the reports' own words; any text survives a round trip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import caption, questions, report
from model_runtime.prompt import SPECIAL_TOKENS, question_prompt


def corpus(seeds: range) -> Iterator[str]:
    """Yield reports, captions and questions of the training cases."""
    for seed in seeds:
        case, random = sample_case(seed), np.random.default_rng([seed, 5])
        yield report(case, random)
        yield caption(case, random)
        for question in questions(case, random):
            yield f"{question_prompt(question.text, question.choices)} {question.answer}"


def train_tokenizer(seeds: range, vocabulary: int = 1024) -> Tokenizer:
    """Train on the corpus of some cases."""
    return learnt(corpus(seeds), vocabulary)


def learnt(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train on texts; digits stand alone so that sizes are spelt one way."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
