"""The engine answers with an installed published model what that model computes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model_runtime import api
from model_runtime.checkpoints.published import vlm_config
from model_runtime.checkpoints.store import ModelStore
from model_runtime.config import InputConfig
from model_runtime.decode import Sampling, prefix_cache, tokens
from model_runtime.engine import LocalEngine
from model_runtime.preprocess import prepare
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm
from model_runtime.weights import text_ids

_QUESTION = "What is seen in the left kidney?"
_WRITTEN = 16


@pytest.fixture(scope="module")
def engine(
    published_vlm: Path,
    published_siglip: Path,
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LocalEngine]:
    """An engine with what is in use of a store, after both models were installed."""
    store = ModelStore(tmp_path_factory.mktemp("store"), {"demo": tiny_model})
    store.install(str(published_siglip))
    store.use(store.install(str(published_vlm)).name)
    model, contrastive = store.chosen_folders()
    engine = LocalEngine(model, contrastive=contrastive)
    yield engine
    engine.close()


def _done(engine: LocalEngine, request: api.Request) -> api.Done:
    *_, last = engine.stream(request, threading.Event())
    assert isinstance(last, api.Done), last
    return last


@torch.inference_mode()
def _directly(vlm: Vlm, volume: api.VolumeInput, ids: list[int]) -> list[int]:
    """Greedy tokens by the plain network, the prompt laid out as it was published."""
    grey = prepare(volume, InputConfig(), None).grey
    image = vlm.image_tokens(torch.from_numpy(grey)[None, None])
    prompt = vlm.prompt_embeddings(image, torch.tensor([ids]))
    cache = prefix_cache(vlm, prompt[:, :-1])
    drawn = tokens(vlm, cache, prompt[:, -1:], Sampling(), _WRITTEN)
    return [token for token, _ in drawn]


def _readable(engine: LocalEngine, ids: list[int]) -> str:
    """Text of tokens; a letter whose last bytes never came is not told."""
    return engine._model.tokenizer.decode(ids).rstrip("\ufffd").strip()


def test_a_question_is_answered_as_the_model_computes_it(
    engine: LocalEngine, reference_vlm: Vlm, chest: api.VolumeInput
) -> None:
    """The space before the question is there, and its own token is lost: the published quirk."""
    request = api.Request(1, api.Task.QUESTION, chest, _QUESTION, max_tokens=_WRITTEN)
    done = _done(engine, request)
    tokenizer = engine._model.tokenizer
    ids = tokenizer.encode(f" {_QUESTION}", add_special_tokens=False).ids
    direct = _directly(reference_vlm, chest, ids)
    assert done.text == _readable(engine, direct)
    assert done.provenance.prompt == f" {_QUESTION}"
    assert done.provenance.tokens == len(direct)
    bare = tokenizer.encode(_QUESTION, add_special_tokens=False).ids
    assert _directly(reference_vlm, chest, bare) != direct


def test_a_report_follows_the_image_without_a_space(
    engine: LocalEngine, reference_vlm: Vlm, chest: api.VolumeInput
) -> None:
    done = _done(engine, api.Request(2, api.Task.REPORT, chest, max_tokens=_WRITTEN))
    tokenizer = engine._model.tokenizer
    prompt = engine._model.config.vlm.prompt.report
    assert done.provenance.prompt == prompt
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    assert done.text == _readable(engine, _directly(reference_vlm, chest, ids))


def test_embeddings_are_the_contrastive_checkpoints(
    engine: LocalEngine, reference_siglip: Siglip, chest: api.VolumeInput
) -> None:
    volume = _done(engine, api.Request(3, api.Task.EMBED_VOLUME, chest)).embedding
    words = _done(engine, api.Request(4, api.Task.EMBED_TEXT, text="a nodule")).embedding
    grey = torch.from_numpy(prepare(chest, InputConfig(), None).grey)[None, None]
    ids = torch.tensor([text_ids(engine._model, "a nodule")])
    with torch.inference_mode():
        image = reference_siglip.embed_volume(grey)[0]
        text = reference_siglip.embed_text(ids, torch.ones_like(ids))[0]
    assert float(image @ torch.from_numpy(volume)) > 0.9999
    assert float(text @ torch.from_numpy(words)) > 0.9999


def test_what_was_installed_is_not_called_a_demonstration(engine: LocalEngine) -> None:
    assert engine.info.name == "Med3DVLM-tiny"
    assert not engine.info.demonstration
    assert "not for clinical use" in engine.info.notice


_PEAK = """
import sys
from pathlib import Path
import psutil
from model_runtime.weights import load_folder

def peak():
    # getrusage would tell the parent's peak where that was larger.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    info = psutil.Process().memory_info()
    return getattr(info, "peak_wset", info.rss) / 1024

load_folder(Path(sys.argv[1]))  # the libraries themselves
before = peak()
model = load_folder(Path(sys.argv[2]))
loaded = peak()
total = sum(float(parameter.sum()) for parameter in model.vlm.parameters())
print(before, loaded, peak(), total)
"""


@pytest.fixture
def wide_vlm(published_vlm: Path, tmp_path: Path) -> Callable[[torch.dtype], Path]:
    """Writes a larger model in one file, 100 million numbers of which most are the decoder's."""

    def write(stored: torch.dtype) -> Path:
        table = json.loads((published_vlm / "config.json").read_text())
        table |= {"hidden_size": 512, "vocab_size": 60_000, "intermediate_size": 4096}
        config, _ = vlm_config(table, patch_token=299)
        torch.manual_seed(0)
        state = {name: tensor.to(stored) for name, tensor in Vlm(config).state_dict().items()}
        (tmp_path / "config.json").write_text(json.dumps(table))
        shutil.copy(published_vlm / "tokenizer.json", tmp_path)
        save_file(state, tmp_path / "model.safetensors")
        return tmp_path

    return write


@pytest.mark.parametrize(("stored", "share"), [(torch.float32, 0.1), (torch.bfloat16, 1.6)])
def test_loading_never_takes_two_copies(
    published_vlm: Path, wide_vlm: Callable[[torch.dtype], Path], stored: torch.dtype, share: float
) -> None:
    """What is stored as it is computed with is mapped; the rest is widened tensor by tensor.

    The libraries count the mapped file too, half the size of the widened one.
    """
    folder = wide_vlm(stored)
    found = subprocess.run(
        [sys.executable, "-c", _PEAK, str(published_vlm), str(folder)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    before, loaded, used, total = map(float, found.stdout.split())
    size = (folder / "model.safetensors").stat().st_size / 1024
    whole = size if stored is torch.float32 else 2 * size
    assert whole > 200_000
    assert total
    assert loaded - before < share * whole
    assert used - before < max(share, 1.1) * whole
