"""``python -m model_runtime.evaluation``: measure a model folder on held-out phantoms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from model_runtime.evaluation.measure import measure
from model_runtime.evaluation.tables import markdown
from model_runtime.weights import load_folder


def main() -> None:
    """Measure, print the tables, write JSON and Markdown."""
    parser = argparse.ArgumentParser(prog="python -m model_runtime.evaluation")
    parser.add_argument("--model", type=Path, default=Path("resources/models/demo"))
    parser.add_argument("--first", type=int, default=200_000, help="seed of the first test case")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--out", type=Path, help="folder for results.json, .md and drafts.txt")
    given = parser.parse_args()
    model = load_folder(given.model)
    seeds = range(given.first, given.first + given.cases)
    table, drafts = measure(model, seeds)
    table |= {"weights sha256": model.sha256, "seeds": [seeds.start, seeds.stop]}
    print(markdown(table))
    if given.out:
        _write(given.out, table, drafts)


def _write(folder: Path, table: dict[str, Any], drafts: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(table), encoding="utf-8")
    (folder / "drafts.txt").write_text("\n\n".join(drafts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
