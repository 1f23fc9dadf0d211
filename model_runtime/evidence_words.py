"""The words whose evidence is looked for, cut into tokens as the model wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from model_runtime.weights import LoadedModel

MOST_CHARACTERS = 2000
"""Longest sentence or answer that is explained."""

MOST_CONTEXT = 20_000
"""Longest draft before it, in characters; more than a model writes."""

MOST_TOKENS = 1024
"""Longest prompt, draft and sentence together: a gradient keeps every layer's activations."""

Told: TypeAlias = tuple[list[int], int]
"""Tokens behind the image, and how many at the end belong to the target."""


class UnexplainableError(ValueError):
    """There is nothing to explain, or too much; the message says so to the reader."""


@dataclass(frozen=True)
class Words:
    """What was asked and said: the prompt, the draft so far, and what is to be explained."""

    prompt: str
    context: str
    target: str


def told_tokens(model: LoadedModel, words: Words) -> Told:
    """Tokens behind the image, and how many at the end are the target's.

    Draft and target are cut into tokens together, as the model wrote them; a token that
    holds the end of one and the beginning of the other is the target's.

    Raises
    ------
    UnexplainableError
        For an empty target, and words that are too long.
    """
    target = words.target.strip()
    if not target:
        raise UnexplainableError("Mark the sentence or the answer that is to be explained.")
    if len(target) > MOST_CHARACTERS or len(words.context) > MOST_CONTEXT:
        raise UnexplainableError("The text is too long to be explained. Mark one sentence of it.")
    before = model.config.vlm.prompt.before_answer + words.context
    if before and not before[-1].isspace():
        before += " "
    told = model.tokenizer.encode(before + target, add_special_tokens=False)
    first = next(n for n, (_, end) in enumerate(told.offsets) if end > len(before))
    prompt = model.tokenizer.encode(words.prompt, add_special_tokens=False).ids
    language, image = model.config.vlm.language, model.config.vlm.projector.image_tokens
    if len(prompt) + len(told.ids) > min(MOST_TOKENS, language.max_positions - image - 1):
        raise UnexplainableError(
            "Question and draft are too long for the model to explain a sentence of them."
        )
    if model.config.vlm.prompt.drops_first_text_token:
        prompt = prompt[1:]
    return [*prompt, *told.ids], len(told.ids) - first
