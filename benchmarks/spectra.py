"""Cost of monitoring: a whole Adam step with group spectra, against the same step without.

Everything is measured in one run, in turns, and compared turn by turn, so that the ratios hold on
a machine whose speed drifts. Writes its table into docs/benchmarks.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurospect.cohorts.mnist import read_packaged_digits
from neurospect.spectra import GradientSpectra
from table import write_section

STEPS, TURNS = 16, 25


@dataclass(frozen=True)
class Case:
    """Size of one comparison."""

    samples: int
    groups: int
    sorted: bool


def main() -> None:
    torch.set_num_threads(2)
    digits = torch.from_numpy(np.array(read_packaged_digits().array))
    digits = digits[torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))]
    rows = []
    for samples in (1000, 5000):
        for groups in (2, 4):
            for in_order in (True, False):
                rows.append(measure(digits[:samples], Case(samples, groups, in_order)))
                print(rows[-1], flush=True)
    write_section(Path(__file__).parent.parent / "docs" / "benchmarks.md", "spectra", TEXT, rows)


TEXT = f"""\
## Gradient spectra in the training pass

A whole Adam step of a 784-32-784 auto-encoder on real digits, full batch, with the spectra of the
group gradients of all layers at every step, as multiples of the same step unmonitored. "Group by
group" is `spectra.backward(...)`, the way in which the workflow trains; "in the pass" watches a
loop's own `loss.backward()` through hooks. "Naive" keeps the graph, runs one backward pass per
group and decomposes each gradient with `torch.linalg.svd`, or with `svdvals`. Each ratio is the
median over {TURNS} turns of {STEPS} steps (fewer for the naive ways), taken in alternation in one
run (`make bench`). "In order": the samples are sorted by group, as in the workflow; else mixed.
"""


def measure(inputs: torch.Tensor, case: Case) -> dict[str, Any]:
    labels = np.arange(case.samples) % case.groups
    labels = np.sort(labels) if case.sorted else labels
    plain, watched, grouped, naive = (TrainingStep(inputs) for _ in range(4))
    in_pass = GradientSpectra(watched.model, labels, quantities=["gradient"])
    by_group = GradientSpectra(grouped.model, labels, quantities=["gradient"])
    masks = [torch.from_numpy(labels == group) for group in range(case.groups)]
    ways: dict[str, Callable[[], float]] = {
        "plain": lambda: timed(plain, STEPS),
        "in pass": lambda: timed(watched, STEPS, in_pass),
        "by group": lambda: timed(lambda: grouped.by_group(by_group), STEPS, by_group),
        "naive": lambda: timed(lambda: naive.naive(masks, torch.linalg.svd), 2),
        "svdvals": lambda: timed(lambda: naive.naive(masks, torch.linalg.svdvals), 4),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS + 2):
        for name, way in ways.items():
            seconds = way()
            if turn >= 2:  # the first turns warm up
                times[name].append(seconds)
    return {
        "samples": case.samples,
        "groups": case.groups,
        "in order": "yes" if case.sorted else "no",
        "unmonitored step (ms)": f"{1e3 * statistics.median(times['plain']):.1f}",
        "group by group": ratio(times["by group"], times["plain"]),
        "in the pass": ratio(times["in pass"], times["plain"]),
        "naive": ratio(times["naive"], times["plain"]),
        "naive, svdvals": ratio(times["svdvals"], times["plain"]),
        "naive / group by group": ratio(times["naive"], times["by group"]),
    }


class TrainingStep:
    """One Adam step of an auto-encoder, plain or with naive group spectra."""

    def __init__(self, inputs: torch.Tensor) -> None:
        torch.manual_seed(0)
        self.inputs = inputs
        self.model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def __call__(self) -> None:
        """Do one step, unmonitored or watched from outside."""
        self.optimizer.zero_grad()
        self._errors(slice(None)).mean().backward()
        self.optimizer.step()

    def by_group(self, spectra: GradientSpectra) -> None:
        """Do one step group by group."""
        self.optimizer.zero_grad()
        spectra.backward(lambda rows: self._errors(rows).mean())
        self.optimizer.step()

    def naive(self, masks: list[torch.Tensor], decompose: Callable[..., Any]) -> None:
        """Do one step with a retained backward pass and a decomposition per group."""
        errors = self._errors(slice(None))
        for mask in masks:
            self.optimizer.zero_grad()
            (errors[mask].sum() / errors.numel()).backward(retain_graph=True)
            for parameter in self.model.parameters():
                if parameter.ndim == 2:
                    decompose(parameter.grad)
        self.optimizer.zero_grad()
        errors.mean().backward()
        self.optimizer.step()

    def _errors(self, rows: slice | torch.Tensor) -> torch.Tensor:
        inputs = self.inputs[rows]
        return (self.model(inputs) - inputs).square()


def timed(step: Callable[[], None], steps: int, monitor: GradientSpectra | None = None) -> float:
    """Seconds per step."""
    started = time.perf_counter()
    with monitor or nullcontext():
        for _ in range(steps):
            step()
    return (time.perf_counter() - started) / steps


def ratio(above: list[float], below: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(above, below, strict=True)):.2f}"


if __name__ == "__main__":
    main()
