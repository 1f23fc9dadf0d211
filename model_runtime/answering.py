"""What the decoder says once the volume's image prefix stands: written or chosen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event as Cancelled

import numpy as np
import torch
from torch import Tensor

from model_runtime import api
from model_runtime.batching import Row
from model_runtime.decode import (
    NotANumberError,
    Sampling,
    advance,
    is_looping,
    log_likelihood,
    tokens,
)
from model_runtime.preprocess import ModelInput
from model_runtime.prompt import LETTERS, choice_answer, lettered, question_prompt
from model_runtime.stepping import KeyValues
from model_runtime.weights import LoadedModel

_LETTER_TOKENS = 64
"""What a written answer to a closed question may take; its letter stands at the front."""


class StoppedError(Exception):
    """The request was cancelled."""


class UnanswerableError(ValueError):
    """The request is not one that can be answered; the message says why."""


@dataclass(eq=False)
class Run:
    """One request on its way."""

    request: api.Request
    cancelled: Cancelled
    began: float = field(default_factory=time.monotonic)
    input: ModelInput | None = None
    prompt: str = ""
    tokens: int = 0
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Stop here where the request was cancelled.

        Raises
        ------
        StoppedError
        """
        if self.cancelled.is_set():
            raise StoppedError


@dataclass(frozen=True)
class Said:
    """The end of an answer."""

    text: str


def check_words(request: api.Request) -> None:
    """Refuse a request whose words cannot be answered.

    Raises
    ------
    UnanswerableError
    """
    if request.task is api.Task.EMBED_TEXT and not request.text.strip():
        raise UnanswerableError("Type what to search for.")
    if not 0 <= request.temperature < math.inf or not 0 < request.top_p <= 1:
        raise UnanswerableError("The temperature is at least 0, and top-p above 0 and at most 1.")
    if request.max_tokens < 1:
        raise UnanswerableError("An answer needs room for at least one token.")
    if request.task is not api.Task.QUESTION:
        return
    if not request.text.strip():
        raise UnanswerableError("Type a question first.")
    if request.choices and not 2 <= len(request.choices) <= len(LETTERS):
        raise UnanswerableError(f"A closed question needs two to {len(LETTERS)} choices.")


def prompt_of(model: LoadedModel, request: api.Request) -> str:
    """Words between image and answer: the report's prompt, or the question as trained."""
    words = model.config.vlm.prompt
    if request.task is api.Task.REPORT or not request.text:
        return words.report
    return words.before_question + question_prompt(request.text, request.choices)


def prompt_ids(model: LoadedModel, run: Run) -> list[int]:
    """Token ids of the run's prompt, as they stand behind the image.

    Raises
    ------
    UnanswerableError
        Where prompt and answer do not fit behind the image.
    """
    config = model.config.vlm
    ids: list[int] = model.tokenizer.encode(run.prompt, add_special_tokens=False).ids
    room = config.language.max_positions - config.projector.image_tokens - run.request.max_tokens
    if len(ids) >= room:
        raise UnanswerableError("The question is too long for the model. Ask a shorter one.")
    return ids[1:] if config.prompt.drops_first_text_token else ids


def told(model: LoadedModel, run: Run, row: Row) -> str:
    """Read what a row wrote beside others; notes why it ended.

    Raises
    ------
    NotANumberError, UnanswerableError
        Where it broke down or wrote nothing.
    """
    run.tokens = len(row.ids)
    if row.broken:
        raise NotANumberError("The model computed values that are not numbers.")
    if row.looped:
        run.notes.append("stopped: the model repeated itself")
    elif len(row.ids) >= run.request.max_tokens:
        run.notes.append(f"stopped at the limit of {run.request.max_tokens} tokens")
    text = str(model.tokenizer.decode(row.ids)).strip()
    if not text:
        raise UnanswerableError("The model wrote nothing for this scan.")
    return text


def write(
    model: LoadedModel, run: Run, cache: KeyValues, prompt: Tensor
) -> Iterator[api.Event | Said]:
    """Write token by token; the last is what was :class:`Said`.

    Raises
    ------
    UnanswerableError
        Where nothing was written.
    """
    request = run.request
    sampling = Sampling(request.temperature, request.top_p, request.seed)
    ids: list[int] = []
    written = ""
    began = time.monotonic()
    run.check()
    for token, logprob in tokens(model.vlm, cache, prompt, sampling, request.max_tokens):
        run.check()
        ids.append(token)
        text = model.tokenizer.decode(ids)
        # A letter may be spread over several tokens; it is told when it is whole.
        if not text.endswith("\ufffd"):
            pace = len(ids) / max(time.monotonic() - began, 1e-6)
            yield api.Token(text[len(written) :], logprob, pace)
            written = text
        if is_looping(ids):
            run.notes.append("stopped: the model repeated itself")
            break
    else:
        if len(ids) >= request.max_tokens:
            run.notes.append(f"stopped at the limit of {request.max_tokens} tokens")
    run.tokens = len(ids)
    if not written.strip():
        raise UnanswerableError("The model wrote nothing for this scan.")
    yield Said(written.strip())


def choose(
    model: LoadedModel, run: Run, cache: KeyValues, prompt: Tensor
) -> Iterator[api.Event | Said]:
    """Compare the likelihood of every choice, written as in training.

    No likelihood is divided by its length: the letter that comes first decides, and
    each answer stands word for word in the prompt. Where the request asks for it, the
    answer is also written, and read by the published letter rule.
    """
    choices = run.request.choices
    last = advance(model.vlm, cache, prompt)[0, -1]
    scores = []
    for place in range(len(choices)):
        run.check()
        answer = model.config.vlm.prompt.before_answer + choice_answer(choices, place)
        ids = model.tokenizer.encode(answer, add_special_tokens=False).ids
        scores.append(log_likelihood(model.vlm, cache.forked(), last, ids))
        run.tokens += len(ids)
    shares = torch.softmax(torch.tensor(scores), dim=0).tolist()
    written = _written_choice(model, run, cache, last) if run.request.letter_rule else ""
    yield api.Choices(
        tuple(zip(choices, shares, strict=True)), written, lettered(written, len(choices))
    )
    yield Said(choices[int(np.argmax(scores))])


def _written_choice(model: LoadedModel, run: Run, cache: KeyValues, last: Tensor) -> str:
    """Write the answer greedily, as the published evaluation does."""
    ids: list[int] = []
    first = int(last.argmax())
    if first == model.config.vlm.prompt.eos_token:
        return ""
    rest = tokens(
        model.vlm, cache, model.vlm.embed_ids([first]), Sampling(), _LETTER_TOKENS
    )
    ids = [first]
    for token, _ in rest:
        run.check()
        ids.append(token)
        if is_looping(ids):
            break
    return str(model.tokenizer.decode(ids)).strip()
