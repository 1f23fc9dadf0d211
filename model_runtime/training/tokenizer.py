"""A small byte-level BPE of the reports' own words and phrases; any text survives a round trip.

Merges go on across the spaces of a sentence, up to whole phrases such as " There is no": a report
is 41 tokens in place of the 131 of single words, which makes every step of training cheaper, and
what belongs together, a finding and its denial, is one symbol. Punctuation, digits and the
letters of choices stand alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import caption, questions, report
from model_runtime.prompt import SPECIAL_TOKENS, question_prompt

VOCABULARY = 2560
TEXT_LENGTH = 256
"""Tokens that the text tower reads."""
WORDWISE = 0.25
"""Share of what is read in training that :func:`by_words` cuts."""
_ALONE = r" ?[A-D](?=\.)|[.,;:?!\n]"
_WORD_MERGES = 800


def corpus(seeds: range) -> Iterator[str]:
    """Yield reports, captions and questions of the training cases."""
    for seed in seeds:
        case, random = sample_case(seed), np.random.default_rng([seed, 5])
        yield report(case, random)
        yield caption(case, random)
        for question in questions(case, random):
            yield f"{question_prompt(question.text, question.choices)} {question.answer}"


def train_tokenizer(seeds: range, vocabulary: int = VOCABULARY) -> Tokenizer:
    """Train on the corpus of some cases."""
    return learnt(corpus(seeds), vocabulary)


def learnt(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train on texts; digits stand alone so that sizes are spelt one way."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_ALONE), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
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


def by_words(tokenizer: Tokenizer) -> Tokenizer:
    """Cut into shorter tokens of the same vocabulary: its first merges only, mostly words.

    Learning some texts in these too keeps a model able to read phrases that it never saw whole.
    Dropping merges at random would do the same, but not the same way twice.
    """
    told = json.loads(tokenizer.to_str())
    told["model"]["merges"] = told["model"]["merges"][:_WORD_MERGES]
    return Tokenizer.from_str(json.dumps(told))


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Tokenise for the text tower: ``<cls>`` first, cut, padded; ids and mask B × length."""
    cls, pad = tokenizer.token_to_id("<cls>"), tokenizer.token_to_id("<pad>")
    rows = [[cls, *tokenizer.encode(text).ids][:TEXT_LENGTH] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask
