"""What the workstation and the model say to each other.

Only the standard library and numpy are imported here, so the window can know the
model's language without loading torch. All coordinates are DICOM LPS in mm; all
volumes are Hounsfield units, axes (z, y, x).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event as Cancelled
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Task(StrEnum):
    """What is asked of the model."""

    REPORT = "report"
    QUESTION = "question"
    EMBED_VOLUME = "embed volume"
    EMBED_TEXT = "embed text"
    EVIDENCE = "evidence"


class Stage(StrEnum):
    """Where a running request stands."""

    LOAD = "loading model"
    PREPROCESS = "preparing volume"
    ENCODE = "encoding volume"
    WRITE = "writing"
    EXPLAIN = "looking for evidence"


class Region(StrEnum):
    """Body region; it chooses the default model window."""

    CHEST = "chest"
    ABDOMEN = "abdomen"
    HEAD = "head"


@dataclass(frozen=True)
class HuWindow:
    """A linear grey scale from ``low`` (black) to ``high`` (white), in HU."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class VolumeInput:
    """A volume as the reader has it.

    Attributes
    ----------
    key : str
        Identifies the pixels; the engine encodes each key once.
    voxels : ndarray of int16, shape (z, y, x)
        Hounsfield units.
    index_to_lps : ndarray of float64, shape (4, 4)
        Maps the column ``(x, y, z, 1)`` of voxel indices to LPS mm.
    modality, body_part, description : str
        DICOM Modality, BodyPartExamined and SeriesDescription; ``""`` if unknown.
    """

    key: str
    voxels: NDArray[np.int16]
    index_to_lps: NDArray[np.float64]
    modality: str
    body_part: str = ""
    description: str = ""


@dataclass(frozen=True, eq=False)
class Request:
    """One piece of work for the model.

    ``ticket`` comes back with the result, so that a late one is recognised.
    ``text`` is the question (QUESTION) or the query (EMBED_TEXT). With ``choices``
    the question is closed and the probability of each choice is computed.
    ``window`` None means: choose by body region. ``temperature`` 0 is greedy; above, a token
    is drawn from the likeliest that hold ``top_p``. With ``letter_rule`` the answer to a closed
    question is written too, and read as the published evaluation does.

    EVIDENCE asks where ``target``, a sentence or an answer, comes from: ``text`` and
    ``choices`` are the question that it answers, ``""`` for a report, and ``context`` is
    what stands before it in the draft.
    """

    ticket: int
    task: Task
    volume: VolumeInput | None = None
    text: str = ""
    choices: tuple[str, ...] = ()
    window: HuWindow | None = None
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 0.9
    max_tokens: int = 384
    letter_rule: bool = False
    context: str = ""
    target: str = ""


@dataclass(frozen=True)
class Provenance:
    """What made a result: the receipt that goes into the report and the log.

    ``grid`` and ``decimation`` are in (z, y, x) order; ``decimation`` says how many
    acquired voxels became one model voxel. ``slices`` are the first and last slice
    index (0-based, in acquisition order) inside the body crop.
    """

    model: str
    weights_sha256: str
    demonstration: bool
    task: Task
    prompt: str = ""
    series: str = ""
    region: str = ""
    window: HuWindow | None = None
    grid: tuple[int, int, int] | None = None
    decimation: tuple[float, float, float] | None = None
    slices: tuple[int, int] | None = None
    slice_count: int = 0
    seed: int = 0
    temperature: float = 0.0
    tokens: int = 0
    seconds: float = 0.0
    created: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """``fraction`` in [0, 1] of ``stage``; None where it cannot be known."""

    stage: Stage
    fraction: float | None = None


@dataclass(frozen=True)
class Token:
    """A piece of text as it is written, with its natural-log probability."""

    text: str
    logprob: float
    tokens_per_second: float


@dataclass(frozen=True)
class Choices:
    """Probability of each choice of a closed question, in the order asked.

    ``written`` and ``letters`` are there where the letter rule was asked for: the answer as
    the model writes it, and the places of the choices whose letter occurs in it with a full
    stop, which the published evaluation counts as chosen. There may be none or several.
    """

    probabilities: tuple[tuple[str, float], ...]
    written: str = ""
    letters: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class HeatMap:
    """How much each cell of one encoder stage speaks for a sentence.

    Attributes
    ----------
    values : ndarray of float32, shape (z, y, x)
        In [0, 1], the largest is 1 unless all are 0; z to the head, y to the back, x to the
        patient's left.
    index_to_lps : ndarray of float64, shape (4, 4)
        Maps the column ``(x, y, z, 1)`` of cell indices (cell centres) to LPS mm.
    """

    values: NDArray[np.float32]
    index_to_lps: NDArray[np.float64]

    @property
    def cell_mm(self) -> tuple[float, float, float]:
        """Size of a cell along (z, y, x), in mm: nothing finer is known."""
        x, y, z = np.linalg.norm(self.index_to_lps[:3, :3], axis=0)
        return float(z), float(y), float(x)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Where in the scan a sentence comes from, and whether it comes from there at all.

    Attributes
    ----------
    maps : tuple of HeatMap
        The finest stage first.
    localised : bool
        Whether the finest map stands out in one place; where not, it must not be shown as
        if it did.
    grounding : float
        Log-likelihood of the sentence with the image less that without, in nats per token.
    grounded : bool
        Whether the image made the sentence clearly likelier; where not, it is said from habit.
    note : str
        The outcome as a sentence for the reader.
    """

    maps: tuple[HeatMap, ...]
    localised: bool
    grounding: float
    grounded: bool
    note: str


@dataclass(frozen=True, eq=False)
class Done:
    """The request is complete. ``embedding`` is unit length, float32."""

    provenance: Provenance
    text: str = ""
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Notice:
    """Something the reader should know while the request goes on, such as a fallback.

    ``restarts`` true: what was streamed for this request so far is void; all of it comes
    once more from the beginning.
    """

    text: str
    restarts: bool = False


@dataclass(frozen=True)
class Stopped:
    """The request was cancelled; what was written so far stands in the stream."""


@dataclass(frozen=True)
class Failed:
    """The request cannot be answered.

    ``message`` is a sentence for the reader: what is wrong and what to do.
    ``details`` is for the fold under it. ``out_of_memory``: a smaller placement may do.
    """

    message: str
    details: str = ""
    out_of_memory: bool = False


Event = Progress | Token | Choices | Evidence | Notice | Done | Stopped | Failed


@dataclass(frozen=True)
class ModelInfo:
    """The loaded model as the window names it."""

    name: str
    demonstration: bool
    notice: str
    weights_sha256: str = ""
    card: str = ""
    windows: dict[Region, HuWindow] = field(default_factory=dict)


class Engine(Protocol):
    """A model that answers requests, one at a time, in its caller's thread."""

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""

    def stream(self, request: Request, cancelled: Cancelled) -> Iterator[Event]:
        """Yield events; the last is Done, Stopped or Failed, and nothing is raised.

        ``cancelled`` is looked at before each encoder stage and each token.
        """

    def close(self) -> None:
        """Free the weights and the caches."""
