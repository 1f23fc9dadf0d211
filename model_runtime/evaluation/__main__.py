"""Measure a model folder: retrieval, reports and questions, by the published and a clean protocol.

``python -m model_runtime.evaluation retrieval | report | vqa | evidence | all`` measures, with
``--data phantom:N`` on the first N synthetic test cases, in the usual or the held-out style,
with ``--data FOLDER`` on a folder in M3D's layout (no evidence there: lesions are unknown);
``write --data phantom:N --out FOLDER`` writes such a folder from phantoms; ``document --out
FOLDER`` puts the figures of an earlier run into EVALUATION.md. Without any of
these words, a shorter table is measured on scans prepared as the program prepares them.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_runtime.errors import WeightsError
from model_runtime.evaluation.answers import ACQUIRED
from model_runtime.evaluation.bert_score import LAYER, BertMissingError, BertScore
from model_runtime.evaluation.document import RESULTS, DocumentError, update
from model_runtime.evaluation.grids import Grids
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.evaluation.m3d_writing import write_m3d
from model_runtime.evaluation.measure import measure
from model_runtime.evaluation.plots import plot_all
from model_runtime.evaluation.protocols import PARTS, PROTOCOLS, Limits, evaluate
from model_runtime.evaluation.summary import summary
from model_runtime.evaluation.tables import markdown
from model_runtime.evaluation.testset import (
    TEST_SEED,
    TRAINED,
    load_testset,
    phantom_count,
    phantom_seeds,
)
from model_runtime.evaluation.text_metrics import Metrics
from model_runtime.evaluation.wordnet import DEBIAN, WordNetMissingError
from model_runtime.evaluation.writing import BrokenAnswerError
from model_runtime.weights import LoadedModel, load_folder

HELD_OUT = "held-out"
_REFUSALS = (
    *(BertMissingError, BrokenAnswerError, DatasetError, DocumentError, WeightsError),
    WordNetMissingError,
    OSError,
)


def main() -> None:
    """Measure, print the tables, write JSON, Markdown and pictures."""
    given = _arguments()
    try:
        if given.what is None:
            _card_tables(given)
        elif given.what == "write":
            _write_phantoms(given)
        elif given.what == "document":
            print(f"{given.document}: figures {update(given.document, given.out)}")
        else:
            _protocols(given)
    except _REFUSALS as error:
        sys.exit(f"The evaluation ended: {error}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m model_runtime.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=[*PARTS, "all", "document", "write"])
    parser.add_argument("--model", type=Path, default=Path("resources/models/demo"))
    parser.add_argument("--contrastive", type=Path, help="the published contrastive model")
    parser.add_argument("--data", default="phantom:200", help="phantom:N or a folder")
    parser.add_argument(
        "--trained", type=_positive, default=TRAINED, help="training seeds of a phantom model"
    )
    parser.add_argument("--protocol", choices=[*PROTOCOLS, "both"], default="both")
    parser.add_argument("--wordnet", type=Path, default=DEBIAN, help="folder of WordNet's files")
    parser.add_argument("--bert", type=Path, help="folder of roberta-large, for BERTScore")
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--volumes", choices=["npy", "nifti"], default="npy", help="for write")
    parser.add_argument("--train", type=int, default=0, help="training cases, for write")
    parser.add_argument("--style", choices=["usual", HELD_OUT], default="usual", help="of phantoms")
    parser.add_argument(
        "--cache", type=Path, help="folder for phantoms' volumes, drawn on the model's grid"
    )
    parser.add_argument("--processes", type=_positive, default=2, help="that draw volumes")
    few = parser.add_argument_group("only of the first N items")
    few.add_argument("--blind", type=_positive, metavar="N", help="answers without the image")
    few.add_argument("--drawn", type=_positive, metavar="N", help="texts drawn at temperature 1")
    few.add_argument("--evidence", type=_positive, metavar="N", default=300, help="evidence maps")
    parser.add_argument("--document", type=Path, default=Path("model_runtime/EVALUATION.md"))
    card = parser.add_argument_group("the card's tables")
    card.add_argument("--first", type=int, default=TEST_SEED, help="seed of the first test case")
    card.add_argument("--cases", type=int, default=200)
    given = parser.parse_args()
    if given.what in ("write", "document") and given.out is None:
        parser.error(f"{given.what} needs --out FOLDER")
    return given


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _protocols(given: argparse.Namespace) -> None:
    model = load_folder(given.model, contrastive=given.contrastive)
    test = load_testset(given.data, given.trained, given.style == HELD_OUT, _drawn(given, model))
    parts: tuple[str, ...] = PARTS if given.what == "all" else (given.what,)
    if given.what == "all" and not given.data.startswith("phantom:"):
        parts = tuple(part for part in PARTS if part != "evidence")
    names = list(PROTOCOLS) if given.protocol == "both" else [given.protocol]
    bert, remark = _bert_score(given.bert) if parts != ("retrieval",) else (None, "")
    metrics = Metrics(given.wordnet, bert)
    limits = Limits(given.blind, given.drawn, given.evidence)
    rules = [PROTOCOLS[name] for name in names]
    results, said = evaluate(model, test, parts, rules, metrics, limits=limits)
    results |= {"model": model.config.name, "weights sha256": model.sha256, "BERTScore": remark}
    results |= {"style": given.style, "command": _command(sys.argv[1:])}
    print(summary(results))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        _json(given.out / RESULTS, results)
        _json(given.out / "written.json", said)
        (given.out / "evaluation.md").write_text(summary(results), encoding="utf-8")
        plot_all(results, given.out)


def _command(words: Sequence[str]) -> str:
    """Tell the command without the places of this machine's folders."""
    told = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return shlex.join(("python", "-m", "model_runtime.evaluation", *told))


def _drawn(given: argparse.Namespace, model: LoadedModel) -> Grids | None:
    """Open the drawn volumes where a folder for them is named."""
    if given.cache is None or not given.data.startswith("phantom:"):
        return None
    seeds = phantom_seeds(given.data, given.style == HELD_OUT)
    return Grids(given.cache, seeds, model.config.input, given.processes)


def _bert_score(folder: Path | None) -> tuple[BertScore | None, str]:
    """Load BERTScore's model if it is here; where one is named, it has to be.

    Raises
    ------
    BertMissingError
    """
    try:
        bert = BertScore.local(folder)
    except BertMissingError as error:
        if folder is not None:
            raise
        return None, f"not computed. {error}"
    return bert, f"layer {LAYER} of the model in {bert.folder.name}"


def _write_phantoms(given: argparse.Namespace) -> None:
    """Write test cases, and training cases where asked, in M3D's layout."""
    splits = {"test": range(TEST_SEED, TEST_SEED + phantom_count(given.data))}
    if given.train:
        splits = {"train": range(given.train), **splits}
    settings = load_folder(given.model).config.input if given.volumes == "npy" else None
    for case in write_m3d(given.out, splits, ACQUIRED, settings):
        print(case.seed, flush=True)


def _card_tables(given: argparse.Namespace) -> None:
    """Measure what the demonstration model's card tells."""
    model = load_folder(given.model)
    seeds = range(given.first, given.first + given.cases)
    table, drafts = measure(model, seeds)
    table |= {"weights sha256": model.sha256, "seeds": [seeds.start, seeds.stop]}
    print(markdown(table))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        _json(given.out / "results.json", table)
        (given.out / "results.md").write_text(markdown(table), encoding="utf-8")
        (given.out / "drafts.txt").write_text("\n\n".join(drafts) + "\n", encoding="utf-8")


def _json(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
