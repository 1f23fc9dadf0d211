"""The words around a request, as the model was trained on them."""

from __future__ import annotations

from collections.abc import Sequence

SPECIAL_TOKENS = ("<pad>", "<eos>", "<im_patch>", "<cls>", "<unk>")
"""Special tokens of the demonstration tokenizer; their ids are their places here."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def question_prompt(question: str, choices: Sequence[str] = ()) -> str:
    """Write a question as trained: ``QUESTION Choices: A. … B. …`` where it is closed."""
    if not choices:
        return question.strip()
    listed = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    return f"{question.strip()} Choices: {' '.join(listed)}"


def choice_answer(choices: Sequence[str], place: int) -> str:
    """Write the answer to a closed question as trained: ``C. answer``."""
    return f"{LETTERS[place]}. {choices[place]}"


def lettered(written: str, count: int) -> tuple[int, ...]:
    """Find the choices whose letter occurs with a full stop: the published evaluation's rule.

    It counts an answer as right where the right letter is among them, so a text that names
    every letter is always right.
    """
    return tuple(place for place in range(count) if f"{LETTERS[place]}." in written)
