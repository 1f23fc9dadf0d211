"""Evidence of a sentence: right gradients, honest outcomes, bounded cost, bad words refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model_runtime import api
from model_runtime.answering import StoppedError
from model_runtime.engine import LocalEngine
from model_runtime.evidence import (
    FOCUSED_EXCESS,
    GROUNDED_NATS,
    MATCHED,
    explain,
    has_place,
    likelihood_gradients,
    mean_log_likelihood,
)
from model_runtime.evidence_maps import Focus
from model_runtime.evidence_words import Words, told_tokens
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.similarity import Similarity, similarity_gradients, similarity_states

EFFUSION = "There is a moderate left pleural effusion."
NORMAL = "No pericardial effusion."


@pytest.fixture
def engine(repository: Path) -> Iterator[LocalEngine]:
    """The bundled demonstration model."""
    loaded = LocalEngine(repository / "resources" / "models" / "demo")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def effusion() -> api.VolumeInput:
    """A synthetic chest with an effusion on the left and no pneumothorax."""
    voxels, matrix = render(sample_case(200_054), (64, 128, 128))
    return api.VolumeInput("effusion", voxels, matrix, "CT", "CHEST")


def _head(engine: LocalEngine) -> str:
    return "Technique: Synthetic CT of the chest, axial plane, arterial phase.\nFindings: "


def _ask(engine: LocalEngine, volume: api.VolumeInput | None, **more: object) -> list[api.Event]:
    request = api.Request(1, api.Task.EVIDENCE, volume, **{"context": _head(engine), **more})
    return list(engine.stream(request, threading.Event()))


def _evidence(engine: LocalEngine, volume: api.VolumeInput, target: str) -> api.Evidence:
    *_, evidence, done = _ask(engine, volume, target=target)
    assert isinstance(done, api.Done), done
    assert isinstance(evidence, api.Evidence)
    return evidence


def _states(engine: LocalEngine, volume: api.VolumeInput) -> tuple[Tensor, Tensor]:
    _ask(engine, volume, target=EFFUSION)
    kept = next(iter(engine._encodings._kept.values()))
    assert kept.states is not None
    return kept.states


def _told(engine: LocalEngine, target: str) -> tuple[list[int], int]:
    prompt = engine._model.config.vlm.prompt.report
    return told_tokens(engine._model, Words(prompt, _head(engine), target, target))


def _proceed() -> None:
    """Nobody cancels."""


def test_a_finding_is_grounded_and_pointed_at(
    engine: LocalEngine, effusion: api.VolumeInput
) -> None:
    evidence = _evidence(engine, effusion, EFFUSION)
    assert evidence.grounded
    assert evidence.grounding > GROUNDED_NATS
    assert evidence.localised
    assert "on the patient's left, at the back" in evidence.note
    finest, coarsest = evidence.maps
    assert finest.values.shape == (3, 6, 6)
    assert coarsest.values.shape == (2, 3, 3)
    assert finest.values.max() == 1
    top = np.argwhere(finest.values == 1)[0][::-1]
    assert (finest.index_to_lps @ [*top, 1])[0] > 0
    assert all(f"{size:.0f}" in evidence.note for size in finest.cell_mm)


def test_a_stock_phrase_is_said_from_habit(engine: LocalEngine, effusion: api.VolumeInput) -> None:
    evidence = _evidence(engine, effusion, NORMAL)
    assert not evidence.grounded
    assert not evidence.localised
    assert evidence.note.startswith("The model's evidence is not localised.")
    assert "habit" in evidence.note


def test_what_is_explained_is_as_likely_as_when_it_was_written(
    engine: LocalEngine, effusion: api.VolumeInput
) -> None:
    events = list(engine.stream(api.Request(1, api.Task.REPORT, effusion), threading.Event()))
    written = [event.logprob for event in events if isinstance(event, api.Token)]
    model = engine._model
    told = told_tokens(model, Words(model.config.vlm.prompt.report, "", events[-1].text, ""))
    assert told[1] == len(written)
    image = model.vlm.project(*_states(engine, effusion))
    with torch.inference_mode():
        value = mean_log_likelihood(model.vlm, image, told)
    assert float(value) == pytest.approx(np.mean(written), abs=1e-4)


def test_likelihood_gradient_is_that_of_finite_differences(
    engine: LocalEngine, effusion: api.VolumeInput
) -> None:
    vlm, states = engine._model.vlm, _states(engine, effusion)
    told = _told(engine, EFFUSION)
    _, _, gradients = likelihood_gradients(vlm, states, told, _proceed)
    for place, gradient in enumerate(gradients):
        way = gradient / gradient.norm()
        step = float(1e-2 / gradient.norm())
        with torch.inference_mode():
            values = []
            for sign in (1, -1):
                moved = list(states)
                moved[place] = states[place] + sign * step * way
                values.append(mean_log_likelihood(vlm, vlm.project(*moved), told))
            up, down = values
        assert float(up - down) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.02)


def test_similarity_gradient_is_that_of_finite_differences(engine: LocalEngine) -> None:
    siglip = engine._model.siglip.double()
    generator = torch.Generator().manual_seed(0)
    fine, coarse = engine._model.config.siglip.encoder.channels[2:4]
    finest = torch.randn(1, 108, fine, generator=generator, dtype=torch.float64)
    sentence = torch.randn(256, generator=generator, dtype=torch.float64)
    (_, coarser), (slope, _) = similarity_gradients(siglip, finest, sentence, (3, 6, 6))
    way = torch.randn(finest.shape, generator=generator, dtype=torch.float64)
    values = []
    for sign in (1, -1):
        moved = finest + sign * 1e-5 * way
        with torch.no_grad():
            values.append(similarity_states(siglip, moved, sentence, (3, 6, 6))[0])
    found = float(values[0] - values[1]) / 2e-5
    assert found == pytest.approx(float((slope * way).sum()), rel=1e-5)
    assert coarser.shape == (1, 18, coarse)


class _OneCell(nn.Module):
    """A stage that looks at one cell of that before it only."""

    def __init__(self, cell: tuple[int, int, int], times: int) -> None:
        super().__init__()
        self.cell, self.times = cell, times

    def forward(self, x: Tensor) -> Tensor:
        z, y, x_ = self.cell
        seen = x[:, :, y, x_, z].repeat(1, self.times)
        return seen[:, :, None, None, None].expand(-1, -1, 3, 3, 2)


@pytest.mark.parametrize("cell", [(0, 2, 1), (2, 0, 5)])
def test_a_model_that_looks_at_one_cell_is_found_out(
    engine: LocalEngine,
    effusion: api.VolumeInput,
    monkeypatch: pytest.MonkeyPatch,
    cell: tuple[int, int, int],
) -> None:
    _ask(engine, effusion, target=EFFUSION)
    siglip = engine._model.siglip
    channels = engine._model.config.siglip.encoder.channels
    times = channels[4] // channels[2]
    siglip.vision_encoder.encoder.s3 = _OneCell(cell, times)
    siglip.vision_encoder.encoder.s4 = nn.Identity()
    kept = next(iter(engine._encodings._kept.values()))
    seen = kept.contrastive.reshape(3, 6, 6, -1)[cell].repeat(times)
    # Without a constant part a unit vector does not change with its own length.
    siglip.mm_vision_proj.bias.data = torch.linspace(-9, 9, 256)
    wanted = torch.nn.functional.normalize(siglip.mm_vision_proj.weight @ seen, dim=0)
    monkeypatch.setattr("model_runtime.engine._text_embedding", lambda *_: wanted.numpy())
    monkeypatch.setattr("model_runtime.engine._normal_embedding", lambda *_: 0 * wanted.numpy())
    evidence = _evidence(engine, effusion, EFFUSION)
    expected = np.zeros((3, 6, 6), np.float32)
    expected[cell] = 1
    np.testing.assert_array_equal(evidence.maps[0].values, expected)
    assert evidence.localised


def test_a_model_blind_to_the_image_says_so(engine: LocalEngine, effusion: api.VolumeInput) -> None:
    for mixer in (engine._model.vlm.projector.low_mixer, engine._model.vlm.projector.high_mixer):
        last = mixer[-1].mlp2.mm_projector[1][1]
        last.weight.zero_()
        last.bias.zero_()
    evidence = _evidence(engine, effusion, EFFUSION)
    assert evidence.grounding == 0
    assert not evidence.grounded
    assert not evidence.localised
    assert "not localised" in evidence.note


def test_a_focused_map_of_a_wording_that_does_not_fit_claims_no_place(
    engine: LocalEngine, effusion: api.VolumeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _evidence(engine, effusion, EFFUSION)
    assert shown.localised
    monkeypatch.setattr("model_runtime.similarity.Similarity.match", MATCHED - 1e-6)
    evidence = _evidence(engine, replace(effusion, key="again"), EFFUSION)
    np.testing.assert_allclose(evidence.maps[0].values, shown.maps[0].values, atol=1e-5)
    assert evidence.grounded
    assert not evidence.localised
    assert evidence.note.endswith("does not find that this wording fits the scan.")


@pytest.mark.parametrize(
    ("match", "excess", "expected"),
    [
        (MATCHED, FOCUSED_EXCESS, True),
        (MATCHED - 0.01, 1.0, False),
        (1.0, FOCUSED_EXCESS - 0.01, False),
    ],
)
def test_a_place_needs_a_match_and_a_focus(match: float, excess: float, expected: bool) -> None:
    assert has_place(match, Focus((0, 0, 0), 1.0, excess)) is expected


def test_a_match_is_of_the_sentence_less_the_normal() -> None:
    one, two = np.eye(3, dtype=np.float32)[:2]
    similarity = Similarity(torch.zeros(1, 1, 1), one, 0.25 * two, 0.6 * one + 0.8 * two)
    assert similarity.match == pytest.approx(0.6 - 0.2)


def test_a_similarity_that_nothing_moves_is_not_localised(
    engine: LocalEngine, effusion: api.VolumeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.zeros(256, np.float32)
    monkeypatch.setattr("model_runtime.engine._text_embedding", lambda *_: nothing)
    evidence = _evidence(engine, effusion, EFFUSION)
    assert evidence.grounded
    assert not evidence.localised
    assert all(not drawn.values.any() for drawn in evidence.maps)
    assert evidence.note == (
        "The model's evidence is not localised. Its contrastive model does not find that this "
        "wording fits the scan."
    )


def test_without_a_contrastive_model_no_place_is_claimed(
    engine: LocalEngine, effusion: api.VolumeInput
) -> None:
    engine._model = replace(engine._model, contrastive=None)
    evidence = _evidence(engine, effusion, EFFUSION)
    assert evidence.grounded
    assert not evidence.localised
    assert "contrastive" in evidence.note
    assert evidence.maps[0].values.max() == 1


@pytest.mark.parametrize(("contrastive", "backward"), [(True, 0), (False, 1)])
def test_cost_in_passes(
    engine: LocalEngine, effusion: api.VolumeInput, contrastive: bool, backward: int
) -> None:
    """At most two passes of the decoder forward and one back; no encoder runs again."""
    _ask(engine, effusion, target=EFFUSION)
    if not contrastive:
        engine._model = replace(engine._model, contrastive=None)
    vlm = engine._model.vlm
    counted = {"decoder": 0, "encoder": 0, "back": 0}

    def count(name: str) -> None:
        counted[name] += 1

    vlm.model.layers[0].register_forward_hook(lambda *_: count("decoder"))
    vlm.model.layers[0].register_full_backward_hook(lambda *_: count("back"))
    vlm.encoder.register_forward_hook(lambda *_: count("encoder"))
    for _ in range(2):
        _ask(engine, effusion, target=NORMAL)
    assert counted == {"decoder": 4, "encoder": 0, "back": 2 * backward}
    assert all(weight.grad is None for weight in vlm.parameters())
    assert engine.counters.prepared == engine.counters.encoded == engine.counters.embedded == 1


def test_explaining_can_be_cancelled_at_every_step(
    engine: LocalEngine, effusion: api.VolumeInput
) -> None:
    whole = len(_ask(engine, effusion, target=EFFUSION))
    for count in range(whole - 1):
        cancelled, seen = threading.Event(), []
        if count == 0:
            cancelled.set()
        fresh = replace(effusion, key=f"cancelled {count}")
        request = api.Request(1, api.Task.EVIDENCE, fresh, target=EFFUSION)
        for event in engine.stream(request, cancelled):
            seen.append(event)
            if len(seen) == count:
                cancelled.set()
        assert isinstance(seen[-1], api.Stopped)
        assert not any(isinstance(event, api.Evidence) for event in seen)


@pytest.mark.parametrize(("contrastive", "steps"), [(True, 3), (False, 3)])
def test_explaining_stops_between_its_passes(
    engine: LocalEngine, effusion: api.VolumeInput, contrastive: bool, steps: int
) -> None:
    states = _states(engine, effusion)
    kept = next(iter(engine._encodings._kept.values()))
    vector = kept.embedding
    similarity = (
        Similarity(kept.contrastive, vector, 0 * vector, vector) if contrastive else None
    )
    words = Words(engine._model.config.vlm.prompt.report, "", EFFUSION, EFFUSION)
    for allowed in range(steps + 1):
        asked = []

        def check(asked: list[int] = asked, allowed: int = allowed) -> None:
            asked.append(1)
            if len(asked) > allowed:
                raise StoppedError

        if allowed == steps:
            explain(engine._model, states, kept.input, words, similarity, check)
        else:
            with pytest.raises(StoppedError):
                explain(engine._model, states, kept.input, words, similarity, check)
