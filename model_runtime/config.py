"""What a model is made of: frozen values, named presets, and their JSON form."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from model_runtime.api import HuWindow, Region
from model_runtime.json_text import parse_json


@dataclass(frozen=True)
class EncoderConfig:
    """DCFormer: blocks and channels per stage; the first entry is the stem."""

    blocks: tuple[int, int, int, int, int]
    channels: tuple[int, int, int, int, int]
    in_channels: int = 1


ENCODERS: dict[str, EncoderConfig] = {
    "nano": EncoderConfig((1, 1, 1, 1, 1), (32, 32, 64, 128, 256)),
    "naive": EncoderConfig((1, 2, 2, 2, 2), (32, 64, 128, 256, 512)),
    "tiny": EncoderConfig((1, 2, 3, 3, 2), (64, 96, 192, 384, 768)),
    "small": EncoderConfig((1, 2, 3, 6, 2), (64, 96, 192, 384, 768)),
    "base": EncoderConfig((1, 2, 6, 6, 2), (64, 128, 256, 512, 1024)),
    "large": EncoderConfig((1, 2, 6, 12, 2), (64, 256, 512, 1024, 2048)),
    "demo": EncoderConfig((1, 1, 2, 2, 2), (16, 64, 128, 256, 512)),
}


@dataclass(frozen=True)
class TextConfig:
    """The contrastive model's text tower, a DistilBERT."""

    vocab_size: int
    dim: int = 768
    hidden_dim: int = 3072
    n_layers: int = 6
    n_heads: int = 12
    max_position_embeddings: int = 512


@dataclass(frozen=True)
class SiglipConfig:
    """The contrastive model: volume encoder, text tower, common width."""

    encoder: EncoderConfig
    text: TextConfig
    width: int = 768


@dataclass(frozen=True)
class ProjectorConfig:
    """Dual-stream mixer: (tokens, channels) in, tokens after each of the two layers."""

    low_input: tuple[int, int] = (256, 384)
    high_input: tuple[int, int] = (32, 768)
    low_tokens: tuple[int, int] = (192, 128)
    high_tokens: tuple[int, int] = (64, 128)

    @property
    def image_tokens(self) -> int:
        """Tokens that the language model sees: low stream, then high stream."""
        return self.low_tokens[1] + self.high_tokens[1]


@dataclass(frozen=True)
class LanguageConfig:
    """A Qwen2 decoder."""

    vocab_size: int = 151_666
    hidden_size: int = 3584
    intermediate_size: int = 18_944
    layers: int = 28
    heads: int = 28
    kv_heads: int = 4
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    max_positions: int = 32_768


@dataclass(frozen=True)
class PromptConfig:
    """Token layout around the image.

    The published model keeps the embedding of the first ``<im_patch>``, lays the image
    tokens after it and goes on behind them, so the first token of the text is lost;
    its weights expect that (``drops_first_text_token``).

    ``before_question`` and ``before_answer`` stand between the image and a question, and
    between a prompt and what is written; the published model was trained with a space.
    """

    patch_token: int = 151_665
    eos_token: int = 151_645
    pad_token: int = 151_643
    drops_first_text_token: bool = True
    report: str = "Describe the findings of this scan."
    before_question: str = ""
    before_answer: str = ""


@dataclass(frozen=True)
class InputConfig:
    """What the encoder takes.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x) of the volume after resizing.
    windows : dict
        Default window of each body region, HU.
    antialias : bool
        Average over the acquired voxels of a cell before resizing, where the grid gets coarser.
    smoothing : float
        Width (standard deviation in the model's voxels) of a Gaussian over the resized volume.
        The encoder's first layer looks along three lines of every 4 × 4 × 4 cell only; on a
        coarse grid a small lesion beside them is not seen at all unless it is spread a little.
    """

    shape: tuple[int, int, int] = (128, 256, 256)
    windows: dict[Region, HuWindow] = field(
        default_factory=lambda: {
            Region.CHEST: HuWindow(-1350, 150),
            Region.ABDOMEN: HuWindow(-160, 240),
            Region.HEAD: HuWindow(0, 80),
        }
    )
    antialias: bool = False
    smoothing: float = 0.0


