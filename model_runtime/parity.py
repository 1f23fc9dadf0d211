"""Recompute golden numbers of the published model.

``python -m model_runtime.parity FILE.json …`` prints the largest difference per quantity and
exits with 1 where one is over the tolerance, with 2 where a file cannot be used. The weights
are those of a fixed recipe, drawn from each tensor's name, so no checkpoint is needed. A file
without ``kind`` lists the keys and shapes of the published 7B checkpoint.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_runtime.config import (
    ENCODERS,
    EncoderConfig,
    LanguageConfig,
    ProjectorConfig,
    PromptConfig,
    SiglipConfig,
    TextConfig,
    VlmConfig,
)
from model_runtime.dcformer import DCFormer
from model_runtime.decode import Sampling, advance, prefix_cache, tokens
from model_runtime.fast_encoder import FastEncoder
from model_runtime.siglip import Siglip, sigmoid_loss
from model_runtime.stepping import KeyValues
from model_runtime.vlm import Vlm

TOLERANCE = 1e-3
Golden = Mapping[str, Any]
Difference = tuple[str, float]
"""A quantity's name and its largest difference; see :func:`_difference`."""


def fill(network: nn.Module) -> None:
    """Put the recipe's weights into a network, each tensor drawn from its own name."""
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.ndim:
            tensor.copy_(_recipe(name, tuple(tensor.shape)))


def _recipe(name: str, shape: tuple[int, ...]) -> Tensor:
    random = np.random.RandomState(zlib.crc32(name.encode()))
    drawn = random.standard_normal(int(np.prod(shape))).astype(np.float32).reshape(shape)
    normal: NDArray[np.floating[Any]] = drawn
    if name.endswith("running_var"):
        normal = 1 + 0.1 * np.abs(normal)
    elif name.endswith("running_mean"):
        normal = 0.1 * normal
    elif name.endswith(".scale"):
        normal = 0.5 * normal
    elif len(shape) == 1:
        normal = 1 + 0.1 * normal if name.endswith("weight") else 0.05 * normal
    else:
        normal = normal / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(normal.astype(np.float32))


def _volume(golden: Golden) -> Tensor:
    random = np.random.RandomState(golden["volume_seed"])
    return torch.from_numpy(random.rand(*golden["volume_shape"]).astype(np.float32))


def _difference(found: Tensor, wanted: object) -> float:
    """Largest over the elements of the smaller of absolute and relative difference.

    Infinite where the shapes differ or a value is not a number.
    """
    target = torch.as_tensor(wanted, dtype=torch.float64)
    if found.shape != target.shape:
        return float("inf")
    gap = (found.double() - target).abs() / target.abs().clamp_min(1)
    return float(gap.max()) if torch.isfinite(gap).all() else float("inf")


def _probe(found: Tensor, probe: Golden) -> float:
    """Difference at the probed places, and of mean and standard deviation over all."""
    if list(found.shape) != probe["shape"]:
        return float("inf")
    whole = found.double()
    spread = torch.stack((whole.mean(), whole.std()))
    return max(
        _difference(found.flatten()[probe["idx"]], probe["val"]),
        _difference(spread, (probe["mean"], probe["std"])),
    )


def _keys(network: nn.Module, golden: Golden) -> Iterator[Difference]:
    """Compare names and shapes with those listed; a list may leave the encoder out."""
    if "keys" not in golden:
        return
    own = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    listed = golden["keys"]
    if not any(".s0." in name for name in listed):
        own = {name: shape for name, shape in own.items() if ".encoder.s" not in name}
    odd = {name for name in own.keys() | listed.keys() if own.get(name) != listed.get(name)}
    yield "keys that differ", float(len(odd))


def _encoder(golden: Golden) -> EncoderConfig:
    """Name the encoder's preset; the published files leave it out and mean ``small``."""
    return ENCODERS[golden.get("preset", golden.get("config", {}).get("preset", "small"))]


def check_encoder(golden: Golden) -> Iterator[Difference]:
    """Compare an encoder's hidden states."""
    network = DCFormer(_encoder(golden)).eval()
    fill(network)
    yield from _keys(network, golden)
    if "params" in golden:
        count = sum(parameter.numel() for parameter in network.parameters())
        yield "parameters", abs(count - golden["params"])
    volume = _volume(golden)
    for form, encoder in (("", network), (", fast form", FastEncoder(network))):
        states = zip(encoder.iterate(volume), golden["hidden"], strict=True)
        for stage, (state, probe) in enumerate(states):
            yield f"hidden state {stage}{form}", _probe(state, probe)


