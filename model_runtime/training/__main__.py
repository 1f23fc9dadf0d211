"""``python -m model_runtime.training``: render, tokenizer, contrastive, instruct, export."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from tokenizers import Tokenizer

from model_runtime.config import ModelConfig, demo_config
from model_runtime.training.contrastive import ContrastiveStage
from model_runtime.training.export import export, trained_siglip
from model_runtime.training.features import Features, compute_features
from model_runtime.training.instruct import InstructStage
from model_runtime.training.loop import Recipe, train
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.training.volumes import VolumeStore, render_shards


def _config(tokenizer: Tokenizer) -> ModelConfig:
    return demo_config(tokenizer.get_vocab_size())


def _render(given: argparse.Namespace) -> None:
    render_shards(given.data, given.first, given.count, demo_config(1).input, given.processes)


def _tokenizer(given: argparse.Namespace) -> None:
    given.run.mkdir(parents=True, exist_ok=True)
    train_tokenizer(range(given.count)).save(str(given.run / "tokenizer.json"))


def _recipe(given: argparse.Namespace) -> Recipe:
    return Recipe(
        steps=given.steps,
        batch=given.batch,
        learning_rate=given.rate,
        seed=given.seed,
        bf16=given.bf16,
    )


def _contrastive(given: argparse.Namespace) -> None:
    tokenizer = Tokenizer.from_file(str(given.run / "tokenizer.json"))
    config = _config(tokenizer)
    torch.manual_seed(given.seed)
    projector = config.vlm.projector
    stage = ContrastiveStage(
        config.siglip,
        (projector.low_input[0], projector.high_input[0]),
        tokenizer,
        VolumeStore.open(given.data),
    )
    train(stage, _recipe(given), given.run / "contrastive")


def _features(given: argparse.Namespace) -> None:
    siglip = trained_siglip(given.run)
    store = VolumeStore.open(given.data)
    compute_features(siglip.vision_encoder, store, given.views).save(given.run / "features.npz")


def _instruct(given: argparse.Namespace) -> None:
    tokenizer = Tokenizer.from_file(str(given.run / "tokenizer.json"))
    torch.manual_seed(given.seed)
    features = Features.load(given.run / "features.npz")
    stage = InstructStage(_config(tokenizer).vlm, tokenizer, features)
    stage.module.vlm.encoder.load_state_dict(trained_siglip(given.run).vision_encoder.state_dict())
    train(stage, _recipe(given), given.run / "instruct")


def _export(given: argparse.Namespace) -> None:
    export(given.run, given.out, given.card.read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_runtime.training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--data", type=Path, default=Path("training-data/train"))
    jobs = parser.add_subparsers(required=True)
    render = jobs.add_parser("render", help="render training volumes")
    render.add_argument("--first", type=int, default=0)
    render.add_argument("--count", type=int, default=4000)
    render.add_argument("--processes", type=int, default=2)
    render.set_defaults(job=_render)
    words = jobs.add_parser("tokenizer", help="learn the vocabulary of the reports")
    words.add_argument("--count", type=int, default=4000)
    words.set_defaults(job=_tokenizer)
    contrastive = jobs.add_parser("contrastive", help="stage one: SigLIP")
    contrastive.set_defaults(job=_contrastive)
    features = jobs.add_parser("features", help="encode the volumes for the next stages")
    features.add_argument("--views", type=int, default=3)
    features.set_defaults(job=_features)
    instruct = jobs.add_parser("instruct", help="stages two and three: projector and language")
    instruct.set_defaults(job=_instruct)
    out = jobs.add_parser("export", help="write the model folder")
    out.add_argument("out", type=Path)
    out.add_argument("--card", type=Path, required=True)
    out.set_defaults(job=_export)
    for job in (contrastive, instruct):
        job.add_argument("--steps", type=int, default=2000)
        job.add_argument("--batch", type=int, default=32)
        job.add_argument("--rate", type=float, default=1e-3)
        job.add_argument("--seed", type=int, default=0)
        job.add_argument("--bf16", action="store_true")
    return parser


def main() -> None:
    """Run one of the jobs."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    given.job(given)


if __name__ == "__main__":
    main()
