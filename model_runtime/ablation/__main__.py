"""Test the paper's three claims on phantoms, each variant on the same data and budget.

``python -m model_runtime.ablation encoder|loss|projector --run RUN --out FILE.json`` trains
every variant of one question and writes what each reached on held-out cases, with bootstrap
intervals and the paired difference from the paper's choice, and puts the table into a document
where one is named. RUN is a folder of ``python -m model_runtime.training``; ``encoder`` takes
the drawn volumes of training and of held-out cases, the others their features.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from model_runtime.ablation.questions import (
    Budget,
    encoder_question,
    loss_question,
    projector_question,
)
from model_runtime.ablation.table import markdown
from model_runtime.evaluation.document import DocumentError, put

_LOG = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_runtime.ablation", description=__doc__)
    parser.add_argument("question", choices=("encoder", "loss", "projector"))
    parser.add_argument("--run", type=Path, required=True, help="its tokenizer, its work files")
    parser.add_argument("--data", type=Path, required=True, help="volumes, or features.npz")
    parser.add_argument("--test", type=Path, required=True, help="the same of held-out cases")
    parser.add_argument("--out", type=Path, required=True, help="a JSON file")
    parser.add_argument("--document", type=Path, help="gets the table, as EVALUATION.md")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seen", type=int, default=12_800, help="cases that each variant sees")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw batches")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer one question; a missing file is told in a sentence and gives 1."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    given = _parser().parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.device != "cpu":
        torch.set_float32_matmul_precision("high")
    budget = Budget(given.seen, given.batch, given.rate, given.seed, given.device, given.workers)
    ask = {"encoder": encoder_question, "loss": loss_question, "projector": projector_question}
    try:
        answer = ask[given.question](given.run, given.data, given.test, budget)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    _LOG.info("wrote %s", given.out)
    if given.document:
        try:
            put(given.document, f"ablation {given.question}", markdown(answer))
        except DocumentError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
