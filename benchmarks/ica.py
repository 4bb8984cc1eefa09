"""Speed of spatially constrained ICA: all components at once, against one after the other.

The rivals take turns in one process, so that the ratios hold on a machine whose speed drifts.
The loop does what the published method says for each component, with a product of its weights
and the whole whitened run at every trial. Writes its table into docs/benchmarks.md.

Usage: python benchmarks/ica.py [small]
"""

from __future__ import annotations

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.preprocess.run_components import SubjectComponents
from neurospect.preprocess.subject_components import subject_components
from table import write_section

TURNS = 3
TEXT = f"""\
## Spatially constrained ICA

Maps and time courses of one made run (sparse maps with smooth time courses on voxels of unequal
brightness, in float32), the references being the true maps with noise. "One by one" is the same
method in numpy, written for one component and called in a loop, its principal components found
once. Seconds are medians of {TURNS} turns that the rivals take in one process; the ratio is that of
each turn, its median. "Memory" is the peak of what is allocated beside the run, result included,
as a multiple of the run. "Agreement" is the lowest correlation of a map or time course with
those of the loop.
"""


@dataclass(frozen=True)
class Case:
    """Size of one comparison."""

    components: int
    voxels: int
    volumes: int

    def make(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a run (volumes, voxels) and references (components, voxels)."""
        rng = np.random.default_rng(0)
        shape = (self.components, self.voxels)
        maps = rng.gamma(1.0, size=shape) * (rng.random(shape) < 0.05)
        courses = np.cumsum(rng.normal(size=(self.volumes, self.components)), axis=0)
        courses = (courses - courses.mean(axis=0)) / courses.std(axis=0)
        run = (1000 + 100 * rng.normal(size=self.voxels)).astype(np.float32)
        run = run + (10 * courses @ maps).astype(np.float32)
        run += 10 * rng.standard_normal(run.shape, dtype=np.float32)
        return run, (maps + 0.3 * rng.normal(size=shape)).astype(np.float32)


SMALL = [Case(20, 10_000, 100)]
ALL = [*SMALL, Case(53, 70_000, 150)]


def main() -> None:
    rows = []
    for case in SMALL if "small" in sys.argv[1:] else ALL:
        rows.append(measure(case))
        print(rows[-1], flush=True)
    write_section(Path(__file__).parent.parent / "docs" / "benchmarks.md", "ica", TEXT, rows)


def measure(case: Case) -> dict[str, Any]:
    run, references = case.make()
    at_once = subject_components(run, references)  # also warms up
    times: dict[str, list[float]] = {"at once": [], "one by one": [], "dual regression": []}
    for _ in range(TURNS):
        times["at once"].append(seconds(lambda: subject_components(run, references)))
        times["dual regression"].append(
            seconds(lambda: subject_components(run, references, "dual_regression"))
        )
        started = time.perf_counter()
        loop = one_by_one(run, references)
        times["one by one"].append(time.perf_counter() - started)
    ratios = [b / a for a, b in zip(times["at once"], times["one by one"], strict=True)]
    return {
        "components": case.components,
        "voxels": case.voxels,
        "volumes": case.volumes,
        "trials": int(at_once.quality.iterations.sum()),
        **{f"{way} (s)": f"{statistics.median(taken):.2f}" for way, taken in times.items()},
        "one by one / at once": f"{statistics.median(ratios):.1f}",
        "memory": f"{peak_memory(run, references) / run.nbytes:.2f}",
        "agreement": f"1 - {max(1 - agreement(at_once, loop), 0):.0e}",
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_memory(run: NDArray[np.float32], references: NDArray[np.float32]) -> int:
    tracemalloc.start()
    subject_components(run, references)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def agreement(found: SubjectComponents, loop: list[tuple[Any, Any]]) -> float:
    """Return the lowest correlation over maps and time courses."""
    lowest = 1.0
    courses = found.time_courses.T.astype(np.float64)
    for own_map, own_course, (loop_map, loop_course) in zip(
        found.maps.astype(np.float64), courses, loop, strict=True
    ):
        lowest = min(
            lowest,
            np.corrcoef(own_map, loop_map.astype(np.float64))[0, 1],
            np.corrcoef(own_course, loop_course.astype(np.float64))[0, 1],
        )
    return lowest


def one_by_one(
    run: NDArray[np.float32], references: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Map and time course of each component, found without the others."""
    centred = run - run.mean(axis=1, keepdims=True)
    variances, vectors = np.linalg.eigh(centred.astype(np.float64) @ centred.T / run.shape[1])
    kept = variances > 1e-8 * variances[-1]
    whitening = (vectors[:, kept] / np.sqrt(variances[kept])).T
    whitened = whitening.astype(np.float32) @ centred
    found = []
    for reference in references:
        own = climb(whitened, (reference - reference.mean()) / reference.std(ddof=1))
        found.append((own, centred @ own / run.shape[1]))
    return found


def climb(whitened: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the map of one component."""
    voxels = whitened.shape[1]
    toward = whitened @ reference / voxels
    weights = toward / np.linalg.norm(toward)
    values = weights @ whitened
    contrast = log_cosh(values) - 0.3745672075
    balance = np.tan(np.pi / 2 * (weights @ toward)) / contrast**2
    height = (2 / np.pi * np.arctan(balance * contrast**2) + weights @ toward) / 2
    step, slope = np.float32(1), None
    for _ in range(100):
        if slope is None:
            factor = 2 * contrast * balance / (1 + (balance * contrast**2) ** 2)
            gradient = 2 / np.pi * factor * (whitened @ np.tanh(values)) / voxels
            slope = (gradient + toward) / 2
        steepness = np.linalg.norm(slope)
        moved = weights + step * slope / steepness
        moved /= np.linalg.norm(moved)
        there = moved @ whitened
        contrast_there = log_cosh(there) - 0.3745672075
        height_there = (2 / np.pi * np.arctan(balance * contrast_there**2) + moved @ toward) / 2
        if height_there - height < 0.02 * step * steepness:
            step /= 2
            if step**2 < 1e-5:
                break
            continue
        distance = ((moved - weights) ** 2).sum()
        weights, values, contrast, height = moved, there, contrast_there, height_there
        slope = None
        if distance < 1e-5:
            break
    return values


def log_cosh(values: NDArray[np.float32]) -> float:
    size = np.abs(values)
    return float((size + np.log1p(np.exp(-2 * size))).mean(dtype=np.float64) - np.log(2))


if __name__ == "__main__":
    main()
