"""``tomoscribe model`` from installing to an answer.

A command gets a process of its own; one that only refuses, or removes, is run in the test's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workstation.cli import run as run_command

if TYPE_CHECKING:
    from tests.model_runtime.checkpoints.hub.conftest import LoopbackHub

Command = Callable[..., subprocess.CompletedProcess[str]]
_REPOSITORY = "MagicXin/Med3DVLM-tiny"
_NAME = "Med3DVLM-tiny"


@pytest.fixture
def tomoscribe(tmp_path: Path, repository: Path) -> Command:
    """Runs a command with data, settings and libraries' caches of the test's own."""
    own = {name: str(tmp_path / name) for name in ("HOME", "HF_HOME", "XDG_CONFIG_HOME")}
    rest = {name: value for name, value in os.environ.items() if not name.startswith("TOMOSCRIBE")}
    data = {"TOMOSCRIBE_DATA_FOLDER": str(tmp_path / "data")}

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workstation", *arguments],
            cwd=repository, env=rest | own | data | environment, text=True,
            capture_output=True, check=False, timeout=120,
        )  # fmt: skip

    return run


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command on the same data in the test's own process, which has its imports done."""
    for name in tuple(os.environ):
        if name.startswith("TOMOSCRIBE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "XDG_CONFIG_HOME"))
    monkeypatch.setenv("TOMOSCRIBE_DATA_FOLDER", str(tmp_path / "data"))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        status = run_command(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


@pytest.mark.long
def test_from_the_hub_to_an_answer(
    tomoscribe: Command,
    command: Command,
    hub: LoopbackHub,
    published_vlm: Path,
    published_siglip: Path,
    repository: Path,
) -> None:
    hub.publish(_REPOSITORY, published_vlm)
    done = tomoscribe("model", "install", _REPOSITORY, HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    assert f"tomoscribe model use {_NAME}" in done.stdout
    assert "download 100 %" in done.stderr
    done = tomoscribe("model", "install", str(published_siglip), "--name", "finds")
    assert done.returncode == 0, done.stderr

    listed = tomoscribe("model", "list").stdout.splitlines()
    assert [line[:2] + line[2:].split()[0] for line in listed] == [
        "* demo",
        f"  {_NAME}",
        "  finds",
    ]
    assert hub.commit[:12] in listed[1]

    done = tomoscribe("model", "use", _NAME)
    assert done.returncode == 0, done.stderr
    assert f"{_NAME} with finds for similar cases" in done.stdout
    verified = tomoscribe("model", "verify").stdout.splitlines()
    assert [line.split() for line in verified] == [["ok", "demo"], ["ok", _NAME], ["ok", "finds"]]

    study = str(repository / "resources" / "studies" / "synthetic_chest")
    done = tomoscribe("ask", study, "Is there a nodule?", "--choice", "Yes", "--choice", "No")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("Yes", "No")
    assert f'"model": "{_NAME}"' in done.stderr
    assert "research model" in done.stderr

    _removed(command)


def _removed(command: Command) -> None:
    done = command("model", "remove", _NAME)
    assert done.returncode == 1
    assert "is in use. Use another first: tomoscribe model use demo" in done.stderr
    assert command("model", "use", "demo").returncode == 0
    assert command("model", "remove", _NAME).returncode == 0
    assert [line[2:].split()[0] for line in command("model", "list").stdout.splitlines()] == [
        "demo",
        "finds",
    ]


def test_a_refusal_is_a_sentence_and_a_status(
    command: Command, hub: LoopbackHub, published_vlm: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_vlm)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "llava"}))
    for arguments, said in (
        (("install", str(folder)), "architecture 'llava'"),
        (("install", "no/where", "--endpoint", hub.endpoint), "There is no repository no/where"),
        (("install", "nowhere"), "neither a folder nor the name of a repository"),
        (("use", "nothing"), "no model named nothing"),
        (("verify", "nothing"), "no model named nothing"),
        (("remove", "demo"), "came with the program and stays"),
    ):
        done = command("model", *arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.startswith("tomoscribe: "), done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_model_folder_of_the_settings_comes_first(
    tomoscribe: Command, tiny_model: Path, tmp_path: Path
) -> None:
    done = tomoscribe("model", "list", TOMOSCRIBE_MODEL_FOLDER=str(tiny_model))
    assert f"model_folder comes first: {tiny_model}" in done.stdout


def test_a_job_is_named_where_none_is_given(tomoscribe: Command) -> None:
    done = tomoscribe("model")
    assert done.returncode == 2
    assert "JOB" in done.stderr
