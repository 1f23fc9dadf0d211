"""Texts written side by side are those written one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render


@pytest.fixture(scope="module")
def engine(repository: Path) -> Iterator[LocalEngine]:
    """Load the bundled model: noise would write the same for every scan."""
    loaded = LocalEngine(repository / "resources" / "models" / "demo")
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def scans() -> list[api.VolumeInput]:
    out = []
    for seed in (1, 2, 5, 8):
        voxels, matrix = render(sample_case(seed), (48, 80, 80))
        out.append(api.VolumeInput(f"scan {seed}", voxels, matrix, "CT"))
    return out


def _alone(engine: LocalEngine, request: api.Request) -> api.Event:
    return list(engine.stream(request, threading.Event()))[-1]


def _together(engine: LocalEngine, requests: list[api.Request]) -> dict[int, api.Event]:
    """Return the last event of each ticket."""
    return dict(engine.stream_together(requests, threading.Event()))


def test_drafts_of_several_scans_equal_those_made_alone(
    engine: LocalEngine, scans: list[api.VolumeInput]
) -> None:
    requests = [
        api.Request(n, api.Task.REPORT, scan, max_tokens=120) for n, scan in enumerate(scans)
    ]
    found = _together(engine, requests)
    for request in requests:
        alone, beside = _alone(engine, request), found[request.ticket]
        assert isinstance(alone, api.Done)
        assert isinstance(beside, api.Done)
        assert beside.text == alone.text
        assert replace(beside.provenance, seconds=0, created="") == replace(
            alone.provenance, seconds=0, created=""
        )
    assert len({event.text for event in found.values()}) > 1, "the scans should differ"


def test_prompts_of_different_length_and_sampling_do_not_disturb_each_other(
    engine: LocalEngine, scans: list[api.VolumeInput]
) -> None:
    question = api.Task.QUESTION
    requests = [
        api.Request(1, api.Task.REPORT, scans[0], max_tokens=60),
        api.Request(2, question, scans[1], "What is wrong?", max_tokens=20),
        api.Request(
            3, question, scans[2], "Which organ shows an abnormality in this scan?",
            temperature=0.8, seed=4, max_tokens=30,
        ),
        api.Request(4, question, scans[0], "In which plane was this scan acquired?"),
    ]  # fmt: skip
    found = _together(engine, requests)
    for request in requests:
        assert found[request.ticket].text == _alone(engine, request).text


def test_one_that_cannot_be_answered_does_not_hold_up_the_others(
    engine: LocalEngine, scans: list[api.VolumeInput]
) -> None:
    air = replace(scans[0], key="air", voxels=np.full_like(scans[0].voxels, -1000))
    requests = [
        api.Request(1, api.Task.REPORT, air),
        api.Request(2, api.Task.REPORT, scans[1], max_tokens=20),
        api.Request(3, api.Task.QUESTION, scans[1], "Side?", ("left", "right")),
    ]
    found = _together(engine, requests)
    assert isinstance(found[1], api.Failed)
    assert isinstance(found[2], api.Done)
    assert isinstance(found[3], api.Failed)


def test_cancelling_ends_all(engine: LocalEngine, scans: list[api.VolumeInput]) -> None:
    cancelled, last = threading.Event(), {}
    requests = [api.Request(n, api.Task.REPORT, scan) for n, scan in enumerate(scans[:2])]
    for ticket, event in engine.stream_together(requests, cancelled):
        last[ticket] = event
        if isinstance(event, api.Progress) and event.stage is api.Stage.WRITE:
            cancelled.set()
    assert all(isinstance(event, api.Stopped) for event in last.values())


def test_numbers_that_break_down_in_one_row_spare_the_others(
    engine: LocalEngine, scans: list[api.VolumeInput]
) -> None:
    requests = [api.Request(n, api.Task.REPORT, scans[n], max_tokens=20) for n in (0, 1)]
    wanted = _alone(engine, requests[0])
    _alone(engine, requests[1])
    kept = engine._encodings._kept[(scans[1].key, None)]
    kept.prefix.layers[0].values = kept.prefix.layers[0].values * torch.nan
    found = _together(engine, requests)
    del engine._encodings._kept[(scans[1].key, None)]
    assert found[0].text == wanted.text
    assert isinstance(found[1], api.Failed)
    assert "not numbers" in found[1].message
