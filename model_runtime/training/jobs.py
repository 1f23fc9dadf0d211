"""What the commands of ``python -m model_runtime.training`` do."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model_runtime.config import EncoderConfig, InputConfig, ModelConfig, demo_config
from model_runtime.dcformer import DCFormer
from model_runtime.training.adapted import PROJECTOR_ALONE, AdaptedStage
from model_runtime.training.alignment import AlignmentStage
from model_runtime.training.checkpointing import begin_from
from model_runtime.training.contrastive import ContrastiveStage
from model_runtime.training.export import export, trained_siglip
from model_runtime.training.features import Features, compute_features
from model_runtime.training.instruct import InstructStage
from model_runtime.training.loop import train
from model_runtime.training.lora import LoraSettings, merge, save_adapter
from model_runtime.training.m3d_data import M3dStore
from model_runtime.training.m3d_stage import M3dContrastiveStage, corpus
from model_runtime.training.places import PlaceStore, mark_shards
from model_runtime.training.processes import rank
from model_runtime.training.recipe_files import StageRecipe, TrainingRecipe, read_recipe
from model_runtime.training.tokenizer import learnt, train_tokenizer
from model_runtime.training.volumes import VolumeStore, render_shards
from model_runtime.weights import load_folder

_LOG = logging.getLogger(__name__)
_PLAIN = StageRecipe(steps=2000)
"""Where no recipe is named."""
_M3D_WORDS = 4096
"""Vocabulary of real reports, which have more words than the phantom's."""


def render(given: argparse.Namespace) -> None:
    """Render training volumes, on the model's grid or another in a folder of its own."""
    settings, folder = demo_config(1).input, given.data
    if given.shape:
        settings = replace(settings, shape=tuple(given.shape))
        folder /= "x".join(map(str, given.shape))
    render_shards(folder, given.first, given.count, settings, given.processes)
    if given.places:
        mark_shards(folder, given.first, given.count, settings, given.processes)


def tokenizer(given: argparse.Namespace) -> None:
    """Learn the vocabulary."""
    given.run.mkdir(parents=True, exist_ok=True)
    if given.m3d is None:
        words = train_tokenizer(range(given.count))
    else:
        words = learnt(corpus(_m3d(given, demo_config(1).input)), _M3D_WORDS)
    words.save(str(given.run / "tokenizer.json"))


def contrastive(given: argparse.Namespace) -> None:
    """Train stage one, its phases in turn; each goes on from the weights of the one before."""
    recipe, stage = _recipe(given, "contrastive")
    phases = [_changed(given, phase) for phase in recipe.phases] or [stage]
    start: Path | None = given.start
    for number, phase in enumerate(phases, 1):
        name = "contrastive" if number == len(phases) else f"contrastive-{number}"
        _contrast(given, recipe, phase, given.run / name, start)
        start = given.run / name / "checkpoint.pt"


def _contrast(
    given: argparse.Namespace,
    recipe: TrainingRecipe,
    stage: StageRecipe,
    folder: Path,
    start: Path | None,
) -> None:
    torch.manual_seed(stage.seed)
    trainee = _paired(given, recipe, stage) if given.m3d else _rendered(given, recipe, stage)
    if start is not None:
        anew = begin_from(trainee.module, start, needed="siglip.")
        _LOG.info("began from %s; anew: %s", start, ", ".join(anew) or "nothing")
    trainee.module.to(given.device)
    if given.device != "cpu" and isinstance(trainee, ContrastiveStage):
        trainee.keep_on(given.device)
    train(trainee, stage.for_cases(trainee.cases), folder)


def _paired(
    given: argparse.Namespace, recipe: TrainingRecipe, stage: StageRecipe
) -> M3dContrastiveStage:
    words, config = _words(given.run)
    if recipe.objective.pointing:
        raise ValueError("where findings lie is known of rendered cases only; set pointing to 0")
    store = _m3d(given, replace(config.input, shape=stage.shape or config.input.shape))
    changes = recipe.augmentation.build()
    return M3dContrastiveStage(
        config.siglip, words, store, augmentation=changes, objective=recipe.objective
    )


def _rendered(
    given: argparse.Namespace, recipe: TrainingRecipe, stage: StageRecipe
) -> ContrastiveStage:
    words, config = _words(given.run)
    folder, store = _folder(given, stage.shape), _store(given, stage.shape)
    places = PlaceStore.open(folder, store.seeds) if recipe.objective.pointing else None
    tokens = _tokens(config.siglip.encoder, store.shards[0].shape[1:])
    changes, aim = recipe.augmentation.build(), recipe.objective
    return ContrastiveStage(
        config.siglip, tokens, words, store, augmentation=changes, objective=aim, places=places
    )


