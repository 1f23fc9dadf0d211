"""When memory runs out: a smaller placement, said so, and the whole answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.errors import NotEnoughMemoryError, WeightsError, is_out_of_memory
from model_runtime.fallback import FallbackEngine, ladder
from model_runtime.host import ProcessHost
from model_runtime.hosting import Hosting, gpu_count, open_engine
from model_runtime.placement import Placement, Precision

WHOLE = Placement("cpu", Precision.FLOAT32)
HALF = Placement("cpu", Precision.BFLOAT16)


@pytest.fixture
def fallback_of() -> Iterator[Callable[..., FallbackEngine]]:
    made: list[FallbackEngine] = []

    def make(load: Callable[[Placement], api.Engine], *rungs: Placement) -> FallbackEngine:
        made.append(FallbackEngine(load, rungs))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def _report(volume: api.VolumeInput) -> api.Request:
    return api.Request(1, api.Task.REPORT, volume, max_tokens=16)


def _events(engine: api.Engine, request: api.Request) -> list[api.Event]:
    return list(engine.stream(request, threading.Event()))


def _text(events: list[api.Event]) -> str:
    """What a reader has in the end."""
    text = ""
    for event in events:
        if isinstance(event, api.Notice) and event.restarts:
            text = ""
        text += event.text if isinstance(event, api.Token) else ""
    return text


def _too_much() -> torch.Tensor:
    return torch.empty(1 << 60, dtype=torch.uint8)


def _refused() -> None:
    raise NotEnoughMemoryError("It needs 14 GB; 4 GB are free.")


def test_the_ladder_leads_from_the_gpu_to_the_processor() -> None:
    assert ladder("cuda:1", Precision.BFLOAT16) == (
        Placement("cuda:1", Precision.BFLOAT16),
        Placement("cuda:1", Precision.INT8),
        Placement("cuda:1", Precision.INT4),
        Placement("cpu", Precision.BFLOAT16),
        Placement("cpu", Precision.INT8),
        Placement("cpu", Precision.INT4),
    )
    assert ladder("cpu", Precision.INT8) == (
        Placement("cpu", Precision.INT8),
        Placement("cpu", Precision.INT4),
    )


def test_gpus_are_counted_as_torch_counts_them() -> None:
    assert gpu_count() == torch.cuda.device_count()


def test_what_is_a_want_of_memory() -> None:
    with pytest.raises(RuntimeError) as torch_fault:
        _too_much()
    with pytest.raises(MemoryError) as numpy_fault:
        np.empty(1 << 60, np.uint8)
    for error in (torch_fault.value, numpy_fault.value, torch.OutOfMemoryError("CUDA")):
        assert is_out_of_memory(error)
    for other in (RuntimeError("shapes differ"), WeightsError("damaged"), OSError(2, "none")):
        assert not is_out_of_memory(other)


@pytest.mark.parametrize("place", ["projector", "lm_head"])
def test_a_request_that_runs_out_is_answered_whole_in_a_smaller_placement(
    fallback_of: Callable[..., FallbackEngine], tiny_model: Path, chest: api.VolumeInput, place: str
) -> None:
    loaded: list[LocalEngine] = []

    def load(placement: Placement) -> LocalEngine:
        loaded.append(LocalEngine(tiny_model, placement))
        if placement == WHOLE:
            # A part of the real network wants more than there is, at its third use.
            uses = [0]

            def run_out(*_: object) -> None:
                uses[0] += 1
                if uses[0] == (3 if place == "lm_head" else 1):
                    _too_much()

            part = getattr(loaded[-1]._model.vlm, place)
            part.register_forward_pre_hook(run_out)
        return loaded[-1]

    engine = fallback_of(load, WHOLE, HALF)
    events = _events(engine, _report(chest))
    (notice,) = [event for event in events if isinstance(event, api.Notice)]
    assert notice.restarts
    assert "on the processor with 32 bits" in notice.text
    assert "on the processor with 16 bits" in notice.text
    assert engine.placement == HALF
    assert loaded[0]._model is None, "the larger one is unloaded before the smaller one loads"
    smaller = LocalEngine(tiny_model, HALF)
    assert _text(events) == _text(_events(smaller, _report(chest)))
    (note,) = [each for each in events[-1].provenance.notes if "want of memory" in each]
    assert "16 bits" in note
    assert not any(isinstance(e, api.Notice) for e in _events(engine, _report(chest)))


@pytest.mark.parametrize(
    "fault",
    [_too_much, lambda: np.empty(1 << 60, np.uint8), _refused],
    ids=["torch", "numpy", "told beforehand"],
)
def test_loading_that_runs_out_steps_down_and_the_first_answer_says_so(
    fallback_of: Callable[..., FallbackEngine],
    tiny_model: Path,
    chest: api.VolumeInput,
    fault: Callable[[], object],
) -> None:
    def load(placement: Placement) -> LocalEngine:
        if placement == WHOLE:
            fault()
        return LocalEngine(tiny_model, placement)

    engine = fallback_of(load, WHOLE, HALF)
    assert engine.info.name == "tiny"
    first = _events(engine, _report(chest))[0]
    assert isinstance(first, api.Notice)
    assert not first.restarts
    assert not isinstance(_events(engine, _report(chest))[0], api.Notice)


def test_where_nothing_is_small_enough_it_is_said() -> None:
    tried: list[Placement] = []

    def load(placement: Placement) -> api.Engine:
        tried.append(placement)
        raise MemoryError

    with pytest.raises(NotEnoughMemoryError, match="however small"):
        FallbackEngine(load, (WHOLE, HALF))
    assert tried == [WHOLE, HALF]


def test_another_fault_is_no_reason_to_step_down() -> None:
    tried: list[Placement] = []

    def load(placement: Placement) -> api.Engine:
        tried.append(placement)
        raise WeightsError("damaged")

    with pytest.raises(WeightsError, match="damaged"):
        FallbackEngine(load, (WHOLE, HALF))
    assert tried == [WHOLE]


def test_a_gpu_that_is_not_there_is_told(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, Hosting(device="cuda:99"))
    events = _events(engine, api.Request(1, api.Task.EMBED_TEXT, text="nodule"))
    assert "No GPU cuda:99" in events[0].text
    assert engine.placement == WHOLE
    engine.close()


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of Linux")
def test_a_process_that_really_runs_out_of_memory(
    fallback_of: Callable[..., FallbackEngine], tiny_model: Path, chest: api.VolumeInput
) -> None:
    """The system refuses the process memory in the middle of its work; nothing is injected."""
    hosts: list[ProcessHost] = []

    def load(placement: Placement) -> ProcessHost:
        hosts.append(ProcessHost(tiny_model, placement))
        return hosts[-1]

    engine = fallback_of(load, WHOLE, HALF)
    # What is allocated once for all is there before the limit is set.
    assert isinstance(_events(engine, _report(chest))[-1], api.Done)
    # A slice is larger than any block that the process may have kept for later.
    wide = chest.voxels[::7].repeat(40, axis=1).repeat(40, axis=2)
    large = replace(chest, key="large", voxels=wide)
    _limit(hosts[0].process_id, large.voxels.nbytes + (2 << 20))
    events = _events(engine, _report(large))
    assert isinstance(events[-1], api.Done), events[-1]
    assert [e.restarts for e in events if isinstance(e, api.Notice)] == [True]
    assert engine.placement == HALF
    smaller = LocalEngine(tiny_model, HALF)
    assert _text(events) == _text(_events(smaller, _report(large)))


def _limit(process: int, more: int) -> None:
    """Let a process map only so many bytes more than it does now."""
    import resource

    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    (size,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmSize"))
    limit = 1024 * int(size) + more
    resource.prlimit(process, resource.RLIMIT_AS, (limit, limit))
