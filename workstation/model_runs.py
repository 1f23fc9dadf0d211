"""What the model was asked and wrote, as the archive keeps it: to the end, cancelled or failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Literal

from model_runtime import api

Outcome = Literal["done", "cancelled", "failed"]


class Kind(Enum):
    """What a request is for."""

    DRAFT = "draft"
    QUESTION = "question"
    SIMILAR = "similar"
    SEARCH = "search"


@dataclass
class Ask:
    """One request under way; ``study_key`` is the study it is about, ``text`` what came so far."""

    kind: Kind
    words: str = ""
    run_id: str = ""
    study_key: str = ""
    request: api.Request | None = None
    unshown: list[api.Token] = field(default_factory=list)
    text: str = ""
    tokens: int = 0
    began: float = field(default_factory=time.monotonic)

    def take(self) -> list[api.Token]:
        """Give the tokens that are not shown yet; from now on they count as written."""
        taken, self.unshown = self.unshown, []
        self.text += "".join(token.text for token in taken)
        self.tokens += len(taken)
        return taken

    def begin_anew(self) -> None:
        """Forget what was written: all of it comes once more."""
        self.unshown, self.text, self.tokens = [], "", 0


@dataclass(frozen=True)
class Run:
    """A run of the model on a study, and all that is known of it."""

    study_key: str
    run_id: str
    facts: Mapping[str, Any]


def finished(ask: Ask, done: api.Done) -> Run:
    """Tell of a run that went through."""
    return _run(ask, "done", done.text, done.provenance)


def broken_off(ask: Ask, outcome: Outcome, info: api.ModelInfo | None, reason: str = "") -> Run:
    """Tell of a run that was cancelled or failed: what was written until then, by which model.

    The receipt lacks what only the model could say: its grid, and what it saw of the scan.
    """
    request = ask.request
    told = api.Provenance(
        model=info.name if info is not None else "",
        weights_sha256=info.weights_sha256 if info is not None else "",
        demonstration=info is not None and info.demonstration,
        task=request.task if request is not None else api.Task.REPORT,
        prompt=ask.words,
        series=request.volume.description if request is not None and request.volume else "",
        window=request.window if request is not None else None,
        seed=request.seed if request is not None else 0,
        temperature=request.temperature if request is not None else 0.0,
        tokens=ask.tokens,
        seconds=round(time.monotonic() - ask.began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=(reason,) if reason else (),
    )
    return _run(ask, outcome, ask.text, told)


def _run(ask: Ask, outcome: Outcome, text: str, provenance: api.Provenance) -> Run:
    told = {"kind": ask.kind.value, "question": ask.words, "outcome": outcome, "text": text}
    return Run(ask.study_key, ask.run_id, told | asdict(provenance))