def check_siglip(golden: Golden) -> Iterator[Difference]:
    """Compare the contrastive model's embeddings, similarities and loss."""
    text = {name: value for name, value in golden["text_config"].items() if name != "model"}
    width = golden["image"]["shape"][1]
    network = Siglip(SiglipConfig(_encoder(golden), TextConfig(**text), width)).eval()
    fill(network)
    network.t_prime.fill_(golden.get("t_prime", math.log(10)))
    network.bias.fill_(golden.get("bias", -10.0))
    yield from _keys(network, golden)
    given = golden["input"]
    image = network.embed_volume(_volume(given))
    words = network.embed_text(torch.tensor(given["ids"]), torch.tensor(given["mask"]))
    yield "image embedding", _probe(image, golden["image"])
    yield "text embedding", _probe(words, golden["text"])
    yield "similarity", _difference(image @ words.T, golden["similarity"])
    loss = sigmoid_loss(image, words, network.t_prime, network.bias)
    yield "loss", _difference(loss, golden["distributed_sigmoid_loss"])


def vlm_config(golden: Golden) -> VlmConfig:
    """Read the configuration that a golden file states."""
    stated = golden["config"]
    return VlmConfig(
        encoder=_encoder(golden),
        projector=ProjectorConfig(
            low_input=tuple(stated["low_input_size"]),
            high_input=tuple(stated["high_input_size"]),
            low_tokens=tuple(stated["low_output_size"]),
            high_tokens=tuple(stated["high_output_size"]),
        ),
        language=LanguageConfig(
            vocab_size=stated["vocab"],
            hidden_size=stated["hidden_size"],
            intermediate_size=stated["intermediate"],
            layers=stated["layers"],
            heads=stated["heads"],
            kv_heads=stated["kv_heads"],
            rope_theta=stated["rope_theta"],
            rms_norm_eps=stated["rms_norm_eps"],
        ),
        # The golden run had no end token: an id outside the vocabulary never comes.
        prompt=PromptConfig(patch_token=golden["patch_token"], eos_token=-1),
    )


def check_vlm(golden: Golden) -> Iterator[Difference]:
    """Compare projector, prompt embeddings, logits and greedy tokens."""
    network = Vlm(vlm_config(golden)).eval()
    fill(network)
    yield from _keys(network, golden)
    image = network.image_tokens(_volume(golden))
    yield "projector output", _probe(image, golden["projected"])
    prompt = network.prompt_embeddings(image, torch.tensor([golden["text_ids"]]))
    yield "prompt embeddings", _probe(prompt, golden["prompt_embeds"])
    yield "last logits", _difference(network.logits(prompt)[0, -1], golden["logits_last"])
    cache = prefix_cache(network, prompt[:, :-1])
    yield "greedy tokens that differ", _unlike(network, cache, prompt[:, -1:], golden)
    yield from _engines_way(network, golden)


def _engines_way(network: Vlm, golden: Golden) -> Iterator[Difference]:
    """Compare what the engine does: fast encoder, image prefix first, then the text."""
    *_, low, high = FastEncoder(network.encoder)(_volume(golden))
    image = network.project(low, high)
    ids = golden["text_ids"]
    text = network.embed_ids(ids[1:] if network.config.prompt.drops_first_text_token else ids)
    prompt = torch.cat((image, text), dim=1)
    yield "prompt embeddings, engine", _probe(prompt, golden["prompt_embeds"])
    cache = prefix_cache(network, image)
    logits = advance(network, cache.forked(), text)
    yield "last logits, engine", _difference(logits[0, -1], golden["logits_last"])
    yield "greedy tokens that differ, engine", _unlike(network, cache, text, golden)


def _unlike(network: Vlm, cache: KeyValues, prompt: Tensor, golden: Golden) -> float:
    """Count greedy tokens that are not the golden ones."""
    drawn = tokens(network, cache, prompt, Sampling(), len(golden["greedy"]))
    pairs = zip((token for token, _ in drawn), golden["greedy"], strict=True)
    return float(sum(found != wanted for found, wanted in pairs))


def check_published_keys(golden: Golden) -> Iterator[Difference]:
    """Compare names and shapes with the published 7B model's, without its 31 GB of weights."""
    config = VlmConfig(ENCODERS["small"], ProjectorConfig(), LanguageConfig(), PromptConfig())
    with torch.device("meta"):
        network = Vlm(config)
    yield from _keys(network, {"keys": golden})


_CHECKS = {
    "encoder": check_encoder,
    "siglip": check_siglip,
    "vlm": check_vlm,
    "published keys": check_published_keys,
}


def check(path: Path) -> list[Difference]:
    """Compare one golden file with what this program computes.

    Raises
    ------
    ValueError
        Where the file cannot be read, or asks for something unknown.
    """
    try:
        golden = json.loads(path.read_text(encoding="utf-8"))
        with torch.inference_mode():
            return list(_CHECKS[golden.get("kind", "published keys")](golden))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a golden file of a known form: {error!r}") from error


def main(arguments: list[str] | None = None) -> int:
    """Check files; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m model_runtime.parity", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args(arguments)
    worst = 0.0
    for path in options.files:
        try:
            differences = check(path)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        for name, difference in differences:
            sys.stdout.write(f"{path.name}: {name}: {difference:.2e}\n")
            worst = max(worst, difference)
    return int(worst > options.tolerance)


if __name__ == "__main__":
    sys.exit(main())
