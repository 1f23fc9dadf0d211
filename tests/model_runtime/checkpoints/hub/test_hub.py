"""Models are installed from a hub on this machine, through a network that breaks."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from model_runtime.checkpoints.hub import TransferError
from model_runtime.checkpoints.staging import Progress
from model_runtime.checkpoints.store import ModelStore
from model_runtime.errors import WeightsError
from model_runtime.weights import load_folder

if TYPE_CHECKING:
    from tests.model_runtime.checkpoints.hub.conftest import LoopbackHub

_NAME = "MagicXin/Med3DVLM-tiny"
_PART = "model-00002-of-00003.safetensors"
_BLOCK = 10 * 1024 * 1024


@pytest.fixture
def store(tmp_path: Path, tiny_model: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", {"demo": tiny_model})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits a second before each of its own attempts."""
    at_once = SimpleNamespace(sleep=lambda _seconds: None, time=time.time)
    monkeypatch.setattr("huggingface_hub.file_download.time", at_once)


def test_a_published_model_is_installed(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)
    steps: list[Progress] = []
    new = store.install(_NAME, endpoint=hub.endpoint, told=steps.append)
    assert new.name == "Med3DVLM-tiny"
    assert not new.in_use
    assert new.source == f"{hub.endpoint}/{_NAME}"
    assert new.revision == hub.commit
    assert "modeling_vlm.py" not in {file for file, _ in hub.asked}
    here = {path.name for path in new.folder.iterdir()}
    there = {path.name for path in published_vlm.iterdir()}
    assert here == (there - {"modeling_vlm.py"}) | {"manifest.json"}
    for name in here - {"manifest.json"}:
        assert (new.folder / name).read_bytes() == (published_vlm / name).read_bytes()
    manifest = json.loads((new.folder / "manifest.json").read_text())
    content = (published_vlm / _PART).read_bytes()
    assert manifest["files"][_PART]["sha256"] == hashlib.sha256(content).hexdigest()
    total = sum((new.folder / name).stat().st_size for name in here - {"manifest.json"})
    assert steps[-1] == Progress("download", total, total)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert load_folder(new.folder).sha256 == load_folder(published_vlm).sha256


def test_a_broken_connection_is_taken_up_again(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    """The library keeps whole blocks of ten megabytes, and asks for the rest."""
    hub.publish(_NAME, published_vlm)
    hub.breaks[_PART] = [12_000_000, 12_000_000]
    new = store.install(_NAME, endpoint=hub.endpoint)
    assert [first for file, first in hub.asked if file == _PART] == [0, _BLOCK, 2 * _BLOCK]
    store.verify(new.name)


def test_a_broken_download_goes_on_in_the_next_run(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)
    hub.breaks[_PART] = [12_000_000, *[0] * 20]
    with pytest.raises(TransferError, match=r"broke off.*goes on from there"):
        store.install(_NAME, endpoint=hub.endpoint)
    assert [each.name for each in store.installed()] == ["demo"]
    hub.breaks.clear()
    hub.asked.clear()
    new = store.install(_NAME, endpoint=hub.endpoint)
    # What had come whole is not asked for again, and of the other the rest only.
    assert (_PART, _BLOCK) in hub.asked
    assert not {"config.json", "tokenizer.json"} & {file for file, _ in hub.asked}
    store.verify(new.name)
    assert not list((store.root / ".staging").iterdir())


def test_a_new_commit_begins_anew(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)
    hub.breaks[_PART] = [12_000_000, *[0] * 20]
    with pytest.raises(TransferError):
        store.install(_NAME, endpoint=hub.endpoint)
    hub.breaks.clear()
    hub.commit = "f" * 40
    hub.asked.clear()
    assert store.install(_NAME, endpoint=hub.endpoint).revision == hub.commit
    assert (_PART, 0) in hub.asked
    assert ("config.json", 0) in hub.asked


def test_stopping_a_download_keeps_what_came(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)

    class StopError(Exception):
        pass

    def stop(progress: Progress) -> None:
        if progress.done > 15_000_000:
            raise StopError

    with pytest.raises(StopError):
        store.install(_NAME, endpoint=hub.endpoint, told=stop)
    assert [each.name for each in store.installed()] == ["demo"]
    hub.asked.clear()
    store.install(_NAME, endpoint=hub.endpoint)
    assert "config.json" not in {file for file, _ in hub.asked}


def test_a_wrong_checksum_is_refused(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)
    hub.stated[_PART] = "0" * 64
    with pytest.raises(WeightsError, match=f"{_PART} came damaged"):
        store.install(_NAME, endpoint=hub.endpoint)
    assert [each.name for each in store.installed()] == ["demo"]
    assert not list((store.root / ".staging").iterdir())


def test_pickles_are_refused_unseen(hub: LoopbackHub, store: ModelStore, tmp_path: Path) -> None:
    folder = tmp_path / "pickles"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "vlm_qwen"}')
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    hub.publish(_NAME, folder)
    with pytest.raises(WeightsError, match="could run code hidden in it"):
        store.install(_NAME, endpoint=hub.endpoint)
    assert not hub.asked


