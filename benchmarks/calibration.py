"""How often each test of group differences errs, and how often it finds what is there.

Trains a small auto-encoder of real digits many times, each time with other digits and other labels,
and runs every test on every training. Writes its table into docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import stats

from neurospect.cohorts.mnist import read_packaged_digits
from neurospect.spectra.label_permutation import permuted_differences
from neurospect.spectra.monitored_training import (
    MonitoredTraining,
    Monitoring,
    train_with_spectra,
)
from neurospect.spectra.retraining import gather_retrainings, retrained_differences
from neurospect.stats.cluster_differences import cluster_tables
from neurospect.stats.false_discovery import q_values
from neurospect.stats.group_differences import permutation_table, t_test_table, weight_table
from neurospect.stats.seed_summary import seed_summary
from neurospect.training.loop import TrainingPlan
from table import write_section

ALPHA, FORMING, RELABELINGS, RETRAININGS = 0.05, 2.0, 199, 19
GROUPS = ["a", "b"]
BLOCKS, STEPS = 12, 12
PER_GROUP, VALIDATION, EPOCHS, SEEDS = 80, 16, 100, 5
TESTS = {
    "maximum": "permutation, maximum statistic",
    "cluster": f"permutation, cluster mass (forming at {FORMING:g})",
    "weight": "permutation by weight, Benjamini-Hochberg",
    "per step": "paper's t-tests per step",
    "per step, q": "paper's t-tests per step, Benjamini-Hochberg",
    "per singular value": "paper's t-tests per singular value",
    "per singular value, q": "paper's t-tests per singular value, Benjamini-Hochberg",
    "retrained": f"retraining, maximum statistic ({RETRAININGS} under permuted labels)",
    "seeds": f"t-tests over {SEEDS} seeds, Benjamini-Hochberg",
}


@dataclass(frozen=True)
class Case:
    """One column of the table.

    Attributes
    ----------
    title
        Of the column.
    repeats, seeded_repeats
        Data sets, and the first of these for which further seeds are trained.
    retrained_repeats
        The first of these for which networks are trained anew under permuted labels.
    contrast
        By which the pixels of group a are multiplied.
    task
        What the model learns; classification learns the groups.
    """

    title: str
    repeats: int
    seeded_repeats: int
    retrained_repeats: int = 0
    contrast: float = 1.0
    task: Literal["autoencoding", "classification"] = "autoencoding"


CASES = [
    Case("no difference", 2000, 100),
    Case("no difference, labels learnt", 200, 0, 100, task="classification"),
    Case("contrast + 15 %", 200, 40, contrast=1.15),
    Case("contrast + 30 %", 200, 40, contrast=1.3),
]
TEXT = f"""\
## Calibration of the tests of group differences

