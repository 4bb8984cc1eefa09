"""Cost of monitoring: a whole Adam step with group spectra, against the same step without.

For each family of models, at the demo's and at the paper's sizes. Each way of doing a step lives in
a process of its own, as a training does, and the processes take turns, so that the ratios hold on a
machine whose speed drifts. Writes its tables into docs/benchmarks.md.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurospect.models.registry import build_model
from neurospect.spectra import GradientSpectra
from neurospect.spectra.coverage import coverage_of
from table import write_section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
THREADS, TURNS, FEW_TURNS, WARM_UP, SECONDS_A_TURN, MOST_STEPS = 2, 11, 3, 2, 0.3, 32
FACTORS_EVERY = 50
WAYS = ("unmonitored", "by group", "with factors", "in pass", "naive", "svdvals")
TEXT = f"""\
## Gradient spectra in the training pass

A whole Adam step, full batch, with the spectra of the group gradients of all weights at every step,
as multiples of the same step unmonitored; auto-encoders of each family as the workflow builds them
(width 32; 8 filters for figure 2), on random data of the shapes of the demo's and the paper's
cohorts, samples sorted by group. "As the workflow": `spectra.backward(...)`, which goes group by
group, with the spectra of activations and adjoints at one step in {FACTORS_EVERY}. "Gradients
only": the same without these. "In the pass": hooks on a loop's own `loss.backward()`, gradients
only, of the weights that hooks show (not of embeddings and transposed convolutions). "Naive"
keeps the graph, runs one backward pass per group and decomposes each gradient with
`torch.linalg.svd`, or with `svdvals`. Each ratio is the median over {TURNS} turns ({FEW_TURNS}
where a step takes more than {SECONDS_A_TURN} s), in which processes of their own do some steps each
(`make bench`). "Memory": the largest of the whole process, as the workflow records / unmonitored.

What exceeds 1.15 at steps of 5 ms or more, and why. Figure 1 at the demo's size: the spectra of
784-valued adjoints, whose eigenvalues are all computed, cost twenty steps at one step in fifty.
Figure 3: the Elman loop runs in Python, so four passes over a quarter of the samples have four
times its overhead. Figures 5 and 6 at the demo's size have eight participants a group: too little
work for a pass of their own. `engine: auto` goes group by group there all the same, as hooks do not
show BERT's embeddings, and the LSTM would have to run again. Figure 7 at the paper's has 1.21 for
the same reason, more weakly. The naive way runs one backward pass per group more: where weights are
small and their decomposition cheap, it cannot cost much more than that.
"""
WIDE_TEXT = """\
### Weights of 512 inputs and outputs or more

The same for wide layers, where all singular values of a gradient cost more than the step that makes
it. Fewer rows than inputs and outputs are decomposed by the small core of their QR decompositions;
else one records at intervals (`every`), or the leading values only (`leading`).
"""


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    family: str
    shape: tuple[int, ...]
    samples: int
    groups: int
    architecture: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def labels(self) -> np.ndarray:
        return np.sort(np.arange(self.samples) % self.groups)


def families() -> list[Case]:
    """Return the paper's eight figures, at the demo's and at the paper's size."""
    relu = {"activation": "relu"}
    narrow, eight = {"widths": [32], **relu}, {"widths": [8], **relu}
    demo = [
        Case("1, demo", "mlp", (784,), 1600, 4, narrow),
        Case("2, demo", "cnn2d", (28, 28), 1600, 4, eight),
        Case("3, demo", "rnn", (100,), 800, 4, narrow),
        Case("4, demo", "mlp", (66,), 96, 2, narrow),
        Case("5, demo", "lstm", (120, 53), 32, 4, narrow),
        Case("6, demo", "bert", (120, 53), 32, 4, narrow),
        Case("7, demo", "cnn1d", (120, 53), 32, 4, narrow),
        Case("8, demo", "cnn3d", (27, 33, 27), 32, 4, narrow),
    ]
    paper = [
        Case("1, paper", "mlp", (784,), 23_000, 4, narrow),
        Case("2, paper", "cnn2d", (28, 28), 23_000, 4, eight),
        Case("3, paper", "rnn", (100,), 800, 4, narrow),
        Case("4, paper", "mlp", (66,), 800, 2, narrow),
        Case("5, paper", "lstm", (149, 53), 120, 4, narrow),
        Case("6, paper", "bert", (149, 53), 120, 4, narrow),
        Case("7, paper", "cnn1d", (149, 53), 120, 4, narrow),
        Case("8, paper", "cnn3d", (53, 63, 46), 120, 4, narrow),
    ]
    return [case for pair in zip(demo, paper, strict=True) for case in pair]


def wide() -> list[Case]:
    large, larger = ({"widths": [width], "activation": "relu"} for width in (512, 1024))
    return [
        Case("few rows, every step", "mlp", (2048,), 120, 4, larger),
        Case("many rows, every step", "mlp", (784,), 2000, 4, large),
        Case("many rows, every 10 steps", "mlp", (784,), 2000, 4, large, {"every": 10}),
        Case("many rows, 16 leading values", "mlp", (784,), 2000, 4, large, {"leading": 16}),
        Case(
            "many rows, 16 leading values, every 5 steps",
            "mlp", (784,), 2000, 4, large, {"leading": 16, "every": 5},
        ),
    ]  # fmt: skip


