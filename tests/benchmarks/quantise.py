"""Size, speed and agreement of the language model in every precision, in one run.

``python -m tests.benchmarks.quantise [--reports 20] [--rounds 5] [--threads N]`` prints Markdown
tables for the bundled model and for a random decoder of 12 layers, 1024 wide. Speed is the median
of interleaved rounds, float32 first in each. Agreement is measured on drafts for synthetic scans
that the bundled model never saw.

``--device cuda --preset published_7b`` measures a random decoder of the published size against
``transformers.generate`` of the same weights. That part has never been run on a GPU: the machines
that this was written on have none.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from model_runtime.config import LanguageConfig
from model_runtime.decode import Sampling, advance, prefix_cache, tokens
from model_runtime.evaluation.answers import model_input
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.language import report
from model_runtime.placement import Placement, Precision
from model_runtime.quantise import quantise, weight_bytes
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel, load_folder, save_folder

ROOT = Path(__file__).resolve().parents[2]
FIRST_SEED = 200_000
MEGA = 1e6
MIDDLE = LanguageConfig(32_000, 1024, 2816, layers=12, heads=16, kv_heads=4, max_positions=1024)


@dataclass(frozen=True)
class Size:
    """Megabytes of the decoder layers and of the whole model."""

    layers: float
    whole: float


@dataclass(frozen=True)
class Agreement:
    """Against the same model in float32, each between 0 and 1, and the perplexity."""

    same_start: float
    same_choice: float
    whole_drafts: int
    perplexity: float


def own_memory() -> float:
    """Megabytes that this process holds for itself: maps of files do not count."""
    if not sys.platform.startswith("linux"):
        return float(psutil.Process().memory_info().rss / MEGA)
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("RssAnon:")[1].split()[0]) * 1024 / MEGA


def loading(folder: Path, precision: Precision) -> tuple[float, float]:
    """Megabytes that this process grows by when it loads a model: afterwards, and at most."""
    before, most, done = own_memory(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            most.append(own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    model = load_folder(folder, Placement("cpu", precision))
    after = own_memory()
    done.set()
    watcher.join()
    del model
    return after - before, max(*most, after) - before


def loaded_apart(folder: Path, precision: Precision) -> tuple[float, float]:
    """Measure :func:`loading` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(loading, (folder, precision))


def stored(vlm: Vlm) -> tuple[dict[Precision, Vlm], dict[Precision, Size]]:
    """Copy a model into every precision."""
    forms, sizes = {}, {}
    for precision in Precision:
        copied = copy.deepcopy(vlm)
        quantise(copied, precision)
        layers, whole = weight_bytes(copied.model.layers), weight_bytes(copied)
        sizes[precision] = Size(layers / MEGA, whole / MEGA)
        forms[precision] = copied
    return forms, sizes


def seconds_per_token(vlm: Vlm, image: Tensor, prompt: Tensor, count: int) -> float:
    """Write ``count`` tokens behind an image, greedily, never stopping early."""
    cache = prefix_cache(vlm, image)
    logits = advance(vlm, cache, vlm.embed(prompt))
    began = time.perf_counter()
    for _ in range(count):
        logits = advance(vlm, cache, vlm.embed(logits[:, -1].argmax(-1, keepdim=True)))
    return (time.perf_counter() - began) / count


def pace(
    forms: dict[Precision, Vlm], image: Tensor, prompt: Tensor, count: int, rounds: int
) -> dict[Precision, float]:
    """Tokens per second: medians of interleaved rounds after one that is not counted."""
    times: dict[Precision, list[float]] = {precision: [] for precision in forms}
    for _ in range(rounds + 1):
        for precision, vlm in forms.items():
            times[precision].append(seconds_per_token(vlm, image, prompt, count))
    return {precision: 1 / statistics.median(taken[1:]) for precision, taken in times.items()}


def drafted(vlm: Vlm, image: Tensor, prompt: Tensor) -> list[int]:
    """The tokens of a greedy draft."""
    cache = prefix_cache(vlm, image)
    return [token for token, _ in tokens(vlm, cache, vlm.embed(prompt), Sampling(), 200)]


def rows_for(vlm: Vlm, image: Tensor, prompt: Tensor, ids: list[int]) -> Tensor:
    """Log-probabilities at the place of each of ``ids`` (length × vocabulary)."""
    line = torch.cat((prompt, torch.tensor([ids[:-1]])), dim=1)
    logits = advance(vlm, prefix_cache(vlm, image), vlm.embed(line))
    return torch.log_softmax(logits[0, -len(ids) :], dim=-1)


