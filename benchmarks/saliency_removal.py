"""What salient values are worth: deleted, inserted, and removed before training anew.

Writes its tables into docs/benchmarks.md; some two minutes in one thread.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from neurospect.cohorts.block_digits import make_block_digits, signal_regions
from neurospect.cohorts.synthetic_tasks import make_synthetic_tasks
from neurospect.models.registry import build_model
from neurospect.saliency import saliency_maps, train_pgd
from neurospect.saliency.removal import (
    diff_roar,
    removal_curves,
    retrained_accuracy,
    share_inside,
)
from neurospect.training.compute import keep_freed_memory
from neurospect.training.loop import Examples, TrainingPlan, evaluate, train
from table import write_section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
# Of 1,024 pixels, 54 differ between the classes.
CURVE = tuple(np.linspace(0, 0.1, 11))
REMOVED = (0.05, 0.95)
DIGITS, PER_DIGIT, TRAINED_DIGITS, KEPT = (0, 1), 500, 350, (0.02, 0.1, 0.3)
SYNTHETIC_PLAN = TrainingPlan("classification", 60, 1e-3)
BLOCK_PLAN = TrainingPlan("classification", 60, 3e-3)
# Of each way: radius of the noise in training (none, for plain training), and the method of maps.
WAYS: dict[str, tuple[float | None, str]] = {
    "gradient": (None, "gradient"),
    "gradient × input": (None, "gradient_x_input"),
    "SmoothGrad": (None, "smoothgrad"),
    "gradient, PGD-3 training": (1.0, "gradient"),
}
# Radii beside the length of 9 or so that an image of a digit has.
TRAININGS: dict[str, float | None] = {"plain": None, "PGD-3, ε = 1": 1.0, "PGD-3, ε = 2": 2.0}

CURVES = """\
## What salient values are worth

The network of 20 ReLU units on the synthetic set: 500 images per class for training and as many for
the test, {epochs} full-batch epochs at 1e-3 (mean ± standard deviation over {seeds} seeds). Values
rank by their size in the map of the true class. Deletion: its probability to the model behind the
map, averaged while the most salient values, from none to 10 %, become the mean image (less is
better); insertion: while these alone are put into the mean image (more is better). Without 5 %, 5 %
alone: accuracy of the network trained from scratch with the most salient values removed (ROAR, less
is better), or with nothing else kept (KAR, more is better). 5 % of the pixels tell the classes
apart. "At random" ranks by chance.
"""
BLOCKS = """\
### Digits beside a block that tells nothing

