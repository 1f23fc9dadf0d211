"""The language model: Qwen2 from transformers, built from our own configuration."""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import nn

from model_runtime.config import LanguageConfig

LibraryConfig: TypeAlias = Any


def qwen2_config(config: LanguageConfig) -> LibraryConfig:
    """Translate to the library's configuration; every value is set, none is inherited."""
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.max_positions,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=False,
        use_cache=True,
    )


def build_decoder(config: LanguageConfig) -> nn.Module:
    """Build the decoder without its head: embeddings, layers, final norm."""
    from transformers import Qwen2Model

    decoder: nn.Module = Qwen2Model(qwen2_config(config))
    return decoder
