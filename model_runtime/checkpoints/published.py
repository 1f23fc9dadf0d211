"""The published models' own ``config.json``, read as it is.

The vision-language model states its language model's sizes and its projector's; the encoder
is named, not described, and is always DCFormer-small. The contrastive model states even
less: its text tower's sizes are those of its tensors. Whatever says that the checkpoint
computes something else than this program does is refused by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from model_runtime.checkpoints.headers import Stored
from model_runtime.config import (
    ENCODERS,
    EncoderConfig,
    InputConfig,
    LanguageConfig,
    ProjectorConfig,
    PromptConfig,
    SiglipConfig,
    TextConfig,
    VlmConfig,
    published_7b,
)
from model_runtime.errors import WeightsError

VLM_TYPE, CONTRASTIVE_TYPE = "vlm_qwen", "dec_clip"
Table: TypeAlias = Mapping[str, Any]

_ENCODERS = {"dcformer": ENCODERS["small"]}
_FIXED: Table = {
    "mm_projector_type": "mixer",
    "vision_select_layer": -2,
    "vision_select_feature": "cls_patch",
    "hidden_act": "silu",
}
_ABSENT = ("quantization_config", "use_sliding_window", "tie_word_embeddings", "rope_scaling")
_HEAD_WIDTH = 64  # of every DistilBERT that was published


def vlm_config(table: Table, patch_token: int) -> tuple[VlmConfig, InputConfig]:
    """Read the vision-language model's configuration.

    Raises
    ------
    WeightsError
        Where it describes another model, or a field is missing.
    """
    try:
        encoder = _encoder(table.get("vision_tower"))
        _check_fixed(table)
        language = _language(table)
        projector = ProjectorConfig(
            low_input=_pair(table.get("low_input_size", (256, 384))),
            high_input=_pair(table.get("high_input_size", (32, 768))),
            low_tokens=_pair(table.get("low_output_size", (192, 128))),
            high_tokens=_pair(table.get("high_output_size", (64, 128))),
        )
        prompt = _prompt(table, patch_token)
        shape = _input_shape(table)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"config.json does not describe a published Med3DVLM: {error!r}."
        ) from error
    _check_projector(table, projector, encoder, shape)
    return VlmConfig(encoder, projector, language, prompt), InputConfig(shape)


def contrastive_config(
    table: Table, tensors: Mapping[str, Stored]
) -> tuple[SiglipConfig, tuple[int, int, int]]:
    """Read the contrastive model's configuration; returns it with the volume's shape (z, y, x).

    Raises
    ------
    WeightsError
        Where it describes another model, or a field is missing.
    """
    loss = table.get("loss_type")
    if loss != "sigmoid":
        raise _unknown("loss_type", loss, "sigmoid")
    try:
        encoder = _encoder(table.get("vision_encoder"))
        text = _text(table, tensors)
        return SiglipConfig(encoder, text, int(table["hidden_size"])), _input_shape(table)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"config.json does not describe a published contrastive model: {error!r}."
        ) from error


def _encoder(name: object) -> EncoderConfig:
    if not isinstance(name, str) or name not in _ENCODERS:
        raise _unknown("vision encoder", name, "dcformer")
    return _ENCODERS[name]


def _check_fixed(table: Table) -> None:
    for name, wanted in _FIXED.items():
        found = table.get(name, "silu" if name == "hidden_act" else None)
        if found != wanted:
            raise _unknown(name, found, wanted)
    for name in _ABSENT:
        if table.get(name):
            raise _unknown(name, table[name], "none")


def _unknown(name: str, found: object, wanted: object) -> WeightsError:
    return WeightsError(
        f"config.json states {name} {str(found)[:60]!r}; only {wanted!r} is computed here. "
        "The checkpoint belongs to another model."
    )


def _language(table: Table) -> LanguageConfig:
    rotary = table.get("rope_parameters") or {}
    if rotary.get("rope_type", "default") != "default":
        raise _unknown("rope_type", rotary["rope_type"], "default")
    theta = table["rope_theta"] if "rope_theta" in table else rotary["rope_theta"]
    return LanguageConfig(
        vocab_size=int(table["vocab_size"]),
        hidden_size=int(table["hidden_size"]),
        intermediate_size=int(table["intermediate_size"]),
        layers=int(table["num_hidden_layers"]),
        heads=int(table["num_attention_heads"]),
        kv_heads=int(table["num_key_value_heads"]),
        rope_theta=float(theta),
        rms_norm_eps=float(table["rms_norm_eps"]),
        max_positions=int(table["max_position_embeddings"]),
    )


def _prompt(table: Table, patch_token: int) -> PromptConfig:
    """Take the published layout of the prompt; only the tokens' ids differ."""
    ends = table["eos_token_id"]
    end = int(ends[0] if isinstance(ends, list) else ends)
    # Qwen's beginning of a text is never written and is what it pads with.
    pads = [table[name] for name in ("pad_token_id", "bos_token_id") if table.get(name) is not None]
    return replace(
        published_7b().vlm.prompt,
        patch_token=patch_token,
        eos_token=end,
        pad_token=int(pads[0]) if pads else end,
    )


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever stands in the file
    first, second = value
    return int(first), int(second)


def _input_shape(table: Table) -> tuple[int, int, int]:
    """Turn the stated (y, x, z) into (z, y, x)."""
    height, width, depth = table.get("input_size", (256, 256, 128))
    return int(depth), int(height), int(width)


def _check_projector(
    table: Table, projector: ProjectorConfig, encoder: EncoderConfig, shape: tuple[int, ...]
) -> None:
    """Compare the projector's sizes with what the encoder gives for such a volume."""
    low, high = (math.prod(math.ceil(side / cell) for side in shape) for cell in (32, 64))
    wanted = (low, encoder.channels[-2]), (high, encoder.channels[-1])
    stated = table.get("proj_out_num", projector.image_tokens)
    if (projector.low_input, projector.high_input) != wanted or stated != projector.image_tokens:
        raise WeightsError(
            f"config.json contradicts itself: a volume of {'×'.join(map(str, shape))} gives "
            f"{wanted[0]} and {wanted[1]}, its projector takes {projector.low_input} and "
            f"{projector.high_input} to {stated} image tokens."
        )


def _text(table: Table, tensors: Mapping[str, Stored]) -> TextConfig:
    """Read the text tower's sizes from its tensors; heads cannot be seen in them."""
    prefix = "language_encoder."
    words = tensors[prefix + "embeddings.word_embeddings.weight"].shape
    places = tensors[prefix + "embeddings.position_embeddings.weight"].shape
    layer = re.compile(re.escape(prefix) + r"transformer\.layer\.(\d+)\.ffn\.lin1\.weight")
    hidden = {int(m[1]): tensors[m[0]].shape[0] for m in map(layer.fullmatch, tensors) if m}
    heads = (table.get("text_config") or {}).get("n_heads", max(1, words[1] // _HEAD_WIDTH))
    return TextConfig(
        vocab_size=words[0],
        dim=words[1],
        hidden_dim=hidden[0],
        n_layers=len(hidden),
        n_heads=int(heads),
        max_position_embeddings=places[0],
    )
