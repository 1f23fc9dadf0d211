"""The words whose evidence is looked for, cut into tokens as the model wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from model_runtime import api
from model_runtime.answering import UnanswerableError, prompt_of
from model_runtime.prompt import choice_answer
from model_runtime.weights import LoadedModel

MOST_CHARACTERS = 2000
"""Longest sentence or answer that is explained."""

MOST_CONTEXT = 20_000
"""Longest draft before it, in characters; more than a model writes."""

MOST_TOKENS = 1024
"""Longest prompt, draft and sentence together: a gradient keeps every layer's activations."""

Told: TypeAlias = tuple[list[int], int]
"""Tokens behind the image, and how many at the end belong to the target."""


@dataclass(frozen=True)
class Words:
    """What was asked and said.

    Attributes
    ----------
    prompt : str
        Words between image and draft, or answer.
    context : str
        What stands before the target in the draft.
    target : str
        What is to be explained, as the model wrote it.
    claim : str
        The target as a text of its own, for the contrastive model: an answer after its
        question, without which "yes" would say nothing.
    """

    prompt: str
    context: str
    target: str
    claim: str


def words_of(model: LoadedModel, request: api.Request) -> Words:
    """Take the words of a request for evidence; a choice is written with its letter."""
    target = request.target.strip()
    claim = f"{request.text.strip()} {target}".strip()
    if target in request.choices:
        target = choice_answer(request.choices, request.choices.index(target))
    return Words(prompt_of(model, request), request.context, target, claim)


def told_tokens(model: LoadedModel, words: Words) -> Told:
    """Tokens behind the image, and how many at the end are the target's.

    Draft and target are cut into tokens together, as the model wrote them; a token that
    holds the end of one and the beginning of the other is the target's.

    Raises
    ------
    UnanswerableError
        For an empty target, and words that are too long.
    """
    target = words.target.strip()
    if not target:
        raise UnanswerableError("Mark the sentence or the answer that is to be explained.")
    if len(target) > MOST_CHARACTERS or len(words.context) > MOST_CONTEXT:
        raise UnanswerableError("The text is too long to be explained. Mark one sentence of it.")
    before = model.config.vlm.prompt.before_answer + words.context
    if before and not before[-1].isspace():
        before += " "
    told = model.tokenizer.encode(before + target, add_special_tokens=False)
    first = next(n for n, (_, end) in enumerate(told.offsets) if end > len(before))
    prompt = model.tokenizer.encode(words.prompt, add_special_tokens=False).ids
    language, image = model.config.vlm.language, model.config.vlm.projector.image_tokens
    if len(prompt) + len(told.ids) > min(MOST_TOKENS, language.max_positions - image - 1):
        raise UnanswerableError(
            "Question and draft are too long for the model to explain a sentence of them."
        )
    if model.config.vlm.prompt.drops_first_text_token:
        prompt = prompt[1:]
    return [*prompt, *told.ids], len(told.ids) - first
