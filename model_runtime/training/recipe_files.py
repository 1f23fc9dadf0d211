"""Recipes on disk: one YAML file for all stages, read into frozen values.

``published`` and ``demo`` come with the program; any other is named by its path.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from model_runtime.training.augment import Augmentation, augment
from model_runtime.training.contrastive import Objective
from model_runtime.training.loop import Recipe
from model_runtime.training.lora import LoraSettings
from model_runtime.training.m3d_augment import M3dAugmentation

_FOLDER = Path(__file__).parent / "recipes"
_WANTED = {
    "tuple": "three whole numbers",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "str": "a word",
}
_Value = TypeVar("_Value")


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file, the key and what is wrong."""


@dataclass(frozen=True)
class StageRecipe:
    """One stage: as :class:`Recipe`, but its length may be given in passes over the data.

    Attributes
    ----------
    steps, epochs : int, float, optional
        How long; one of the two.
    warmup, warmup_share : int, float, optional
        Steps of warm-up, or their share of all steps; 50 steps where neither is given.
    accumulate, fsdp, prefetch, workers
        As in :class:`Recipe`.
    shape : tuple of int, optional
        Grid (z, y, x) of the volumes, where it is not the model's: a phase of stage one.
    """

    steps: int | None = None
    epochs: float | None = None
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int | None = None
    warmup_share: float | None = None
    floor: float = 0.02
    seed: int = 0
    checkpoint_every: int = 100
    clip: float = 1.0
    bf16: bool = False
    recompute: bool = False
    accumulate: int = 1
    fsdp: bool = False
    prefetch: int = 1
    workers: int = 0
    shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        """Check what the loop could not work with."""
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("exactly one of steps and epochs has to be given")
        if self.warmup is not None and self.warmup_share is not None:
            raise ValueError("warmup and warmup_share cannot both be given")
        for name in ("batch", "checkpoint_every", "learning_rate", "clip", "accumulate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} has to be above 0, not {getattr(self, name)}")

    def changed(self, **given: Any) -> StageRecipe:  # noqa: ANN401
        """Override what is given and not None; steps take the place of epochs."""
        known = {name: value for name, value in given.items() if value is not None}
        if "steps" in known:
            known["epochs"] = None
        return replace(self, **known)

    def for_cases(self, cases: int) -> Recipe:
        """Count the steps for so many training cases."""
        steps = self.steps
        if steps is None:
            assert self.epochs is not None
            steps = max(1, math.ceil(self.epochs * cases / (self.batch * self.accumulate)))
        warmup = 50 if self.warmup is None else self.warmup
        if self.warmup_share is not None:
            warmup = max(1, math.ceil(self.warmup_share * steps))
        return Recipe(
            steps=steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=warmup,
            floor=self.floor,
            seed=self.seed,
            checkpoint_every=self.checkpoint_every,
            clip=self.clip,
            bf16=self.bf16,
            recompute=self.recompute,
            accumulate=self.accumulate,
            fsdp=self.fsdp,
            prefetch=self.prefetch,
            workers=self.workers,
        )


@dataclass(frozen=True)
class AugmentationRecipe:
    """``jitter`` (crop, grey scale, noise; sides stay) or ``m3d`` (as published)."""

    kind: str = "jitter"
    keep_sides: bool = False

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in {"jitter", "m3d"}:
            raise ValueError(f"kind has to be jitter or m3d, not {self.kind!r}")

    def build(self) -> Augmentation:
        """Return the function that changes a batch."""
        return augment if self.kind == "jitter" else M3dAugmentation(keep_sides=self.keep_sides)


@dataclass(frozen=True)
class TrainingRecipe:
    """All stages of one model; ``adapters`` is the last one on a finished decoder.

    ``phases`` are those of the contrastive stage, where it begins on smaller volumes; each goes
    on from the weights of the one before, and ``contrastive`` is the last.
    """

    name: str
    contrastive: StageRecipe | None = None
    phases: tuple[StageRecipe, ...] = ()
    align: StageRecipe | None = None
    projector: StageRecipe | None = None
    instruct: StageRecipe | None = None
    adapters: StageRecipe | None = None
    lora: LoraSettings = field(default_factory=LoraSettings)
    augmentation: AugmentationRecipe = field(default_factory=AugmentationRecipe)
    objective: Objective = field(default_factory=Objective)

    def stage(self, name: str) -> StageRecipe:
        """Return one stage.

        Raises
        ------
        RecipeError
            Where the recipe does without it.
        """
        stage = getattr(self, name)
        if isinstance(stage, StageRecipe):
            return stage
        there = [one for one in _STAGES if getattr(self, one) is not None]
        raise RecipeError(f"The recipe {self.name} has no stage {name}, only {', '.join(there)}.")