Share of trainings in which a test finds a difference anywhere at {ALPHA:g}, with the 95 %
Clopper-Pearson interval. In each training {2 * PER_GROUP} digits, drawn anew, are given random
labels, as many of each; an MLP with 8 hidden units learns them for {EPOCHS} full-batch epochs at
14×14 pixels, with
{BLOCKS} blocks per group kept at {STEPS} steps and {RELABELINGS} relabelings
(`benchmarks/calibration.py`). Without a difference the share should be at most {ALPHA:g}. "Labels
learnt": the model is trained to tell the random labels apart instead of rebuilding the digits; they
are then not exchangeable, and the permutation tests find differences too often; the test over
networks trained anew under permuted labels does not.
"Contrast": the pixels of one group are multiplied, so there is something to find. The t-tests over
seeds use {SEEDS} trainings of the same digits and labels that differ in their random start: they
speak of these digits, and so find the chance differences between two draws of digits as well.
"""


def main() -> None:
    digits = read_packaged_digits()
    images = np.array(digits.array).reshape(-1, 28, 28)[:, ::2, ::2].reshape(len(digits.array), -1)
    rows: dict[str, dict[str, str]] = {test: {"test": title} for test, title in TESTS.items()}
    for case in CASES:
        found = pd.DataFrame(
            [repeat(case, images, number) for number in range(case.repeats)], columns=list(TESTS)
        )
        for test, row in rows.items():
            title = f"{case.title} ({case.repeats} trainings)"
            row[title] = share(found[test].dropna(), case.repeats)
            print(title, test, row[title], flush=True)
    page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    write_section(page, "calibration", TEXT, list(rows.values()))


def repeat(case: Case, images: NDArray[np.float32], number: int) -> dict[str, Any]:
    """Which tests find a difference in one data set."""
    participants, inputs = data_set(case, images, number)
    trained = training(case, participants, inputs, seed=number)
    differences = permuted_differences(
        trained.blocks, GROUPS, permutations=RELABELINGS, seed=number, alpha=ALPHA
    )
    tables = all_tables(trained, differences)
    t_tests = tables["t-tests"]
    found = {
        "maximum": below(tables["permutation"]["p"]),
        "cluster": below(tables["clusters"]["p"]),
        "weight": below(tables["weights"]["q"]),
    }
    for kind in ("per step", "per singular value"):
        p = t_tests.loc[t_tests["test"] == kind, "p"]
        found[kind], found[f"{kind}, q"] = below(p), below(q_values(p))
    if number < case.seeded_repeats:
        seeds = [tables["permutation"]]
        for further in range(1, SEEDS):
            again = training(case, participants, inputs, seed=number + further * 10_000)
            relabelled = permuted_differences(
                again.blocks, GROUPS, permutations=RELABELINGS, seed=number, alpha=ALPHA
            )
            seeds.append(permutation_table(relabelled, alpha=ALPHA))
        found["seeds"] = below(seed_summary(seeds)["q"])
    if number < case.retrained_repeats:
        anew = retrained_differences(
            trained.blocks,
            participants,
            inputs,
            GROUPS,
            numbers=range(RETRAININGS),
            seed=number,
            **options_of(case, number),
        )
        gathered = gather_retrainings(differences, trained.blocks, [anew])
        found["retrained"] = below(permutation_table(gathered, alpha=ALPHA)["p"])
    return found


def data_set(
    case: Case, images: NDArray[np.float32], number: int
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Draw digits and label them at random."""
    rng = np.random.default_rng(number)
    samples = 2 * PER_GROUP + VALIDATION
    rows = rng.choice(len(images), samples, replace=False)
    group = np.resize(GROUPS, samples)
    split = np.repeat(["training", "validation"], [2 * PER_GROUP, VALIDATION])
    contrast = np.where(group == "a", case.contrast, 1.0).astype(np.float32)
    return pd.DataFrame({"group": group, "split": split}), images[rows] * contrast[:, None]


def training(
    case: Case, participants: pd.DataFrame, inputs: NDArray[np.float32], seed: int
) -> MonitoredTraining:
    return train_with_spectra(participants, inputs, **options_of(case, seed))


def options_of(case: Case, seed: int) -> dict[str, Any]:
    return {
        "target": "group",
        "family": "mlp",
        "architecture": {"widths": [8], "activation": "relu"},
        "plan": TrainingPlan(case.task, EPOCHS, 3e-3, seed=seed, evaluate_every=EPOCHS),
        "monitoring": Monitoring("group", GROUPS, 1, EPOCHS, GROUPS, BLOCKS, STEPS),
        "device": "cpu",
    }


def all_tables(trained: MonitoredTraining, differences: xr.DataTree) -> dict[str, pd.DataFrame]:
    return {
        "permutation": permutation_table(differences, alpha=ALPHA),
        "weights": weight_table(differences, alpha=ALPHA),
        "clusters": cluster_tables(differences, forming=FORMING, alpha=ALPHA)[0],
        "t-tests": t_test_table(trained.spectra, GROUPS),
    }


def below(p: Iterable[float]) -> bool:
    return bool((np.fromiter(p, dtype=np.float64) <= ALPHA).any())


def share(found: pd.Series, repeats: int) -> str:
    """Write a share with its interval, and the number it is of where that is not `repeats`."""
    if found.empty:
        return "not run"
    result = stats.binomtest(int(found.sum()), len(found))
    low, high = result.proportion_ci(0.95, method="exact")
    of = "" if len(found) == repeats else f" of {len(found)}"
    return f"{result.statistic:.3f} ({low:.3f} to {high:.3f}){of}"


if __name__ == "__main__":
    main()