@dataclass(frozen=True)
class VlmConfig:
    """The vision-language model."""

    encoder: EncoderConfig
    projector: ProjectorConfig
    language: LanguageConfig
    prompt: PromptConfig


@dataclass(frozen=True)
class ModelConfig:
    """Everything in a model folder: both networks and their common input."""

    name: str
    demonstration: bool
    input: InputConfig
    siglip: SiglipConfig
    vlm: VlmConfig

    def to_json(self) -> str:
        """Write as JSON, keys as the fields are named."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            Where a field is missing, unknown or of the wrong form.
        """
        try:
            table = parse_json(text)
            return cls(
                name=str(table["name"]),
                demonstration=bool(table["demonstration"]),
                input=_input(table["input"]),
                siglip=SiglipConfig(
                    encoder=_encoder(table["siglip"]["encoder"]),
                    text=TextConfig(**table["siglip"]["text"]),
                    width=int(table["siglip"]["width"]),
                ),
                vlm=VlmConfig(
                    encoder=_encoder(table["vlm"]["encoder"]),
                    projector=ProjectorConfig(**_tuples(table["vlm"]["projector"])),
                    language=LanguageConfig(**table["vlm"]["language"]),
                    prompt=PromptConfig(**table["vlm"]["prompt"]),
                ),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"config.json does not describe a model of this program: {error}"
            ) from error


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _encoder(table: dict[str, Any]) -> EncoderConfig:
    return EncoderConfig(**_tuples(table))


def _input(table: dict[str, Any]) -> InputConfig:
    windows = {Region(key): HuWindow(**value) for key, value in table["windows"].items()}
    return InputConfig(
        tuple(table["shape"]),
        windows,
        bool(table["antialias"]),
        float(table.get("smoothing", 0.0)),
    )


def published_7b() -> ModelConfig:
    """Describe the published Med3DVLM: DCFormer-small, ClinicalBERT, Qwen2.5-7B."""
    encoder = ENCODERS["small"]
    return ModelConfig(
        name="Med3DVLM-Qwen-2.5-7B",
        demonstration=False,
        input=InputConfig(),
        siglip=SiglipConfig(encoder, TextConfig(vocab_size=119_547)),
        vlm=VlmConfig(
            encoder,
            ProjectorConfig(),
            LanguageConfig(),
            PromptConfig(
                report="Can you provide a caption consists of findings for this medical image?",
                before_question=" ",
                before_answer=" ",
            ),
        ),
    )


_DEMO_INPUT = InputConfig(
    shape=(48, 96, 96),
    windows={
        Region.CHEST: HuWindow(-1100, 700),
        Region.ABDOMEN: HuWindow(-160, 340),
        Region.HEAD: HuWindow(0, 90),
    },
    antialias=True,
    smoothing=1.2,
)


def demo_config(vocab_size: int, name: str = "Tomoscribe demonstration model") -> ModelConfig:
    """Describe the bundled model: small enough to train and run on a CPU (about 9 M parameters)."""
    encoder = ENCODERS["demo"]
    return ModelConfig(
        name=name,
        demonstration=True,
        input=_DEMO_INPUT,
        siglip=SiglipConfig(
            encoder,
            TextConfig(vocab_size, dim=256, hidden_dim=512, n_layers=2, n_heads=4),
            width=256,
        ),
        vlm=VlmConfig(
            encoder,
            ProjectorConfig(
                low_input=(18, encoder.channels[3]),
                high_input=(4, encoder.channels[4]),
                low_tokens=(18, 16),
                high_tokens=(8, 8),
            ),
            LanguageConfig(
                vocab_size=vocab_size,
                hidden_size=256,
                intermediate_size=640,
                layers=4,
                heads=4,
                kv_heads=2,
                rope_theta=10_000.0,
                max_positions=1024,
            ),
            PromptConfig(patch_token=2, eos_token=1, pad_token=0, drops_first_text_token=False),
        ),
    )
