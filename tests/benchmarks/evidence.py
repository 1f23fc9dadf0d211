"""Whether evidence points at the finding and parts true sentences from others, and its cost.

Usage: ``PYTHONPATH=. python tests/benchmarks/evidence.py [--cases 80] [--first 200200]``

Prints Markdown tables for the demonstration model on phantoms that it was not trained on and
that no threshold was chosen on (those were the cases 200000 to 200113).
"""

from __future__ import annotations

import argparse
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from evidence_phantoms import Specimen, cells_on, specimens
from numpy.typing import NDArray
from torch import Tensor

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.evaluation.findings import stated_findings
from model_runtime.evidence import explain, likelihood_gradients, mean_log_likelihood, without_image
from model_runtime.evidence_maps import grad_cam, grid_of, hires_cam
from model_runtime.evidence_words import Words, told_tokens
from model_runtime.similarity import (
    FINEST,
    NORMAL,
    Similarity,
    similarity_gradients,
    similarity_maps,
)
from model_runtime.weights import LoadedModel

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "models" / "demo"
FORMS = {"gradient × activation (HiResCAM)": hires_cam, "Grad-CAM": grad_cam}
Map = NDArray[np.float32]


def proceed() -> None:
    """Nobody cancels here."""


class Bench:
    """The demonstration model and its phantoms."""

    def __init__(self, first: int, cases: int) -> None:
        self.engine = LocalEngine(FOLDER)
        self.model: LoadedModel = self.engine._model
        self.specimens = list(specimens(self.model, first, cases))

    def ask(self, **request: object) -> list[api.Event]:
        return list(self.engine.stream(api.Request(1, **request), threading.Event()))

    def words(self, context: str, target: str) -> Words:
        return Words(self.model.config.vlm.prompt.report, context, target, target)

    def similarity(self, specimen: Specimen, target: str) -> Similarity:
        texts = (target, *NORMAL)
        vector, *normal = (
            self.ask(task=api.Task.EMBED_TEXT, text=text)[-1].embedding for text in texts
        )
        return Similarity(specimen.similar, vector, np.mean(normal, axis=0), specimen.vector)

    def explained(self, specimen: Specimen, context: str, target: str) -> api.Evidence:
        return explain(
            self.model, specimen.states, specimen.ready, self.words(context, target),
            self.similarity(specimen, target), proceed,
        )  # fmt: skip

    def maps(self, specimen: Specimen, context: str, target: str) -> dict[tuple[str, int], Map]:
        """Both sources in both forms, by name and stage."""
        told = told_tokens(self.model, self.words(context, target))
        _, _, by_words = likelihood_gradients(self.model.vlm, specimen.states, told, proceed)
        given = self.similarity(specimen, target)
        pairs = {("likelihood", 3): (specimen.states[0][0], by_words[0][0])}
        fine = grid_of(specimen.ready.grey.shape, FINEST)
        whole = torch.from_numpy(given.sentence)
        for name, vector in (("similarity", whole), ("similarity less normal", given.contrast)):
            likened = similarity_gradients(self.model.siglip, given.finest, vector, fine)
            for stage, state, slope in zip((FINEST, FINEST + 1), *likened, strict=True):
                pairs[name, stage] = (state[0], slope[0])
        shape = specimen.ready.grey.shape
        agreed, _ = similarity_maps(self.model.siglip, given.finest, given.contrast, shape)
        apart = {
            (f"{source}, {form}", stage): formula(*pair).reshape(grid_of(shape, stage)).numpy()
            for (source, stage), pair in pairs.items()
            for form, formula in FORMS.items()
        }
        return {("what both stages agree on, as shown", FINEST): agreed.numpy(), **apart}


def area(right: list[float], wrong: list[float]) -> float:
    """Area under the curve: how often a right one is above a wrong one."""
    above = np.subtract.outer(right, wrong)
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def draft_sentences(bench: Bench, specimen: Specimen) -> Iterator[tuple[bool | None, str, str]]:
    """Sentences of the model's own draft: right or invented (None: no finding), and context."""
    text = bench.ask(task=api.Task.REPORT, volume=specimen.volume)[-1].text
    body = re.search(r"Findings:(.*?)\nImpression:", text, re.DOTALL)
    for match in re.finditer(r"[^.]+\.", body.group(1)) if body else ():
        target = match.group().strip()
        findings = stated_findings(target)
        right = specimen.case.find(findings[0].kind) is not None if findings else None
        yield right, target, text[: body.start(1) + match.start()]


def print_grounding(bench: Bench) -> None:
    """Nats per token by what the sentence is."""
    groups: dict[str, list[api.Evidence]] = defaultdict(list)
    for specimen in bench.specimens:
        for finding, target, before in specimen.told():
            name = "finding that is there" if finding else "true stock phrase, such as no effusion"
            groups[name].append(bench.explained(specimen, before, target))
        for target, before in specimen.others():
            evidence = bench.explained(specimen, before, target)
            groups["finding of another case of the region"].append(evidence)
        for right, target, before in draft_sentences(bench, specimen):
            name = {True: "the finding is there", False: "invented", None: "stock phrase"}[right]
            groups[f"drafted, {name}"].append(bench.explained(specimen, before, target))
    print("| sentence | n | nats per token, quartiles | grounded | localised |")
    print("|---|---|---|---|---|")
    for name, group in groups.items():
        quartiles = np.percentile([evidence.grounding for evidence in group], [25, 50, 75])
        print(
            f"| {name} | {len(group)} | {' · '.join(f'{value:+.2f}' for value in quartiles)} "
            f"| {np.mean([e.grounded for e in group]):.0%} "
            f"| {np.mean([e.localised for e in group]):.0%} |"
        )


