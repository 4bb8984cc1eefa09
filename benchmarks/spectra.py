"""Cost of monitoring: a whole Adam step with group spectra, against the same step without.

Each way of doing a step lives in a process of its own, as a training does, and the processes take
turns, so that the ratios hold on a machine whose speed drifts. Writes its table into
docs/benchmarks.md.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neurospect.cohorts.mnist import read_packaged_digits
from neurospect.spectra import GradientSpectra
from table import write_section

THREADS, TURNS = 2, 25
STEPS = {"unmonitored": 16, "by group": 16, "in pass": 16, "naive": 2, "svdvals": 4}
TEXT = f"""\
## Gradient spectra in the training pass

A whole Adam step of a 784-32-784 auto-encoder on real digits, full batch, with the spectra of the
group gradients of all layers at every step, as multiples of the same step unmonitored. "Group by
group" is `spectra.backward(...)`, the way in which the workflow trains; "in the pass" watches a
loop's own `loss.backward()` through hooks. "Naive" keeps the graph, runs one backward pass per
group and decomposes each gradient with `torch.linalg.svd`, or with `svdvals`. Each ratio is the
median over {TURNS} turns, in which processes of their own do some steps each (`make bench`). "In
order": the samples are sorted by group, as in the workflow; else they are mixed.
"""


@dataclass(frozen=True)
class Case:
    """Size of one comparison."""

    samples: int
    groups: int
    in_order: bool

    def labels(self) -> np.ndarray:
        labels = np.arange(self.samples) % self.groups
        return np.sort(labels) if self.in_order else labels


def main() -> None:
    rows = []
    for samples in (1000, 5000):
        for groups in (2, 4):
            for in_order in (True, False):
                rows.append(measure(Case(samples, groups, in_order)))
                print(rows[-1], flush=True)
    write_section(Path(__file__).parent.parent / "docs" / "benchmarks.md", "spectra", TEXT, rows)


def measure(case: Case) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    ends, processes = {}, []
    for way in STEPS:
        ends[way], far = spawn.Pipe()
        processes.append(spawn.Process(target=work, args=(far, way, case)))
        processes[-1].start()
    times: dict[str, list[float]] = {way: [] for way in STEPS}
    for turn in range(TURNS + 3):
        for way, end in ends.items():
            end.send(STEPS[way])
            seconds = end.recv()
            if turn >= 3:  # the first turns warm up
                times[way].append(seconds)
    for end, process in zip(ends.values(), processes, strict=True):
        end.send(0)
        process.join()
    return {
        "samples": case.samples,
        "groups": case.groups,
        "in order": "yes" if case.in_order else "no",
        "unmonitored step (ms)": f"{1e3 * statistics.median(times['unmonitored']):.1f}",
        "group by group": ratio(times["by group"], times["unmonitored"]),
        "in the pass": ratio(times["in pass"], times["unmonitored"]),
        "naive": ratio(times["naive"], times["unmonitored"]),
        "naive, svdvals": ratio(times["svdvals"], times["unmonitored"]),
        "naive / group by group": ratio(times["naive"], times["by group"]),
    }


def work(end: Connection, way: str, case: Case) -> None:
    """Do as many steps as asked for; answer with the seconds per step."""
    torch.set_num_threads(THREADS)
    training, labels = Training(case.samples), case.labels()
    masks = [torch.from_numpy(labels == group) for group in range(case.groups)]
    spectra = GradientSpectra(training.model, labels, quantities=["gradient"])
    monitor = spectra if way in ("by group", "in pass") else nullcontext()
    step: Callable[[], None] = {
        "unmonitored": training.step,
        "in pass": training.step,
        "by group": lambda: training.step_by_group(spectra),
        "naive": lambda: training.step_naively(masks, torch.linalg.svd),
        "svdvals": lambda: training.step_naively(masks, torch.linalg.svdvals),
    }[way]
    while steps := end.recv():
        started = time.perf_counter()
        with monitor:
            for _ in range(steps):
                step()
        end.send((time.perf_counter() - started) / steps)


class Training:
    """An auto-encoder of digits and the ways of doing one Adam step."""

    def __init__(self, samples: int) -> None:
        torch.manual_seed(0)
        digits = torch.from_numpy(np.array(read_packaged_digits().array).reshape(-1, 784))
        self.inputs = digits[torch.randperm(len(digits))[:samples]]
        self.model = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self) -> None:
        """Do one step, unmonitored or watched from outside."""
        self.optimizer.zero_grad()
        self._errors(slice(None)).mean().backward()
        self.optimizer.step()

    def step_by_group(self, spectra: GradientSpectra) -> None:
        self.optimizer.zero_grad()
        spectra.backward(lambda rows: self._errors(rows).mean())
        self.optimizer.step()

    def step_naively(self, masks: list[torch.Tensor], decompose: Callable[..., Any]) -> None:
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


def ratio(above: list[float], below: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(above, below, strict=True)):.2f}"


if __name__ == "__main__":
    main()
