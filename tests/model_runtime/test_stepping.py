"""The decoder's way is the library's: same states, whole or step by step, padded or not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model_runtime.config import LanguageConfig
from model_runtime.language import build_decoder
from model_runtime.stepping import empty_cache, stacked, step

WIDTH = 64


@pytest.fixture(scope="module")
def decoder() -> torch.nn.Module:
    torch.manual_seed(0)
    language = LanguageConfig(100, WIDTH, 128, layers=3, heads=4, kv_heads=2, max_positions=512)
    built = build_decoder(language).eval().requires_grad_(False)
    for parameter in built.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return built


def _words(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, length, WIDTH, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_whole_and_in_parts_agree_with_the_library(decoder: torch.nn.Module) -> None:
    words = _words(2, 23)
    wanted = decoder(inputs_embeds=words).last_hidden_state
    whole = step(decoder, empty_cache(decoder), words)
    torch.testing.assert_close(whole, wanted, atol=1e-5, rtol=1e-5)
    cache = empty_cache(decoder)
    parts = [step(decoder, cache, part) for part in words.split((11, 5, 1, 1, 5), dim=1)]
    assert cache.length == 23
    torch.testing.assert_close(torch.cat(parts, dim=1), wanted, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_rows_padded_in_front_are_what_they_are_alone(decoder: torch.nn.Module) -> None:
    images, short, long = _words(2, 9), _words(1, 3, 1), _words(1, 6, 2)
    prefixes = []
    for image in images:
        prefixes.append(empty_cache(decoder))
        step(decoder, prefixes[-1], image[None])
    alone = [
        step(decoder, prefix.forked(), words)[0, -1]
        for prefix, words in zip(prefixes, (short, long), strict=True)
    ]
    padded = torch.cat((torch.cat((torch.full((1, 3, WIDTH), 50.0), short), dim=1), long))
    mask = torch.ones(2, 15)
    mask[0, 9:12] = 0
    positions = torch.tensor([[9, 9, 9, 9, 10, 11], [9, 10, 11, 12, 13, 14]])
    together = step(decoder, stacked(prefixes), padded, positions, mask)[:, -1]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_fork_leaves_its_origin_alone(decoder: torch.nn.Module) -> None:
    cache = empty_cache(decoder)
    step(decoder, cache, _words(1, 4))
    kept = [layer.keys.clone() for layer in cache.layers]
    first, second = cache.forked(), cache.forked()
    once = step(decoder, first, _words(1, 2, 1))
    step(decoder, first, _words(1, 3, 2))
    again = step(decoder, second, _words(1, 2, 1))
    assert (cache.length, first.length, second.length) == (4, 9, 6)
    assert all(torch.equal(a, layer.keys) for a, layer in zip(kept, cache.layers, strict=True))
    assert torch.equal(once, again)


@torch.inference_mode()
def test_half_precision_stays_close_to_the_library(decoder: torch.nn.Module) -> None:
    narrow = build_decoder(
        LanguageConfig(100, WIDTH, 128, layers=3, heads=4, kv_heads=2, max_positions=512)
    )
    narrow.load_state_dict(decoder.state_dict())
    narrow = narrow.eval().to(torch.bfloat16)
    # Rotary frequencies need every bit; the loader keeps them whole too.
    narrow.rotary_emb.inv_freq = decoder.rotary_emb.inv_freq
    words = _words(1, 40)
    wanted = narrow(inputs_embeds=words.bfloat16()).last_hidden_state
    found = step(narrow, empty_cache(narrow), words)
    assert found.dtype == torch.bfloat16
    likeness = torch.cosine_similarity(found.float(), wanted.float(), dim=-1)
    assert float(likeness.min()) > 0.999