_STAGES = ("contrastive", "align", "projector", "instruct", "adapters")


def read_recipe(name: str) -> TrainingRecipe:
    """Read a recipe that comes with the program, or a file.

    Raises
    ------
    RecipeError
        Where there is none, or a key is unknown, missing or of the wrong kind.
    """
    import yaml

    path = _FOLDER / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in _FOLDER.glob("*.yaml")))
        raise RecipeError(f"There is no recipe {name}. Name a file, or one of: {known}.")
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is no YAML: {error}") from error
    table = _with_phases(_mapping(table, str(path)), str(path))
    parts: dict[str, type] = dict.fromkeys(_STAGES, StageRecipe)
    parts |= {"lora": LoraSettings, "augmentation": AugmentationRecipe, "objective": Objective}
    for key, kind in parts.items():
        if key in table:
            table[key] = _value(kind, _mapping(table[key], f"{path}: {key}"), f"{path}: {key}")
    return _value(TrainingRecipe, table, str(path), ready=frozenset({*parts, "phases"}))


def _with_phases(table: dict[str, Any], where: str) -> dict[str, Any]:
    """Read the phases of the contrastive stage; what the stage says holds for each of them."""
    if "phases" in table:
        raise RecipeError(f"{where}: unknown key phases; it belongs under contrastive.")
    stage = table.get("contrastive")
    if not isinstance(stage, Mapping) or "phases" not in stage:
        return table
    where = f"{where}: contrastive: phases"
    given, shared = stage["phases"], {k: v for k, v in stage.items() if k != "phases"}
    if not isinstance(given, list) or not given:
        raise RecipeError(f"{where} is {given!r}, not a list of phases.")
    whole = [shared | _mapping(one, where) for one in given]
    read = [_value(StageRecipe, one, f"{where} {n}") for n, one in enumerate(whole, 1)]
    return table | {"contrastive": whole[-1], "phases": tuple(read)}


def _mapping(table: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where} is {table!r} where keys and values are expected.")
    return {str(key): value for key, value in table.items()}


def _value(
    kind: type[_Value], table: dict[str, Any], where: str, ready: frozenset[str] = frozenset()
) -> _Value:
    """Build a dataclass from a table; ``ready`` keys hold their values already."""
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(table.keys() - known.keys())
    if unknown:
        raise RecipeError(
            f"{where}: unknown key {', '.join(unknown)}; known are {', '.join(known)}."
        )
    needed = [
        name
        for name, one in known.items()
        if one.default is MISSING and one.default_factory is MISSING and name not in table
    ]
    if needed:
        raise RecipeError(f"{where}: {', '.join(needed)} is missing.")
    hints = get_type_hints(kind)
    values = {
        name: value if name in ready else _checked(value, str(hints[name]), f"{where}: {name}")
        for name, value in table.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise RecipeError(f"{where}: {error}.") from error


def _checked(value: Any, hint: str, where: str) -> Any:  # noqa: ANN401
    """Take a number, a word or a switch as the field wants it, nothing else."""
    if value is None and "None" in hint:
        return None
    if "tuple" in hint:
        return _shape(value, where)
    if "bool" in hint and isinstance(value, bool):
        return value
    if "str" in hint and isinstance(value, str):
        return value
    if "float" in hint and isinstance(value, int | float | str) and not isinstance(value, bool):
        return _number(value, where)
    if "int" in hint and isinstance(value, int) and not isinstance(value, bool):
        return value
    what = next(words for word, words in _WANTED.items() if word in hint)
    raise RecipeError(f"{where} is {value!r}, not {what}.")


def _shape(value: Any, where: str) -> tuple[int, ...]:  # noqa: ANN401
    sound = isinstance(value, list) and [type(one) for one in value] == [int] * 3
    if not sound or min(value) < 1:
        raise RecipeError(f"{where} is {value!r}, not {_WANTED['tuple']} above 0.")
    return tuple(value)


def _number(value: float | str, where: str) -> float:
    # YAML reads 1e-4, without a point, as a word.
    try:
        number = float(value)
    except ValueError as error:
        raise RecipeError(f"{where} is {value!r}, not a number.") from error
    if not math.isfinite(number):
        raise RecipeError(f"{where} is {value!r}, not a number.")
    return number
