"""Where workstation and model meet: volumes in the model's terms, and its engine.

Nothing here imports torch before :func:`load_engine` is called, which happens in the
thread that runs the model; with the process host nothing does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event as Cancelled

import numpy as np
from numpy.typing import NDArray

from model_runtime import api
from model_runtime.errors import WeightsError
from model_runtime.hosting import Hosting, open_engine
from workstation.core.errors import CancelledError, ModelError
from workstation.core.volume import Volume
from workstation.model_choice import choice_notices, chosen_model
from workstation.settings import Settings


def volume_input(volume: Volume) -> api.VolumeInput:
    """Describe a loaded volume for the model; the voxels are shared, not copied.

    Raises
    ------
    ModelError
        Where slices are missing: the model would take the gap for anatomy; where a CT series
        holds no Hounsfield units.
    """
    if not volume.complete:
        missing = int((~volume.available).sum())
        raise ModelError(
            f"{missing} of {len(volume.available)} slices could not be read, so the model is "
            "not run on this series. Load a complete copy of it."
        )
    series = volume.series
    if series.modality == "CT" and not volume.unit:
        raise ModelError(
            "The values of this series are not Hounsfield units (it was stored as colours or as "
            "fractions), so the model is not run. It can be viewed."
        )
    return api.VolumeInput(
        key=volume.key,
        voxels=volume.voxels,
        index_to_lps=volume.geometry.index_to_lps,
        modality=series.modality,
        body_part=series.body_part,
        description=series.description,
    )


def load_engine(settings: Settings) -> api.Engine:
    """Load the model of the settings; hosted in this thread, it imports torch.

    Raises
    ------
    ModelError
        With a sentence for the reader, where the folder holds no usable model.
    """
    precision = settings.model_precision
    hosting = Hosting(
        settings.model_host,
        settings.model_device,
        None if precision == "auto" else precision,
        60 * settings.idle_unload_minutes,
    )
    model, contrastive = chosen_model(settings)
    try:
        return open_engine(model, hosting, contrastive, choice_notices(settings))
    except WeightsError as error:
        raise ModelError(str(error)) from error


class Continued:
    """Text that only grows, from a stream that may begin anew.

    What comes a second time is passed over for as long as it is what came before.
    """

    def __init__(self) -> None:
        self._shown = self._heard = ""

    def grown(self, event: api.Event) -> str:
        """Text to be shown after what has been shown."""
        if isinstance(event, api.Notice) and event.restarts:
            self._heard = ""
        if not isinstance(event, api.Token):
            return ""
        self._heard += event.text
        if self._shown.startswith(self._heard):
            return ""
        goes_on = self._heard.startswith(self._shown)
        new = self._heard[len(self._shown) :] if goes_on else f"\n\n{self._heard}"
        self._shown = self._heard
        return new


@dataclass
class Answer:
    """What a request brought, put together from its events."""

    text: str = ""
    logprobs: list[float] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    choices: tuple[tuple[str, float], ...] = ()
    embedding: NDArray[np.float32] | None = None
    provenance: api.Provenance | None = None


def run_request(
    engine: api.Engine,
    request: api.Request,
    cancelled: Cancelled,
    on_event: Callable[[api.Event], None] | None = None,
) -> Answer:
    """Run a request to its end in this thread.

    Raises
    ------
    ModelError
        Where the model cannot answer, with its sentence.
    CancelledError
        Where ``cancelled`` was set.
    """
    answer = Answer()
    for event in _told(engine.stream(request, cancelled), on_event):
        match event:
            case api.Token(text=text, logprob=logprob):
                answer.pieces.append(text)
                answer.logprobs.append(logprob)
            case api.Choices(probabilities=probabilities):
                answer.choices = probabilities
            case api.Notice(restarts=True):
                answer = Answer()
            case api.Done(provenance=provenance, text=text, embedding=embedding):
                answer.text, answer.provenance, answer.embedding = text, provenance, embedding
            case api.Failed(message=message, details=details):
                raise ModelError(message, details)
            case api.Stopped():
                raise CancelledError("Cancelled.")
    return answer


def _told(
    events: Iterator[api.Event], on_event: Callable[[api.Event], None] | None
) -> Iterator[api.Event]:
    for event in events:
        if on_event is not None:
            on_event(event)
        yield event