After BlockMNIST (Shah et al., 2021): real digits, {digits}, above or below a frame that is the same
in all images; a network of 32 ReLU units, trained plainly or on adversarial examples. Maps are
gradients of the true class and rank by size. Inside: share of the map in the half that holds the
digit, 0.5 by chance. DiffROAR: accuracy of the network trained from scratch on the most salient 2,
10 or 30 % of each image minus that on the least salient, zero for a map without meaning (mean ±
standard deviation over {seeds} seeds).
"""


@dataclass(frozen=True)
class Sets:
    """Examples of one seed."""

    training: Examples
    test: Examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    torch.set_num_threads(1)
    keep_freed_memory()
    digits = " and ".join(map(str, DIGITS))
    said = {"seeds": len(seeds), "epochs": SYNTHETIC_PLAN.epochs, "digits": digits}
    write_section(PAGE, "saliency-removal", CURVES.format(**said), gathered(synthetic_row, seeds))
    write_section(PAGE, "saliency-blocks", BLOCKS.format(**said), gathered(block_row, seeds))


def gathered(
    rows_of: Callable[[int], list[dict[str, Any]]], seeds: Sequence[int]
) -> list[dict[str, str]]:
    """Mean and standard deviation over seeds, by the first column."""
    table = pd.DataFrame(row for seed in seeds for row in rows_of(seed))
    print(table.to_string(), flush=True)
    first = table.columns[0]
    rows = []
    for name, part in table.groupby(first, sort=False):
        numbers = part.drop(columns=first)
        spread = {key: f"{each.mean():.3f} ± {each.std():.3f}" for key, each in numbers.items()}
        rows.append({str(first): str(name), **spread})
    return rows


def synthetic_row(seed: int) -> list[dict[str, Any]]:
    sets = Sets(*(synthetic(2 * seed + place) for place in range(2)))
    build = builder("mlp", (32, 32), 3, [20], seed)
    rows = []
    for name, (epsilon, method) in WAYS.items():
        model = trained(build(), sets.training, SYNTHETIC_PLAN, epsilon)
        sizes = [sizes_of(model, part, method) for part in (sets.training, sets.test)]
        table = retrained(build, sets, sizes, REMOVED, SYNTHETIC_PLAN)
        rows.append({"maps": name, **curves(model, sets, sizes[1]), **both_ways(table, "most")})
    chance = torch.rand(sizes[1].shape, generator=torch.Generator().manual_seed(seed))
    model = trained(build(), sets.training, SYNTHETIC_PLAN, None)
    rows.append({"maps": "at random", **curves(model, sets, chance), **both_ways(table, "random")})
    return rows


def curves(model: nn.Module, sets: Sets, sizes: Tensor) -> dict[str, float]:
    fill = sets.training.inputs.mean(0)
    return {
        mode: float(
            removal_curves(
                model, sets.test.inputs, sets.test.classes, sizes, CURVE, mode=mode, fill=fill
            ).mean()
        )
        for mode in ("deletion", "insertion")
    }


def both_ways(table: pd.DataFrame, removed: str) -> dict[str, float]:
    accuracy = table.set_index(["removed", "fraction"])["accuracy"]
    few, most = REMOVED
    kept = "least" if removed == "most" else removed
    return {"without 5 % (ROAR)": accuracy[removed, few], "5 % alone (KAR)": accuracy[kept, most]}


def block_row(seed: int) -> list[dict[str, Any]]:
    sets, regions = block_digits(seed)
    build = builder("mlp", (56, 28), len(DIGITS), [32], seed)
    rows = []
    for name, epsilon in TRAININGS.items():
        model = trained(build(), sets.training, BLOCK_PLAN, epsilon)
        sizes = [sizes_of(model, part, "gradient") for part in (sets.training, sets.test)]
        table = retrained(build, sets, sizes, [1 - kept for kept in KEPT], BLOCK_PLAN)
        difference = diff_roar(table)
        rows.append(
            {
                "training": name,
                "accuracy": evaluate(model, sets.test, "classification")[1],
                "inside": float(share_inside(sizes[1], regions).nanmean()),
                **{f"DiffROAR, {kept:.0%}": difference[1 - kept] for kept in KEPT},
            }
        )
    return rows


def retrained(
    build: Callable[[], nn.Module],
    sets: Sets,
    sizes: Sequence[Tensor],
    fractions: Sequence[float],
    plan: TrainingPlan,
) -> pd.DataFrame:
    def train_and_score(training: Tensor, test: Tensor) -> float:
        model = trained(build(), Examples(training, sets.training.classes), plan, None)
        return evaluate(model, Examples(test, sets.test.classes), plan.task)[1]

    pairs = [
        (part.inputs, size) for part, size in zip((sets.training, sets.test), sizes, strict=True)
    ]
    return retrained_accuracy(train_and_score, pairs[0], pairs[1], fractions)


def trained(
    model: nn.Module, examples: Examples, plan: TrainingPlan, epsilon: float | None
) -> nn.Module:
    if epsilon is None:
        train(model, examples, plan)
    else:
        train_pgd(model, examples, plan, epsilon=epsilon)
    return model


def sizes_of(model: nn.Module, examples: Examples, method: str) -> Tensor:
    maps = saliency_maps(model, examples.inputs, method)
    return maps[torch.arange(len(maps)), examples.classes].abs()


def builder(
    family: str, shape: tuple[int, ...], classes: int, widths: list[int], seed: int
) -> Callable[[], nn.Module]:
    return lambda: build_model(
        family,
        task="classification",
        input_shape=shape,
        classes=classes,
        seed=seed,
        widths=widths,
    )


def synthetic(seed: int) -> Examples:
    cohort = make_synthetic_tasks(500, 0.5, seed)
    return examples_of(cohort.array, cohort.participants["task"])


def block_digits(seed: int) -> tuple[Sets, Tensor]:
    """Training and test examples, and where the digits of the test examples are."""
    cohort = make_block_digits(DIGITS, PER_DIGIT, seed)
    examples = examples_of(cohort.array, cohort.participants["digit"])
    in_digit = torch.arange(len(examples)) % PER_DIGIT
    training, test = (
        torch.nonzero(part)[:, 0]
        for part in (in_digit < TRAINED_DIGITS, in_digit >= TRAINED_DIGITS)
    )
    regions = torch.from_numpy(signal_regions(cohort))[test]
    return Sets(examples.rows(training), examples.rows(test)), regions


def examples_of(array: np.ndarray, labels: pd.Series) -> Examples:
    codes, _ = pd.factorize(labels, sort=True)
    return Examples(torch.from_numpy(array), torch.from_numpy(codes.astype(np.int64)))


if __name__ == "__main__":
    main()
