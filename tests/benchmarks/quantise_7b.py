"""A random decoder of the published size on a GPU: the library's way against ours, in one run.

The library's way is ``transformers.generate`` of the same bfloat16 weights as it comes. Ours is a
cache of fixed length and one compiled step per token, replayed as a CUDA graph, in each precision.
Called by ``python -m tests.benchmarks.quantise --device cuda --preset published_7b``; never run on
a GPU so far. ``published_table`` was run on a CPU with a small decoder only.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen2ForCausalLM, StaticCache

from model_runtime.config import LanguageConfig
from model_runtime.language import qwen2_config
from model_runtime.placement import Precision
from model_runtime.quantise import quantise_layer, weight_bytes

IMAGE, TEXT, WRITTEN = 256, 24, 128
GIGA = 1e9

Step = Callable[[nn.Module, Any, Tensor, Tensor], Tensor]


def random_decoder(config: LanguageConfig, device: str) -> Qwen2ForCausalLM:
    """Build the library's decoder with random bfloat16 weights, layer by layer on the device."""
    torch.manual_seed(0)
    with torch.device("meta"):
        decoder = Qwen2ForCausalLM(qwen2_config(config)).to(torch.bfloat16)
    decoder.to_empty(device=device)
    for name, weight in decoder.named_parameters():
        if name.endswith("norm.weight"):
            nn.init.ones_(weight)
        else:
            nn.init.normal_(weight, std=0.02)
    rotary = decoder.model.rotary_emb
    decoder.model.rotary_emb = type(rotary)(decoder.config).to(device)
    return decoder.eval().requires_grad_(False)


def step(decoder: nn.Module, cache: Any, token: Tensor, place: Tensor) -> Tensor:
    """Run one token (1 × 1) at ``place`` (1,) through the decoder; returns the next."""
    state = decoder.model(
        input_ids=token, past_key_values=cache, use_cache=True, position_ids=place[None]
    )
    return decoder.lm_head(state.last_hidden_state[:, -1]).argmax(-1, keepdim=True)


def ours(
    decoder: nn.Module, one: Step, prompt: Tensor, cache: Any, count: int
) -> tuple[list[int], float]:
    """Write ``count`` tokens behind ``prompt`` (1 × length × hidden); returns them and seconds."""
    cache.reset()
    synchronise(prompt)
    began = time.perf_counter()
    state = decoder.model(inputs_embeds=prompt, past_key_values=cache, use_cache=True)
    token = decoder.lm_head(state.last_hidden_state[:, -1]).argmax(-1, keepdim=True)
    written = [token]
    for place in range(prompt.shape[1], prompt.shape[1] + count - 1):
        # The graph writes its result where the last one lies, so it is copied.
        token = one(decoder, cache, token, torch.tensor([place], device=prompt.device)).clone()
        written.append(token)
    ids = torch.cat(written, dim=1)[0].tolist()
    return ids, time.perf_counter() - began


def library(decoder: Qwen2ForCausalLM, prompt: Tensor, count: int) -> float:
    """Seconds that the library needs for the same."""
    mask = torch.ones(prompt.shape[:2], dtype=torch.long, device=prompt.device)
    synchronise(prompt)
    began = time.perf_counter()
    decoder.generate(
        inputs_embeds=prompt, attention_mask=mask, do_sample=False, use_cache=True,
        min_new_tokens=count, max_new_tokens=count, pad_token_id=0,
    ).tolist()  # fmt: skip
    return time.perf_counter() - began


def synchronise(like: Tensor) -> None:
    """Wait until the device has nothing left to do."""
    if like.is_cuda:
        torch.cuda.synchronize()


def compare(
    config: LanguageConfig, precision: Precision, device: str, rounds: int, mode: str
) -> tuple[float, float, float]:
    """Gigabytes of the decoder, the library's tokens per second in bfloat16, and ours."""
    decoder = random_decoder(config, device)
    prompt = torch.randn(1, IMAGE + TEXT, config.hidden_size, device=device).bfloat16() * 0.02
    library(decoder, prompt, 8)
    theirs = statistics.median(library(decoder, prompt, WRITTEN) for _ in range(rounds))
    for layer in decoder.model.layers:
        quantise_layer(layer, precision)
    one = torch.compile(step, mode=mode, fullgraph=True, dynamic=False)
    cache = StaticCache(config=decoder.config, max_cache_len=IMAGE + TEXT + WRITTEN)
    ours(decoder, one, prompt, cache, 8)
    mine = statistics.median(ours(decoder, one, prompt, cache, WRITTEN)[1] for _ in range(rounds))
    return weight_bytes(decoder) / GIGA, WRITTEN / theirs, WRITTEN / mine


@torch.no_grad()
def published_table(device: str, rounds: int, config: LanguageConfig | None = None) -> None:
    """Print size and speed of every precision; the two ways take turns for each."""
    print("| precision | decoder, GB | transformers.generate, bfloat16, tokens/s | ours | ratio |")
    print("|---|--:|--:|--:|--:|")
    mode = "reduce-overhead" if device.startswith("cuda") else "default"
    for precision in (Precision.BFLOAT16, Precision.INT8, Precision.INT4):
        size, theirs, mine = compare(
            config or LanguageConfig(), precision, device, rounds, mode
        )
        print(f"| {precision} | {size:.2f} | {theirs:.1f} | {mine:.1f} | {mine / theirs:.2f}× |")
        torch.compiler.reset()
        gc.collect()
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
