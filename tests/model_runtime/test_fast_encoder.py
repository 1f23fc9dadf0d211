"""The inference form of the encoder computes what the published form computes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model_runtime import axis_conv
from model_runtime.config import ENCODERS, EncoderConfig
from model_runtime.dcformer import DCFormer
from model_runtime.fast_encoder import FastEncoder, encoder_dtype
from model_runtime.parity import fill
from model_runtime.placement import Placement, Precision


def _plain(preset: str) -> DCFormer:
    """Build an encoder whose layer scales and statistics are far from their initial values."""
    encoder = DCFormer(ENCODERS[preset]).eval()
    with torch.inference_mode():
        fill(encoder)
    return encoder


def _volume(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def _worst(found: list[Tensor], wanted: list[Tensor]) -> float:
    assert [state.shape for state in found] == [state.shape for state in wanted]
    return max(
        float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("preset", ["nano", "naive", "tiny", "small", "base", "demo"])
@torch.inference_mode()
def test_every_preset_agrees_in_all_hidden_states(preset: str) -> None:
    plain, volume = _plain(preset), _volume(1, 1, 32, 64, 64)
    assert _worst(FastEncoder(plain)(volume), plain(volume)) < 1e-5


@pytest.mark.parametrize(
    "shape", [(1, 1, 33, 47, 61), (3, 1, 32, 32, 36), (1, 1, 1, 40, 40), (1, 1, 5, 3, 2)]
)
@torch.inference_mode()
def test_odd_shapes_batches_and_single_slices_agree(shape: tuple[int, ...]) -> None:
    plain, volume = _plain("nano"), _volume(*shape)
    assert _worst(FastEncoder(plain)(volume), plain(volume)) < 1e-5


@torch.inference_mode()
def test_a_bright_corner_agrees_at_the_border() -> None:
    """The stem's first two layers are merged; padding between them is where that could show."""
    plain, volume = _plain("nano"), torch.zeros(1, 1, 32, 32, 32)
    volume[0, 0, :4, :4, :4] = 100
    volume[0, 0, -4:, -4:, -4:] = -100
    assert _worst(FastEncoder(plain)(volume), plain(volume)) < 1e-5


@torch.inference_mode()
def test_the_documented_convolution_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, volume = _plain("nano"), _volume(1, 1, 32, 64, 64)
    assert axis_conv._FUSED, "this processor should have the fused convolution"
    fused = FastEncoder(plain)(volume)
    monkeypatch.setattr(axis_conv, "_FUSED", False)
    assert _worst(FastEncoder(plain)(volume), fused) < 1e-5


@pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor has no bfloat16"
)
@torch.inference_mode()
def test_half_precision_points_the_same_way() -> None:
    plain, volume = _plain("small"), _volume(1, 1, 64, 128, 128)
    wanted = plain(volume)[-1].mean(dim=1)
    found = FastEncoder(plain, torch.bfloat16)(volume)[-1]
    assert found.dtype == torch.float32
    assert float(torch.cosine_similarity(found.mean(dim=1), wanted)) > 0.999


def test_the_plain_encoder_is_left_as_it_was() -> None:
    plain = _plain("nano")
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    FastEncoder(plain, torch.bfloat16)
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.state_dict().items())


def test_two_stems_are_refused() -> None:
    twice = DCFormer(EncoderConfig((2, 1, 1, 1, 1), (1, 8, 8, 8, 8)))
    with pytest.raises(ValueError, match="one stem"):
        FastEncoder(twice)


def test_precision_follows_the_placement() -> None:
    assert encoder_dtype(Placement()) is torch.float32
    assert encoder_dtype(Placement("cuda", Precision.INT4)) is torch.bfloat16


@pytest.mark.parametrize("shape", [(1, 4, 6, 8, 3), (2, 5, 7, 1, 2), (1, 1, 1, 1, 4)])
def test_the_maximum_by_axes_is_the_librarys(shape: tuple[int, ...]) -> None:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.max_pool3d(x.permute(0, 4, 1, 2, 3), 3, 2, 1)
    assert torch.equal(axis_conv.axis_max(x), wanted.permute(0, 2, 3, 4, 1))