def _tokens(encoder: EncoderConfig, shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the tokens of the encoder's last two hidden states for volumes of a shape."""
    with torch.device("meta"), torch.no_grad():
        states = DCFormer(encoder).eval()(torch.zeros(1, 1, *shape))
    return states[-2].shape[1], states[-1].shape[1]


def features(given: argparse.Namespace) -> None:
    """Encode the volumes with stage one's encoder."""
    _refuse_m3d(given)
    siglip = trained_siglip(given.run).to(given.device)
    computed = compute_features(siglip.vision_encoder, _store(given), given.views)
    computed.save(given.out or given.run / "features.npz")


def align(given: argparse.Namespace) -> None:
    """Train the common space of stage one on, in larger batches, on features."""
    recipe, stage = _recipe(given, "align")
    words, _ = _words(given.run)
    torch.manual_seed(stage.seed)
    states = Features.load(given.run / "features.npz")
    trainee = AlignmentStage(trained_siglip(given.run), words, states, recipe.objective)
    if given.start is not None:
        begin_from(trainee.module, given.start, needed="siglip.")
        # The text tower and the projections go on; the encoder is this run's.
        encoder = trained_siglip(given.run).vision_encoder
        trainee.module.siglip.vision_encoder.load_state_dict(encoder.state_dict())
    trainee.module.to(given.device)
    train(trainee, stage.for_cases(len(states.seeds)), given.run / "align")


def projector(given: argparse.Namespace) -> None:
    """Train stage two: the projector of a finished model, all else frozen."""
    _adapt(given, "projector", PROJECTOR_ALONE, fresh=given.fresh)


def instruct(given: argparse.Namespace) -> None:
    """Train stages two and three from nothing, or adapters on a finished model."""
    if given.base is not None:
        recipe, _ = _recipe(given, "adapters")
        _adapt(given, "adapters", recipe.lora, fresh=False)
        return
    _refuse_m3d(given)
    _, stage = _recipe(given, "instruct")
    words, config = _words(given.run)
    torch.manual_seed(stage.seed)
    states = Features.load(given.run / "features.npz")
    trainee = InstructStage(config.vlm, words, states)
    if given.start is not None:
        begin_from(trainee.module, given.start, needed="vlm.")
    encoder = trained_siglip(given.run).vision_encoder
    trainee.module.vlm.encoder.load_state_dict(encoder.state_dict())
    trainee.module.to(given.device)
    train(trainee, stage.for_cases(len(states.seeds)), given.run / "instruct")


def merge_adapter(given: argparse.Namespace) -> None:
    """Write a plain model folder from a base and what was trained on it."""
    merge(given.base, given.adapter, given.out, half=given.half)
    _LOG.info("wrote %s", given.out)


def write_folder(given: argparse.Namespace) -> None:
    """Write the model folder of a run that began from nothing."""
    export(given.run, given.out, given.card.read_text(encoding="utf-8"), given.base)


def _adapt(given: argparse.Namespace, name: str, settings: LoraSettings, *, fresh: bool) -> None:
    recipe, stage = _recipe(given, name)
    base = load_folder(given.base)
    store = _store(given) if given.m3d is None else _m3d(given, base.config.input)
    torch.manual_seed(stage.seed)
    trainee = AdaptedStage(
        base,
        settings,
        store,
        reports_only=name == "projector",
        fresh_projector=fresh,
        augmentation=recipe.augmentation.build(),
    )
    trainee.module.to(given.device)
    folder = given.run / name
    train(trainee, stage.for_cases(len(store)), folder)
    if rank():
        return
    save_adapter(folder / "adapter", base.vlm, settings, base.config.name, base.sha256)
    _LOG.info("wrote %s; merge it with the merge command", folder / "adapter")


def _recipe(given: argparse.Namespace, name: str) -> tuple[TrainingRecipe, StageRecipe]:
    """Read the recipe, or take the plain one, and let the flags override it."""
    if given.recipe is None:
        recipe, stage = TrainingRecipe("plain"), _PLAIN
    else:
        recipe = read_recipe(given.recipe)
        stage = recipe.stage(name)
    return recipe, _changed(given, stage)


def _changed(given: argparse.Namespace, stage: StageRecipe) -> StageRecipe:
    return stage.changed(
        steps=given.steps,
        batch=given.batch,
        learning_rate=given.rate,
        seed=given.seed,
        bf16=given.bf16,
        recompute=given.recompute,
        workers=given.workers,
    )


def _store(given: argparse.Namespace, shape: tuple[int, int, int] | None = None) -> VolumeStore:
    """Open the rendered cases, of a phase in a grid of its own."""
    folder = _folder(given, shape)
    store = VolumeStore.open(folder, skip_damaged=given.skip_damaged)
    grid = store.shards[0].shape[1:]
    if shape is not None and grid != shape:
        raise ValueError(f"the volumes in {folder} are {grid}, the phase wants {shape}")
    return store


def _folder(given: argparse.Namespace, shape: tuple[int, int, int] | None) -> Path:
    """Name where the cases of a phase are: in a folder of its shape, or where all are."""
    folder: Path = given.data
    own = folder / "x".join(map(str, shape or ()))
    return own if own.is_dir() else folder


def _m3d(given: argparse.Namespace, settings: InputConfig) -> M3dStore:
    return M3dStore.open(given.m3d, settings, skip_damaged=given.skip_damaged, processes=2)


def _refuse_m3d(given: argparse.Namespace) -> None:
    if given.m3d is not None:
        raise ValueError(
            "Features, and a language model from nothing, are of rendered cases only. With --m3d, "
            "train the projector and then instruct on a finished model named by --base."
        )


def _words(run: Path) -> tuple[Tokenizer, ModelConfig]:
    path = run / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run the tokenizer command first")
    words = Tokenizer.from_file(str(path))
    return words, demo_config(words.get_vocab_size())