def main() -> None:
    write_section(PAGE, "spectra", TEXT, [measured(case) for case in families()])
    write_section(PAGE, "spectra-wide", WIDE_TEXT, [measured(case) for case in wide()])


def measured(case: Case) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    ends, processes = {}, []
    for way in WAYS:
        ends[way], far = spawn.Pipe()
        processes.append(spawn.Process(target=work, args=(far, way, case)))
        processes[-1].start()
    steps = {way: _steps(end, case.options.get("every", 1)) for way, end in ends.items()}
    turns = TURNS if max(steps.values()) > 1 else FEW_TURNS
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for turn in range(turns + WARM_UP):
        for way, end in ends.items():
            end.send(steps[way])
            seconds, _ = end.recv()
            if turn >= WARM_UP:
                times[way].append(seconds)
    memory = {way: _asked(end, 0)[1] for way, end in ends.items()}
    for process in processes:
        process.join()
    row = _row(case, times, memory["with factors"] / memory["unmonitored"])
    print(row, flush=True)
    return row


def _steps(end: Connection, every: int) -> int:
    """How many steps fill a turn: whole intervals between recorded steps."""
    seconds = min(_asked(end, every)[0] for _ in range(2))
    intervals = min(MOST_STEPS, SECONDS_A_TURN / seconds) // every
    return every * max(1, int(intervals))


def _asked(end: Connection, steps: int) -> tuple[float, int]:
    end.send(steps)
    answer: tuple[float, int] = end.recv()
    return answer


def _row(case: Case, times: dict[str, list[float]], memory: float) -> dict[str, Any]:
    plain, every = times["unmonitored"], case.options.get("every", 1)
    # Factors are recorded at one step in so many; the others have gradients alone.
    share = every / FACTORS_EVERY
    workflow = [
        (1 - share) * gradients + share * factors
        for gradients, factors in zip(times["by group"], times["with factors"], strict=True)
    ]
    return {
        "case": case.name,
        "model": case.family.upper(),
        "data": "×".join(map(str, (case.samples, *case.shape))),
        "groups": case.groups,
        "step (ms)": f"{1e3 * statistics.median(plain):.1f}",
        "as the workflow": ratio(workflow, plain),
        "gradients only": ratio(times["by group"], plain),
        "in the pass": ratio(times["in pass"], plain),
        "naive": ratio(times["naive"], plain),
        "svdvals": ratio(times["svdvals"], plain),
        "naive / as the workflow": ratio(times["naive"], workflow),
        "memory": f"{memory:.2f}",
    }


def work(end: Connection, way: str, case: Case) -> None:
    """Do as many steps as asked for; answer with the seconds per step and the bytes at most."""
    torch.set_num_threads(THREADS)
    training, labels = Training(case), case.labels()
    quantities = ["gradient", "activation", "adjoint"] if way == "with factors" else ["gradient"]
    spectra = GradientSpectra(training.model, labels, quantities=quantities, **case.options)
    step: Callable[[], None] = {
        "unmonitored": training.step,
        "in pass": training.step,
        "by group": lambda: training.step_by_group(spectra),
        "with factors": lambda: training.step_by_group(spectra),
        "naive": lambda: training.step_naively(labels, case.groups, torch.linalg.svd),
        "svdvals": lambda: training.step_naively(labels, case.groups, torch.linalg.svdvals),
    }[way]
    with nullcontext() if way in ("unmonitored", "naive", "svdvals") else spectra:
        while steps := end.recv():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            end.send(((time.perf_counter() - started) / steps, 0))
    end.send((0.0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


class Training:
    """An auto-encoder and the ways of doing one Adam step."""

    def __init__(self, case: Case) -> None:
        torch.manual_seed(0)
        self.inputs = torch.rand(case.samples, *case.shape)
        self.model = build_model(
            case.family,
            task="autoencoding",
            input_shape=case.shape,
            classes=2,
            seed=0,
            **case.architecture,
        )
        self.matrices = coverage_of(self.model).matrices
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

    def step_naively(self, labels: np.ndarray, groups: int, decompose: Callable[..., Any]) -> None:
        """Do one step with a retained backward pass and a decomposition per group."""
        errors = self._errors(slice(None))
        for group in range(groups):
            self.optimizer.zero_grad()
            part = errors[torch.from_numpy(labels == group)]
            (part.sum() / errors.numel()).backward(retain_graph=True)
            self._decompose(decompose)
        self.optimizer.zero_grad()
        errors.mean().backward()
        self._decompose(decompose)
        self.optimizer.step()

    def _decompose(self, decompose: Callable[..., Any]) -> None:
        for matrix in self.matrices.values():
            decompose(matrix.of_weight(matrix.parameter.grad))

    def _errors(self, rows: slice | torch.Tensor) -> torch.Tensor:
        inputs = self.inputs[rows]
        return (self.model(inputs) - inputs).square()


def ratio(above: list[float], below: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(above, below, strict=True)):.2f}"


if __name__ == "__main__":
    main()