def test_another_architecture_is_refused_before_its_weights_come(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_vlm)
    (folder / "config.json").unlink()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    hub.publish(_NAME, folder)
    with pytest.raises(WeightsError, match="architecture 'llama'"):
        store.install(_NAME, endpoint=hub.endpoint)
    assert [file for file, _ in hub.asked] == ["config.json"]


def test_names_that_lead_outside_are_never_asked_for(
    hub: LoopbackHub, store: ModelStore, published_vlm: Path
) -> None:
    hub.publish(_NAME, published_vlm)
    hub.repositories[_NAME]["../../outside.safetensors"] = b"x"
    hub.repositories[_NAME]["model-00001-of-00003.safetensors/../up"] = b"x"
    new = store.install(_NAME, endpoint=hub.endpoint)
    assert not [file for file, _ in hub.asked if "/" in file]
    assert not list(store.root.glob("*.safetensors"))
    store.verify(new.name)


def test_the_text_towers_tokenizer_comes_from_the_text_model(
    hub: LoopbackHub,
    store: ModelStore,
    published_vlm: Path,
    published_siglip: Path,
    copied: Callable[[Path], Path],
) -> None:
    """The published repository need not hold it; its config.json names where it is."""
    folder = copied(published_siglip)
    words = (folder / "vocab.txt").read_bytes()
    (folder / "vocab.txt").unlink()
    hub.publish("MagicXin/SigLIP", folder)
    with pytest.raises(WeightsError, match="no repository medicalai/ClinicalBERT"):
        store.install("MagicXin/SigLIP", endpoint=hub.endpoint)
    hub.repositories["medicalai/ClinicalBERT"] = {
        "vocab.txt": words,
        "config.json": b"{}",
        "pytorch_model.bin": b"\x80\x04.",
    }
    new = store.install("MagicXin/SigLIP", endpoint=hub.endpoint)
    assert (new.folder / "vocab.txt").read_bytes() == words
    assert "pytorch_model.bin" not in {file for file, _ in hub.asked}
    assert load_folder(published_vlm, contrastive=new.folder).contrastive is not None


@pytest.mark.parametrize(
    ("name", "endpoint", "said"),
    [
        ("MagicXin/none", None, "no repository MagicXin/none"),
        (_NAME, "http://127.0.0.1:9", "cannot be reached"),
        (_NAME, "not an address", "cannot be reached"),
        ("one/two/three", None, "neither a folder nor"),
        ("nothing", None, "neither a folder nor"),
    ],
)
def test_what_cannot_be_reached_is_named(
    hub: LoopbackHub, store: ModelStore, name: str, endpoint: str | None, said: str
) -> None:
    with pytest.raises(WeightsError, match=said):
        store.install(name, endpoint=endpoint or hub.endpoint)
