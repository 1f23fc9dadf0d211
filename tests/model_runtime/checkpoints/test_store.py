"""A model is installed whole or not at all, and what is in use stays until another loads."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from model_runtime.checkpoints import memory, staging
from model_runtime.checkpoints.contents import Layout
from model_runtime.checkpoints.store import Choice, ModelStore
from model_runtime.errors import NotEnoughMemoryError, WeightsError
from model_runtime.weights import load_folder

_VLM, _SIGLIP = "Med3DVLM-tiny", "Med3DVLM-SigLIP-tiny"
_PART = "model-00002-of-00003.safetensors"


@pytest.fixture
def store(tmp_path: Path, tiny_model: Path) -> ModelStore:
    return ModelStore(tmp_path / "store", {"demo": tiny_model})


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: Path,
    published_vlm: Path,
    published_siglip: Path,
) -> Path:
    """A store into which both published models were installed."""
    root = tmp_path_factory.mktemp("both") / "store"
    for folder in (published_vlm, published_siglip):
        ModelStore(root, {"demo": tiny_model}).install(str(folder))
    return root


@pytest.fixture
def filled_store(store: ModelStore, both: Path) -> Iterator[ModelStore]:
    """A store of the test's own with both published models, not in use."""
    shutil.copytree(both, store.root)
    yield store
    shutil.rmtree(store.root)


def _names(store: ModelStore) -> list[str]:
    return [each.name for each in store.installed()]


def _is_tidy(store: ModelStore) -> bool:
    folder = store.root / ".staging"
    return not folder.exists() or not list(folder.iterdir())


def _spoil(path: Path) -> None:
    """Change the last byte and make the file look as it was."""
    state = path.stat()
    with path.open("r+b") as stream:
        stream.seek(-1, 2)
        last = stream.read(1)
        stream.seek(-1, 2)
        stream.write(bytes([last[0] ^ 0xFF]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_all_three_layouts_are_installed_from_folders(
    filled_store: ModelStore, published_vlm: Path, tiny_model: Path
) -> None:
    filled_store.install(str(tiny_model), name="ours")
    listed = {each.name: each for each in filled_store.installed()}
    assert list(listed) == ["demo", _SIGLIP, _VLM, "ours"]
    assert [each.layout for each in listed.values()] == [
        Layout.HOUSE,
        Layout.CONTRASTIVE,
        Layout.VLM,
        Layout.HOUSE,
    ]
    assert [each.in_use for each in listed.values()] == [True, False, False, False]
    assert listed["demo"].bundled
    assert listed[_VLM].source == str(published_vlm)
    assert not (listed[_VLM].folder / "modeling_vlm.py").exists()
    assert load_folder(listed["ours"].folder).sha256 == load_folder(tiny_model).sha256
    for name in listed:
        filled_store.verify(name)
    assert _is_tidy(filled_store)


def test_the_bundled_model_is_in_use_until_another_is(
    filled_store: ModelStore, tiny_model: Path
) -> None:
    assert filled_store.chosen_folders() == (tiny_model, None)
    filled_store.remove(_SIGLIP)
    assert filled_store.use(_VLM) == Choice(_VLM)
    assert filled_store.chosen_folders() == (filled_store.root / _VLM, None)
    assert ModelStore(filled_store.root, {"demo": tiny_model}).choice() == Choice(_VLM)
    assert filled_store.use("demo") == Choice("demo")


def test_the_only_contrastive_model_is_used_with_the_published_one(
    filled_store: ModelStore,
) -> None:
    assert filled_store.use(_VLM) == Choice(_VLM, _SIGLIP)
    model, contrastive = filled_store.chosen_folders()
    assert load_folder(model, contrastive=contrastive).contrastive is not None
    for name in (_VLM, _SIGLIP):
        with pytest.raises(WeightsError, match="is in use"):
            filled_store.remove(name)
    filled_store.use("demo")
    filled_store.remove(_SIGLIP)
    filled_store.remove(_VLM)
    assert _names(filled_store) == ["demo"]
    assert _is_tidy(filled_store)


def test_a_contrastive_model_is_used_beside_what_writes(filled_store: ModelStore) -> None:
    filled_store.use(_VLM)
    (filled_store.root / "active.json").write_text(json.dumps({"model": _VLM}))
    assert filled_store.choice() == Choice(_VLM)
    assert filled_store.use(_SIGLIP) == Choice(_VLM, _SIGLIP)


def test_what_cannot_be_used_is_refused(filled_store: ModelStore) -> None:
    with pytest.raises(WeightsError, match="no model named none"):
        filled_store.use("none")
    with pytest.raises(WeightsError, match="has a contrastive model of its own"):
        filled_store.use(_SIGLIP)
    assert filled_store.choice() == Choice("demo")


def _lose(folder: Path) -> None:
    (folder / _PART).unlink()


def _truncate(folder: Path) -> None:
    with (folder / _PART).open("r+b") as stream:
        stream.truncate(1000)


def _retell(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama"}')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_lose, "lacks model-00002"),
        (_truncate, "damaged"),
        (_retell, "config.json is damaged or was changed"),
        (lambda folder: (folder / "manifest.json").unlink(), "lacks manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "damaged"),
        (shutil.rmtree, "no model named"),
    ],
)
def test_what_does_not_load_is_not_used(
    filled_store: ModelStore, damage: Callable[[Path], None], said: str
) -> None:
    damage(filled_store.root / _VLM)
    with pytest.raises(WeightsError, match=said):
        filled_store.use(_VLM)
    assert filled_store.choice() == Choice("demo")


def test_what_does_not_fit_in_memory_is_not_used(
    filled_store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda _device: 10_000_000)
    with pytest.raises(NotEnoughMemoryError, match="10 MB are free"):
        filled_store.use(_VLM)
    assert filled_store.choice() == Choice("demo")


def test_verifying_finds_a_byte_that_changed(filled_store: ModelStore) -> None:
    path = filled_store.root / _VLM / _PART
    filled_store.verify(_VLM)
    _spoil(path)
    with pytest.raises(WeightsError, match=f"{_PART} is damaged or was changed"):
        filled_store.verify(_VLM)


def test_loading_sums_up_what_was_touched(filled_store: ModelStore) -> None:
    path = filled_store.root / _VLM / _PART
    os.utime(path)
    load_folder(filled_store.root / _VLM)
    _spoil(path)
    os.utime(path)
    with pytest.raises(WeightsError, match="checksum"):
        load_folder(filled_store.root / _VLM)


def test_a_choice_that_is_gone_falls_back_to_the_bundled_model_and_is_told(
    filled_store: ModelStore,
) -> None:
    assert not filled_store.choice().lost
    filled_store.use(_VLM)
    assert not filled_store.choice().lost
    shutil.rmtree(filled_store.root / _VLM)
    assert filled_store.choice() == Choice("demo", lost=True)
    for content in ("", "[]", '{"model": "../.."}', '{"model": 3}'):
        (filled_store.root / "active.json").write_text(content)
        assert filled_store.choice() == Choice("demo", lost=True)


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "x" * 65, "a b"])
def test_names_that_are_paths_are_refused(
    store: ModelStore, published_vlm: Path, name: str
) -> None:
    with pytest.raises(WeightsError):
        store.install(str(published_vlm), name=name or "/")
    with pytest.raises(WeightsError):
        store.remove(name)


