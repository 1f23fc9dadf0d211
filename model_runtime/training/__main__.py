"""``python -m model_runtime.training``: data, the three training stages, merging, export."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from model_runtime.errors import WeightsError
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.training import jobs
from model_runtime.training.checkpointing import CheckpointError
from model_runtime.training.loop import DivergedError
from model_runtime.training.processes import launched

_TOLD = (
    *(CheckpointError, DatasetError, DivergedError, WeightsError),
    *(ValueError, FileNotFoundError),
)
"""Faults whose message is a sentence for whoever trains: told without a traceback."""

_TOGETHER = (
    "Several processes train together as: torchrun --standalone --nproc-per-node 2 -m -- "
    "model_runtime.training ... ; batches are of one process."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_runtime.training", epilog=_TOGETHER)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--data", type=Path, default=Path("training-data/train"))
    parser.add_argument(
        "--skip-damaged",
        action="store_true",
        help="train without files that are missing or damaged; they are named",
    )
    parser.add_argument(
        "--m3d", type=Path, help="train on a folder in M3D's layout in place of rendered cases"
    )
    commands = parser.add_subparsers(required=True)
    _add_data(commands)
    _add_stages(commands)
    merge = commands.add_parser("merge", help="merge what was trained into a plain model folder")
    merge.add_argument("base", type=Path, help="the model folder it was trained on")
    merge.add_argument("adapter", type=Path, help="the adapter folder of the run")
    merge.add_argument("out", type=Path, help="a new folder")
    merge.add_argument("--half", action="store_true", help="store in half precision")
    merge.set_defaults(job=jobs.merge_adapter)
    out = commands.add_parser("export", help="write the model folder of a run from nothing")
    out.add_argument("out", type=Path)
    out.add_argument("--card", type=Path, required=True)
    out.add_argument("--base", type=Path, help="a model folder whose language model stays as it is")
    out.set_defaults(job=jobs.write_folder)
    return parser


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    render = commands.add_parser("render", help="render training volumes")
    render.add_argument("--first", type=int, default=0)
    render.add_argument("--count", type=int, default=4000)
    render.add_argument("--processes", type=int, default=2)
    render.add_argument(
        "--shape",
        type=int,
        nargs=3,
        metavar=("Z", "Y", "X"),
        help="another grid than the model's, for a phase of a recipe; in a folder of its own",
    )
    render.add_argument(
        "--places", action="store_true", help="mark where findings lie too, to learn maps from"
    )
    render.set_defaults(job=jobs.render)
    words = commands.add_parser("tokenizer", help="learn the vocabulary of the reports")
    words.add_argument("--count", type=int, default=4000)
    words.set_defaults(job=jobs.tokenizer)
    features = commands.add_parser("features", help="encode the volumes for the next stages")
    features.add_argument("--views", type=int, default=3)
    features.add_argument("--out", type=Path, help="another file, as for held-out cases")
    features.set_defaults(job=jobs.features)


def _add_stages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    contrastive = commands.add_parser("contrastive", help="stage one: SigLIP")
    contrastive.add_argument(
        "--from", dest="start", type=Path, help="begin with the weights of this checkpoint"
    )
    contrastive.set_defaults(job=jobs.contrastive)
    align = commands.add_parser("align", help="end of stage one: the common space on features")
    align.add_argument(
        "--from", dest="start", type=Path, help="begin with the text tower of this checkpoint"
    )
    align.set_defaults(job=jobs.align)
    projector = commands.add_parser("projector", help="stage two: a finished model's projector")
    projector.add_argument("--base", type=Path, required=True, help="the model folder")
    projector.add_argument("--fresh", action="store_true", help="begin with a new projector")
    projector.set_defaults(job=jobs.projector)
    instruct = commands.add_parser(
        "instruct", help="stage three: reports and questions; stage two too without --base"
    )
    start = instruct.add_mutually_exclusive_group()
    start.add_argument("--base", type=Path, help="train low-rank adapters on this model folder")
    start.add_argument(
        "--from", dest="start", type=Path, help="begin with the weights of this checkpoint"
    )
    instruct.set_defaults(job=jobs.instruct)
    for stage in (contrastive, align, projector, instruct):
        stage.add_argument("--recipe", help="demo, published or a YAML file; flags override it")
        stage.add_argument("--steps", type=int)
        stage.add_argument("--batch", type=int)
        stage.add_argument("--rate", type=float)
        stage.add_argument("--seed", type=int)
        stage.add_argument("--bf16", action=argparse.BooleanOptionalAction)
        stage.add_argument("--recompute", action=argparse.BooleanOptionalAction)
        stage.add_argument("--workers", type=int, help="processes that draw batches in advance")


def main() -> None:
    """Run one of the commands."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = _parser()
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.device != "cpu":
        torch.set_float32_matmul_precision("high")
    try:
        with launched(given.device):
            given.job(given)
    except _TOLD as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
