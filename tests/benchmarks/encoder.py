"""The inference form of DCFormer against the published form, side by side in one run.

``python -m tests.benchmarks.encoder [--preset small] [--shape 128 256 256] [--repeats 9]`` prints
a Markdown table. The forms take turns, so a busy machine slows all of them. Weights are those
of the parity recipe, whose layer scales make every block count. Memory is the rise of a fresh
process' peak while it encodes once. ``--device cuda`` was written without a GPU at hand and
has never been run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from model_runtime.config import ENCODERS
from model_runtime.dcformer import DCFormer
from model_runtime.fast_encoder import FastEncoder
from model_runtime.parity import fill

Form = Callable[[Tensor], list[Tensor]]
FORMS = (
    "published form, float32",
    "published form, float32, channels-last",
    "published form, bfloat16, channels-last",
    "inference form, float32",
    "inference form, bfloat16",
)


def plain(preset: str) -> DCFormer:
    """Build the published form with the parity recipe's weights."""
    encoder = DCFormer(ENCODERS[preset]).eval().requires_grad_(False)
    fill(encoder)
    return encoder


def form(name: str, preset: str, device: str) -> Form:
    """Build one of :data:`FORMS`; each takes float32 and gives the hidden states."""
    encoder = plain(preset).to(device)
    dtype = torch.bfloat16 if "bfloat16" in name else torch.float32
    if name.startswith("inference"):
        return FastEncoder(encoder, dtype)
    if "channels-last" in name:
        encoder = encoder.to(memory_format=torch.channels_last_3d)
    encoder = encoder.to(dtype)
    return lambda volume: encoder(volume.to(dtype))


def seconds(run: Form, volume: Tensor) -> float:
    """Time one pass, waiting for the device."""
    if volume.is_cuda:
        torch.cuda.synchronize()
    began = time.perf_counter()
    run(volume)
    if volume.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


def memory_rise(name: str, given: argparse.Namespace) -> float:
    """Peak memory of one pass in MiB, on the processor in a process of its own."""
    if given.device != "cpu":
        run, volume = form(name, given.preset, given.device), scan(given)
        run(volume)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run(volume)
        return float(torch.cuda.max_memory_allocated() - before) / 2**20
    command = [sys.executable, "-m", "tests.benchmarks.encoder", "--preset", given.preset]
    command += ["--shape", *map(str, given.shape), "--memory", name]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def print_memory_rise(given: argparse.Namespace) -> None:
    """Encode once and print how far the peak rose, in MiB."""
    run, volume = form(given.memory, given.preset, "cpu"), scan(given)
    # The library's first call allocates what stays; a small volume takes that out.
    run(volume[..., :32, :32, :32])
    # Linux: forgets the peak that building the model had reached.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = resident("VmRSS")
    run(volume)
    sys.stdout.write(f"{resident('VmHWM') - before}\n")


def resident(entry: str) -> float:
    """Memory of this process in MiB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry)) / 1024


def scan(given: argparse.Namespace) -> Tensor:
    """Make a volume (1 × 1 × depth × height × width) of even noise in [0, 1]."""
    noise = torch.rand(1, 1, *given.shape, generator=torch.Generator().manual_seed(1))
    return noise.to(given.device)


def pooled(states: list[Tensor]) -> Tensor:
    """Mean of the last hidden state: what the contrastive model projects."""
    return states[-1].float().mean(dim=1)


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="small", choices=sorted(ENCODERS))
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 256, 256))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", choices=FORMS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        print_memory_rise(given)
        return
    volume = scan(given)
    runs = {name: form(name, given.preset, given.device) for name in FORMS}
    wanted = pooled(runs[FORMS[0]](volume))
    likeness = {
        name: float(torch.cosine_similarity(pooled(run(volume)).double(), wanted.double()))
        for name, run in runs.items()
    }
    times: dict[str, list[float]] = {name: [] for name in FORMS}
    for _ in range(given.repeats):
        for name, run in runs.items():
            times[name].append(seconds(run, volume))
    first = statistics.median(times[FORMS[0]])
    print("| form | seconds (least … most) | volumes/s | ratio | cosine | peak memory |")
    print("|---|---|---|---|---|---|")
    for name in FORMS:
        middle = statistics.median(times[name])
        print(
            f"| {name} | {middle:.3f} ({min(times[name]):.3f} … {max(times[name]):.3f}) "
            f"| {1 / middle:.1f} | {first / middle:.1f}× | {likeness[name]:.6f} "
            f"| {memory_rise(name, given):.0f} MiB |"
        )


if __name__ == "__main__":
    main()
