"""Protocols end to end on a tiny model, from phantoms and from disk, and through the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime.evaluation import __main__ as command
from model_runtime.evaluation import answers
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.evaluation.m3d_writing import write_m3d
from model_runtime.evaluation.plots import plot_all
from model_runtime.evaluation.protocols import PARTS, PROTOCOLS, evaluate
from model_runtime.evaluation.summary import summary
from model_runtime.evaluation.testset import load_testset
from model_runtime.evaluation.text_metrics import Metrics
from model_runtime.evaluation.wordnet import WordNetMissingError
from model_runtime.weights import LoadedModel, load_folder

_SHAPE = (24, 48, 48)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> LoadedModel:
    return load_folder(tiny_model)


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scan coarsely: what is tested is the counting."""
    monkeypatch.setattr(answers, "ACQUIRED", _SHAPE)
    monkeypatch.setattr(command, "ACQUIRED", _SHAPE)
    monkeypatch.setattr("model_runtime.evaluation.reports.TOKENS", 12)
    monkeypatch.setattr("model_runtime.evaluation.vqa.OPEN_TOKENS", 6)
    monkeypatch.setattr("model_runtime.evaluation.vqa.LETTER_TOKENS", 6)


def test_all_parts_under_both_protocols(coarse: None, model: LoadedModel, tmp_path: Path) -> None:
    test = load_testset("phantom:4", trained=50)
    results, said = evaluate(model, test, PARTS, list(PROTOCOLS.values()))
    results = {"model": "tiny", "weights sha256": "0", **results}
    published, clean = results["protocols"]["published"], results["protocols"]["clean"]
    assert set(clean) - set(published) == {"closed questions, likelihood"}
    assert "yes/no" not in published["open questions"]["METEOR"]["model"]
    assert "yes/no" in clean["open questions"]["METEOR"]["model"]
    assert set(said["clean"]["reports"]) == {
        "model", "image removed", "image of another case", "commonest report of training"
    }
    assert len(set(said["clean"]["reports"]["image removed"])) == 1
    assert said["clean"]["reports"]["image of another case"] == [
        said["clean"]["reports"]["model"][n] for n in (3, 0, 1, 2)
    ]
    assert len(set(said["published"]["reports"]["model"])) == 4  # noise weights, drawn texts
    assert evaluate(model, test, ["report"], [PROTOCOLS["published"]])[1]["published"] == {
        "reports": said["published"]["reports"]
    }
    text = summary(results)
    for heading in ("### Retrieval", "### Reports (4)", "### Open questions, METEOR",
                    "### Closed questions, likelihood", "Calibration of the likeliest choice"):
        assert heading in text
    pictures = plot_all(results, tmp_path)
    assert {path.name for path in pictures} == {path.name for path in tmp_path.glob("*.png")}
    assert len(pictures) == 4 + 6
    json.dumps(results, allow_nan=False)


def test_the_clean_protocol_leaves_out_what_training_holds(
    coarse: None, model: LoadedModel
) -> None:
    test = load_testset("phantom:5", trained=50)
    repeated = [replace(test.items[4], caption=test.items[0].caption)]
    test = replace(test, items=[*test.items[:4], *repeated], trained=frozenset({1}))
    results, _ = evaluate(model, test, ["retrieval", "vqa"], list(PROTOCOLS.values()))
    published, clean = results["protocols"]["published"], results["protocols"]["clean"]
    assert published["retrieval"]["5"]["items whose caption another has too"] == 2
    # Their columns are one text's, so every volume finds them tied.
    assert published["retrieval"]["5"]["volume to text"]["queries with ties"] == 2
    assert list(clean["retrieval"]) == ["3"]
    asked = sum(row != 1 for row, _ in test.asked)
    assert clean["closed questions, likelihood"]["calibration"]["n"] == asked


def test_what_cannot_be_evaluated_is_refused(model: LoadedModel, tmp_path: Path) -> None:
    test = load_testset("phantom:2", trained=50)
    with pytest.raises(DatasetError, match="at least two"):
        evaluate(model, replace(test, items=test.items[:1]), PARTS, [PROTOCOLS["clean"]])
    with pytest.raises(WordNetMissingError, match="wordnet-base"):
        evaluate(model, test, ["report"], [PROTOCOLS["clean"]], Metrics(tmp_path))
    with pytest.raises(DatasetError, match="Fewer than two test items are left"):
        evaluate(
            model, replace(test, trained=frozenset({0})), ["retrieval"], [PROTOCOLS["clean"]]
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Runs the command in the test's process; gives its status, or what it says at its end."""

    def run(*words: str) -> object:
        monkeypatch.setattr(sys, "argv", ["evaluation", *words])
        try:
            command.main()
        except SystemExit as ended:
            return ended.code
        return 0

    return run


def test_the_command_evaluates_a_folder(
    tiny_model: Path, model: LoadedModel, tmp_path: Path, run: Callable[..., object]
) -> None:
    settings = model.config.input
    list(write_m3d(tmp_path / "data", {"test": range(200_000, 200_003)}, _SHAPE, settings))
    words = ("--model", str(tiny_model), "--data", str(tmp_path / "data"))
    line = ["retrieval", *words, "--out", str(tmp_path / "out"), "--protocol", "published"]
    done = subprocess.run(
        [sys.executable, "-m", "model_runtime.evaluation", *line],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert list(results["protocols"]) == ["published"]
    assert "overlap is not measured" in " ".join(results["notes"])
    assert "### Retrieval" in (tmp_path / "out" / "evaluation.md").read_text()
    assert (tmp_path / "out" / "published-retrieval.png").stat().st_size > 5000
    (damaged,) = (tmp_path / "data" / "ct_case" / "200001").glob("*.npy")
    np.save(damaged, np.full((1, 4, 4, 4), np.nan, np.float32))
    ended = run("retrieval", *words)
    assert isinstance(ended, str), "a sentence, which Python prints with status 1"
    assert "200001" in ended


def test_the_command_writes_a_folder(
    coarse: None,
    tiny_model: Path,
    tmp_path: Path,
    run: Callable[..., object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("write", "--model", str(tiny_model), "--data", "phantom:1", "--train", "1")
    assert run(*words, "--out", str(tmp_path)) == 0
    assert capsys.readouterr().out.split() == ["0", "200000"]
    assert load_testset(str(tmp_path)).overlap["training items"] == 1
    assert run("write") == 2
    ended = run("report", "--model", str(tiny_model), "--data", "phantom:-3")
    assert "neither a folder" in str(ended)