@torch.no_grad()
def print_removals(bench: Bench) -> None:
    """Compare ways to take the image away."""
    vlm = bench.model.vlm
    grey = torch.zeros(1, 1, *bench.model.config.input.shape)
    air = vlm.project(*vlm.encoder(grey)[-2:])
    mean = [torch.cat([s.states[n] for s in bench.specimens]).mean(0, keepdim=True) for n in (0, 1)]
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "zeros in place of the image's tokens (used)": lambda image: without_image(vlm, image),
        "no image tokens": lambda image: image[:, :0],
        "the image's mean token": lambda image: image.mean(1, keepdim=True).expand_as(image),
        "encoding of air": lambda _: air,
        "mean hidden state of all scans": lambda _: vlm.project(*mean),
    }
    gains: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    for specimen in bench.specimens:
        image = vlm.project(*specimen.states)
        true = [(0, text, before) for finding, text, before in specimen.told() if finding]
        for side, text, before in (*true, *((1, *other) for other in specimen.others())):
            told = told_tokens(bench.model, bench.words(before, text))
            seen = float(mean_log_likelihood(vlm, image, told))
            for name, way in ways.items():
                gain = seen - float(mean_log_likelihood(vlm, way(image), told))
                gains[name][side].append(gain)
    print("\n| without the image: | area under the curve, there or of another case |\n|---|---|")
    for name, (right, wrong) in gains.items():
        print(f"| {name} | {area(right, wrong):.2f} |")


def print_pointing(bench: Bench) -> None:
    """Strongest cell within or touching the finding's box, against three kinds of luck."""
    hits: dict[tuple[str, int], list[tuple[float, ...]]] = defaultdict(list)
    judged = []
    for place, specimen in enumerate(bench.specimens):
        region = specimen.case.region
        rest = bench.specimens[place + 1 :] + bench.specimens[:place]
        stranger = next(other for other in rest if other.case.region == region)
        for finding, target, before in specimen.told():
            if finding is None or cells_on(specimen, finding, FINEST) is None:
                continue
            strange = bench.maps(stranger, stranger.head, target)
            for key, values in bench.maps(specimen, before, target).items():
                on, shifted = (cells_on(specimen, finding, key[1], by) for by in (0.0, 0.5))
                top, blind = int(values.argmax()), int(strange[key].argmax())
                hits[key].append(
                    (on.flat[top], on.flat[blind], shifted.flat[top], on.mean(), shifted.mean())
                )
            on = cells_on(specimen, finding, FINEST)
            evidence = bench.explained(specimen, before, target)
            judged.append((evidence.localised, on.flat[int(evidence.maps[0].values.argmax())]))
    print(f"\n{len(judged)} findings of one place; share of hits")
    print("| source and form | stage | hits | the same sentence on another scan "
          "| cells half further | any cell | any, half further |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for (name, stage), rows in hits.items():
        shares = " | ".join(f"{share:.0%}" for share in np.mean(rows, axis=0))
        print(f"| {name} | {stage} | {shares} |")
    for said, label in ((True, "localised"), (False, "not localised")):
        row = [hit for localised, hit in judged if localised == said]
        who = f"told as {label} ({len(row)} of {len(judged)})"
        print(f"| {who} | {FINEST} | {np.mean(row):.0%} | | | | |")


def milliseconds(works: dict[str, Callable[[], object]], rounds: int = 40) -> dict[str, float]:
    """Median time of each, taken in turns, so that what else runs here weighs on all alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(spent) for name, spent in times.items()}


def print_cost(bench: Bench) -> None:
    """Time of one sentence's evidence beside the forward pass that wrote it."""
    specimen = bench.specimens[0]
    _, target, before = specimen.told()[-1]
    words = bench.words(before, target)
    told = told_tokens(bench.model, words)
    vlm, grey = bench.model.vlm, torch.from_numpy(specimen.ready.grey)[None, None]
    given = bench.similarity(specimen, target)

    def look(similarity: Similarity | None) -> api.Evidence:
        return explain(bench.model, specimen.states, specimen.ready, words, similarity, proceed)

    @torch.no_grad()
    def forward(states: tuple[Tensor, Tensor]) -> Tensor:
        return mean_log_likelihood(vlm, vlm.project(*states), told)

    rows = {
        "forward, projector and decoder": lambda: forward(specimen.states),
        "forward, encoder too": lambda: forward(tuple(vlm.encoder(grey)[-2:])),
        "evidence by similarity": lambda: look(given),
        "evidence by likelihood": lambda: look(None),
    }
    times = milliseconds(rows)
    once = times["forward, projector and decoder"]
    print(f"\n| one sentence behind {len(told[0])} tokens | ms | forward passes |\n|---|---|---|")
    for name, spent in times.items():
        print(f"| {name} | {spent:.1f} | {spent / once:.1f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--first", type=int, default=200_200)
    given = parser.parse_args()
    bench = Bench(given.first, given.cases)
    print_grounding(bench)
    print_removals(bench)
    print_pointing(bench)
    print_cost(bench)


if __name__ == "__main__":
    main()