def test_a_name_that_is_taken_is_refused(filled_store: ModelStore, published_vlm: Path) -> None:
    for name in (None, "demo"):
        with pytest.raises(WeightsError, match="already"):
            filled_store.install(str(published_vlm), name=name)
    filled_store.verify(_VLM)


def test_the_bundled_model_stays(filled_store: ModelStore) -> None:
    with pytest.raises(WeightsError, match="came with the program"):
        filled_store.remove("demo")


def test_a_folder_whose_own_manifest_disagrees_is_refused(
    store: ModelStore, published_vlm: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_vlm)
    (folder / "manifest.json").write_text(json.dumps({_PART: "0" * 64}))
    with pytest.raises(WeightsError, match=f"{_PART} is missing, damaged or was changed"):
        store.install(str(folder))
    assert _names(store) == ["demo"]
    assert _is_tidy(store)


def test_a_damaged_folder_leaves_nothing_behind(
    store: ModelStore, published_vlm: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_vlm)
    (folder / _PART).unlink()
    with pytest.raises(WeightsError, match="one of the 3 parts"):
        store.install(str(folder))
    assert _names(store) == ["demo"]
    assert _is_tidy(store)


def test_a_full_disk_is_said_and_leaves_nothing(
    store: ModelStore, published_vlm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = staging._copied

    def full(source: Path, target: Path, meter: staging.Meter) -> staging.Entry:
        if source.name == _PART:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return copied(source, target, meter)

    monkeypatch.setattr(staging, "_copied", full)
    with pytest.raises(WeightsError, match=r"is full\. Nothing was installed"):
        store.install(str(published_vlm))
    assert _names(store) == ["demo"]
    assert _is_tidy(store)


def test_too_small_a_disk_is_said_beforehand(
    store: ModelStore, published_vlm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        staging.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10, 9, 1)
    )
    with pytest.raises(WeightsError, match=r"0\.0 GB are free"):
        store.install(str(published_vlm))
    assert _is_tidy(store)


def test_stopping_a_copy_leaves_nothing(store: ModelStore, published_vlm: Path) -> None:
    def stop(progress: staging.Progress) -> None:
        if progress.done > 1_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.install(str(published_vlm), told=stop)
    assert _names(store) == ["demo"]
    assert _is_tidy(store)


def test_two_installations_at_once_are_refused(store: ModelStore, published_vlm: Path) -> None:
    store.root.mkdir()
    with FileLock(store.root / ".lock"), pytest.raises(WeightsError, match="under way"):
        store.install(str(published_vlm))


def test_what_is_damaged_is_listed_with_its_fault(filled_store: ModelStore) -> None:
    (filled_store.root / _VLM / "config.json").write_text("{")
    listed = {each.name: each for each in filled_store.installed()}
    assert listed[_VLM].layout is None
    assert "config.json is not usable" in listed[_VLM].fault
    assert listed[_SIGLIP].layout is Layout.CONTRASTIVE