def agreements(
    model: LoadedModel, forms: dict[Precision, Vlm], images: Sequence[Tensor], cases: Sequence[Case]
) -> dict[Precision, Agreement]:
    """Compare every form's drafts and likelihoods with those of float32."""
    prompt = encoded(model, model.config.vlm.prompt.report)
    drafts = [drafted(forms[Precision.FLOAT32], image, prompt) for image in images]
    truths = [
        [*encoded(model, report(case, np.random.default_rng(case.seed)))[0].tolist(),
         model.config.vlm.prompt.eos_token]
        for case in cases
    ]  # fmt: skip
    table = {}
    for precision, vlm in forms.items():
        starts, choices, surprise = [], [], []
        for image, draft, truth in zip(images, drafts, truths, strict=True):
            starts.append(shared_start(draft, drafted(vlm, image, prompt)))
            chosen = rows_for(vlm, image, prompt, draft).argmax(1)
            choices.append(float((chosen == torch.tensor(draft)).float().mean()))
            rows = rows_for(vlm, image, prompt, truth)
            surprise += (-rows[torch.arange(len(truth)), torch.tensor(truth)]).tolist()
        table[precision] = Agreement(
            float(np.mean(starts)), float(np.mean(choices)), starts.count(1.0),
            float(np.exp(np.mean(surprise))),
        )  # fmt: skip
    return table


def shared_start(wanted: list[int], got: list[int]) -> float:
    """Share of a draft before the first token that differs."""
    pairs = zip(wanted, got, strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(got)))
    return same / max(len(wanted), len(got))


def encoded(model: LoadedModel, text: str) -> Tensor:
    """Token ids of a text, shape (1, length)."""
    return torch.tensor([model.tokenizer.encode(text, add_special_tokens=False).ids])


def demo_table(options: argparse.Namespace) -> None:
    """Print the bundled model's table."""
    model = load_folder(ROOT / "resources" / "models" / "demo")
    cases = [sample_case(FIRST_SEED + n) for n in range(options.reports)]
    images = [model.vlm.image_tokens(model_input(case, model)[None]) for case in cases]
    forms, sizes = stored(model.vlm)
    agreed = agreements(model, forms, images, cases)
    prompt = encoded(model, model.config.vlm.prompt.report)
    paces = pace(forms, images[0], prompt, 100, options.rounds)
    print(f"\nBundled model, {len(cases)} drafts for synthetic scans:\n")
    print(
        "| precision | layers, MB | whole model, MB | tokens/s | against float32 | draft equal up"
        " to | whole drafts equal | same next token | perplexity of true reports |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for form, size in sizes.items():
        a, ratio = agreed[form], paces[form] / paces[Precision.FLOAT32]
        print(
            f"| {form} | {size.layers:.2f} | {size.whole:.1f} | {paces[form]:.0f} | {ratio:.2f}×"
            f" | {a.same_start:.1%} | {a.whole_drafts} of {len(cases)} | {a.same_choice:.2%}"
            f" | {a.perplexity:.4f} |"
        )


def middle_table(options: argparse.Namespace) -> None:
    """Print the table of a decoder whose weights do not fit in the processor's caches."""
    model = load_folder(ROOT / "resources" / "models" / "demo")
    torch.manual_seed(0)
    config = replace(model.config, vlm=replace(model.config.vlm, language=MIDDLE))
    vlm = Vlm(config.vlm).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as name:
        save_folder(Path(name), config, model.tokenizer, model.siglip, vlm, "random")
        memory = {precision: loaded_apart(Path(name), precision) for precision in Precision}
    forms, sizes = stored(vlm)
    image, prompt = torch.randn(1, 192, MIDDLE.hidden_size) * 0.02, torch.arange(10)[None]
    paces = pace(forms, image, prompt, 16, options.rounds)
    count = sum(weight.numel() for weight in vlm.parameters()) / MEGA
    print(f"\nRandom decoder, {MIDDLE.layers} layers × {MIDDLE.hidden_size}, {count:.0f} M:\n")
    print(
        "| precision | layers, MB | whole model, MB | process grows by, MB | at most while loading"
        " | tokens/s | against float32 |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for form, size in sizes.items():
        ratio = paces[form] / paces[Precision.FLOAT32]
        after, most = memory[form]
        print(
            f"| {form} | {size.layers:.0f} | {size.whole:.0f} | {after:.0f} | {most:.0f}"
            f" | {paces[form]:.1f} | {ratio:.2f}× |"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--preset", choices=("demo", "published_7b"), default="demo")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.preset == "published_7b":
        if options.device != "cuda" or not torch.cuda.is_available():
            print("The published size is measured on a GPU only, and torch finds none here.")
            return 1
        from tests.benchmarks.quantise_7b import published_table

        published_table("cuda", options.rounds)
        return 0
    load = os.getloadavg()[0]
    with torch.inference_mode():
        demo_table(options)
        middle_table(options)
    print(f"\n{options.threads} thread(s); load {load:.1f} before, {os.getloadavg()[0]:.1f} after.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
