"""Waiting for the engine against the published way of asking, side by side in one run.

``python -m tests.benchmarks.engine [--repeats 7]`` prints Markdown tables for the bundled model and
for one of the published encoder's and projector's size (DCFormer-small, 128 × 256 × 256, 256 image
tokens) with a random decoder of 8 layers, 1024 wide. The published way encodes the volume and runs
image and prompt through the decoder for every question, by the published form of the encoder and
``transformers.generate`` of the same weights; its preprocessing is not counted, ours is. Both use
one thread less than there are cores, as the engine does: that one is the window's.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2ForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from model_runtime import api
from model_runtime.config import LanguageConfig, ModelConfig, published_7b
from model_runtime.engine import LocalEngine
from model_runtime.language import qwen2_config
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.preprocess import prepare
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm
from model_runtime.weights import load_folder, save_folder

DEMO = Path(__file__).resolve().parents[2] / "resources" / "models" / "demo"
QUESTIONS = ("Is there a pleural effusion?", "Which organ is abnormal?", "Where is the mass?")


def published_size(folder: Path) -> Path:
    """Write a model of the published encoder's size with random weights; returns its folder."""
    demo = load_folder(DEMO)
    seven = published_7b()
    vocabulary = demo.config.vlm.language.vocab_size
    language = LanguageConfig(vocabulary, 1024, 2816, layers=8, heads=16, kv_heads=4)
    prompt = replace(demo.config.vlm.prompt, drops_first_text_token=True)
    config = ModelConfig(
        "published size", True, seven.input, demo.config.siglip,
        replace(seven.vlm, language=language, prompt=prompt),
    )  # fmt: skip
    torch.manual_seed(0)
    save_folder(folder, config, demo.tokenizer, Siglip(config.siglip), Vlm(config.vlm), "random")
    return folder


class Published:
    """Every question from the start: encode, project, prefill, generate."""

    def __init__(self, folder: Path) -> None:
        self.model = load_folder(folder)
        vlm = self.model.vlm
        self.decoder: Any = Qwen2ForCausalLM(qwen2_config(vlm.config.language)).eval()
        self.decoder.model, self.decoder.lm_head = vlm.model, vlm.lm_head

    @torch.inference_mode()
    def tokens(self, grey: torch.Tensor, words: str, limit: int) -> list[int]:
        """Write greedily; the ids of what was written."""
        vlm = self.model.vlm
        ids = self.model.tokenizer.encode(words, add_special_tokens=False).ids
        prompt = vlm.prompt_embeddings(vlm.image_tokens(grey), torch.tensor([ids]))
        eos = vlm.config.prompt.eos_token
        out = self.decoder.generate(
            inputs_embeds=prompt, attention_mask=torch.ones(prompt.shape[:2]), do_sample=False,
            max_new_tokens=limit, eos_token_id=eos, pad_token_id=eos,
        )  # fmt: skip
        return [token for token in out[0].tolist() if token != eos]


def first_token(events: Iterator[api.Event]) -> float:
    """Seconds until the first token; the rest is left."""
    began = time.perf_counter()
    for event in events:
        if isinstance(event, api.Token | api.Done):
            return time.perf_counter() - began
    raise RuntimeError("the model wrote nothing")


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def volumes(shape: tuple[int, int, int], count: int) -> list[api.VolumeInput]:
    """Synthetic scans of a shape (z, y, x)."""
    drawn = [(seed, *render(sample_case(seed), shape)) for seed in range(1, count + 1)]
    return [api.VolumeInput(f"scan {n}", voxels, matrix, "CT") for n, voxels, matrix in drawn]


def waits(folder: Path, shape: tuple[int, int, int], repeats: int) -> None:
    """Print the wait for the first token, ours and the published way's, taking turns."""
    engine, published = LocalEngine(folder), Published(folder)
    scan = volumes(shape, 1)[0]
    grey = torch.from_numpy(prepare(scan, published.model.config.input, None).grey)[None, None]
    never = threading.Event()

    def ask(question: str, key: str) -> float:
        request = api.Request(1, api.Task.QUESTION, replace(scan, key=key), question, max_tokens=8)
        return first_token(engine.stream(request, never))

    ask(QUESTIONS[0], "warm")
    published.tokens(grey, QUESTIONS[0], 1)
    times: dict[str, list[float]] = {"published": [], "new volume": [], "same volume": []}
    for turn in range(repeats):
        question = QUESTIONS[turn % len(QUESTIONS)]
        times["published"].append(timed(lambda q=question: published.tokens(grey, q, 1)))
        times["new volume"].append(ask(question, f"turn {turn}"))
        before = replace(engine.counters)
        times["same volume"].append(ask(QUESTIONS[(turn + 1) % 3], f"turn {turn}"))
        if engine.counters != before:
            raise RuntimeError("a second question encoded or prefilled again")
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"\n**{published.model.config.name}**, wait for the first token, medians of {repeats}\n")
    print("| | ms | against the published way |\n|---|---|---|")
    for name, value in middle.items():
        print(f"| {name} | {value * 1e3:.1f} | {middle['published'] / value:.1f}× |")
    engine.close()


def writing(repeats: int) -> None:
    """Print how fast the bundled model drafts: generate, one by one, and together."""
    engine, published = LocalEngine(DEMO), Published(DEMO)
    scans = volumes((48, 96, 96), 8)
    never = threading.Event()
    requests = [api.Request(n, api.Task.REPORT, scan) for n, scan in enumerate(scans)]
    settings = published.model.config
    greys = [torch.from_numpy(prepare(s, settings.input, None).grey)[None, None] for s in scans]
    words = settings.vlm.prompt.report

    def alone() -> list[str]:
        return [list(engine.stream(request, never))[-1].text for request in requests]  # type: ignore[union-attr]

    def together() -> list[str]:
        last = dict(engine.stream_together(requests, never))
        return [last[n].text for n in range(len(scans))]  # type: ignore[union-attr]

    def generated() -> list[str]:
        ids = [published.tokens(grey, words, 384) for grey in greys]
        return [published.model.tokenizer.decode(row).strip() for row in ids]

    if not alone() == together() == generated() == alone():
        raise RuntimeError("the drafts differ")
    ways: dict[str, Callable[[], object]] = {
        "published way, one by one": generated,
        "engine, one by one": alone,
        "engine, eight together": together,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        engine._encodings.clear()
        for name, way in ways.items():
            times[name].append(timed(way))
    count = sum(len(published.tokens(grey, words, 384)) for grey in greys)
    _print_writing(times, count)
    engine.close()


def _print_writing(times: dict[str, list[float]], count: int) -> None:
    first = statistics.median(times["published way, one by one"])
    print(f"\n**Eight drafts, {count} tokens**, bundled model, all ways write the same text\n")
    print("| | seconds | tokens/s | ratio |\n|---|---|---|---|")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.2f} | {count / middle:.0f} | {first / middle:.1f}× |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    waits(DEMO, (96, 192, 192), given.repeats)
    with tempfile.TemporaryDirectory() as folder:
        waits(published_size(Path(folder) / "model"), (128, 256, 256), given.repeats)
    writing(max(3, given.repeats // 2))


if __name__ == "__main__":
    main()
