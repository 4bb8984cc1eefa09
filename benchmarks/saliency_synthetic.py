"""The saliency methods on the paper's synthetic set, beside what is known of them.

Writes its tables into docs/benchmarks.md. Ten seeds take about ten minutes in one thread:
`python benchmarks/saliency_synthetic.py --seeds 10`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.svm import LinearSVC
from torch import nn

from neurospect.cohorts.synthetic_tasks import (
    CLASSES,
    SIDE,
    make_synthetic_tasks,
    synthetic_templates,
)
from neurospect.models.initial_weights import draw_glorot_weights
from neurospect.models.registry import build_model
from neurospect.saliency import (
    class_informative_correlation,
    fit_temperature,
    pairwise_difference_correlation,
    saliency_maps,
    train_pgd,
    train_random_noise,
)
from neurospect.saliency.criteria import pearson
from neurospect.saliency.linear_maps import haufe_patterns, linear_weights
from neurospect.saliency.templates import class_templates
from neurospect.stats.paired_t_tests import paired_t_tests
from neurospect.training.loop import Examples, TrainingPlan
from neurospect.training.robust import train_regularised
from table import write_section

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
NOISE_SD, TEST_PER_CLASS, EPOCHS = 0.5, 1000, 100
SETTINGS = {"wide": 2933, "paper": 1000}
CRITERIA = {"C1": class_informative_correlation, "C2": pairwise_difference_correlation}
# Mean over ten seeds of another implementation: C1 and C2, wide and paper.
KNOWN = {
    "regression weights": {"wide": (0.410, 0.355), "paper": (0.308, 0.267)},
    "regression gradient": {"wide": (0.571, 0.582), "paper": (0.366, 0.375)},
    "NN gradient": {"wide": (0.616, 0.640), "paper": (0.433, 0.453)},
    "gradient × input": {"wide": (0.445, 0.450), "paper": (0.360, 0.369)},
    "SmoothGrad": {"wide": (0.635, 0.660), "paper": (0.445, 0.466)},
    "random-noise training": {"wide": (0.626, 0.649), "paper": (0.441, 0.461)},
    "PGD-3 training": {"paper": (0.812, 0.839)},
}
CLAIMED = (
    ("regression gradient", "regression weights"),
    ("NN gradient", "regression gradient"),
    ("NN gradient", "gradient × input"),
    ("gradient × input", "regression weights"),
    ("SmoothGrad", "NN gradient"),
    ("random-noise training", "NN gradient"),
    ("PGD-3 training", "NN gradient"),
    ("PGD-3 training", "SmoothGrad"),
    ("PGD-3 training", "random-noise training"),
)
PENALTIES = (0.0, 1e-4, 1e-3, 1e-2)
TEMPERATURES = (0.25, 0.5, 1.0, 2.0, 4.0, 10.0)

MAIN = """\
## Saliency maps on the synthetic set

Three classes of 32 × 32 images (`cohorts/synthetic_tasks.py`) in noise of standard deviation 0.5;
multinomial regression, and a network of 20 ReLU units; Glorot's initial weights, Adam at 1e-3, 100
full-batch epochs, no L2, temperature 1. "Wide": 8,799 training examples; "paper": 3,000. C1 is the
class informative correlation, C2 the pairwise difference correlation, over 3,000 test examples;
mean ± standard deviation over {seeds} seeds (data, initial weights and noise). "Known" is what an
independent implementation gave over ten seeds. SmoothGrad: 25 samples of standard deviation 0.3.
Noise in training: ε = 1, in three steps of 0.5 for PGD. Accuracy is of the model behind the maps.
"""
BASELINES = """\
### Accuracy of strong baselines

On the same test examples: a linear support vector machine and the class whose mean training image
correlates best with the example (mean ± standard deviation over {seeds} seeds).
"""
TESTS = """\
### Which differences hold over trainings

Two-sided paired t-tests of C1 in the paper's setting with seeds as observations ({seeds}): of all
pairs of methods those on which the paper makes a claim, p times the number of all pairs
(Bonferroni). Tests over test examples, as in the paper, would take one training for all trainings.
"""
SWEEP = """\
### The weight penalty decides the order

C1 / C2 in the paper's setting at a learning rate of 1e-2, with λ times the sum of squared weights
added to the loss (mean over {seeds} seeds). With enough of it, regression is as good as any
network, and adversarial training has the lowest first criterion.
"""
RANGE = """\
### Over temperatures

C1 / C2 of the gradient in the paper's setting by the temperature of the softmax (mean over {seeds}
seeds), and the temperature fitted on the validation split with its bounds of 0.1 and 10: how often
it ran into the lower one.
"""


@dataclass(frozen=True)
class Split:
    """Images and classes of one seed."""

    training: Examples
    validation: Examples
    test: Examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    logging.getLogger("neurospect").setLevel(logging.ERROR)
    seeds = range(given.seeds)
    scores = pd.DataFrame(
        row for setting in SETTINGS for seed in seeds for row in score_methods(setting, seed)
    )
    said = {"seeds": len(seeds)}
    write_section(PAGE, "saliency-synthetic", MAIN.format(**said), main_rows(scores))
    write_section(
        PAGE, "saliency-synthetic-tests", TESTS.format(**said), test_rows(scores, "paper", "C1")
    )
    baselines = pd.DataFrame(
        {"setting": setting, **score_baselines(setting, seed)}
        for setting in SETTINGS
        for seed in seeds
    )
    write_section(
        PAGE,
        "saliency-synthetic-baselines",
        BASELINES.format(**said),
        [
            {"setting": setting, **{name: spread(part[name]) for name in part.columns[1:]}}
            for setting, part in baselines.groupby("setting")
        ],
    )
    few = range(min(3, len(seeds)))
    said = {"seeds": len(few)}
    write_section(PAGE, "saliency-synthetic-l2", SWEEP.format(**said), penalty_rows(few))
    write_section(
        PAGE, "saliency-synthetic-temperature", RANGE.format(**said), temperature_rows(few)
    )


def score_methods(setting: str, seed: int) -> Iterator[dict[str, Any]]:
    """Train all models of one seed, and score every method."""
    split = splits(setting, seed)
    plan = TrainingPlan("classification", EPOCHS, 1e-3, seed=seed, evaluate_every=EPOCHS)
    shape, test = (SIDE, SIDE), split.test

    def row(method: str, model: nn.Module, maps: torch.Tensor) -> dict[str, Any]:
        print(setting, seed, method, flush=True)
        return {
            "setting": setting,
            "seed": seed,
            "method": method,
            **criteria(maps, test),
            "accuracy": accuracy(model, test),
        }

    regression = glorot("linear", seed)
    train_regularised(regression, split.training, plan, weight_penalty=0.0)
    weights = linear_weights(regression, shape)
    yield row("regression weights", regression, for_every(weights, test))
    yield row(
        "regression pattern (Haufe)",
        regression,
        for_every(haufe_patterns(weights, split.training.inputs), test),
    )
    yield row("regression gradient", regression, saliency_maps(regression, test.inputs))
    network = glorot("mlp", seed, widths=[20])
    train_regularised(network, split.training, plan, weight_penalty=0.0)
    yield row("NN gradient", network, saliency_maps(network, test.inputs))
    for name, method, options in (
        ("gradient × input", "gradient_x_input", {}),
        ("integrated gradients", "integrated_gradients", {"steps": 20}),
        ("SmoothGrad", "smoothgrad", {"standard_deviation": 0.3, "seed": seed}),
    ):
        yield row(name, network, saliency_maps(network, test.inputs, method, **options))
    for name, train in (
        ("random-noise training", train_random_noise),
        ("PGD-3 training", train_pgd),
    ):
        network = glorot("mlp", seed, widths=[20])
        train(network, split.training, plan, epsilon=1.0)
        yield row(name, network, saliency_maps(network, test.inputs))


def score_baselines(setting: str, seed: int) -> dict[str, float]:
    split = splits(setting, seed)
    training, test = split.training, split.test
    machine = LinearSVC(C=1e-3, random_state=seed)
    machine.fit(training.inputs.flatten(1), training.classes)
    means = class_templates(training.inputs, training.classes, len(CLASSES)).reshape(3, -1)
    nearest = pearson(test.inputs.flatten(1).numpy()[:, None], means).argmax(1)
    return {
        "linear SVM": machine.score(test.inputs.flatten(1), test.classes),
        "nearest mean by correlation": float((nearest == test.classes.numpy()).mean()),
    }


def penalty_rows(seeds: Sequence[int]) -> list[dict[str, str]]:
    found = []
    for penalty in PENALTIES:
        for seed in seeds:
            split = splits("paper", seed)
            plan = TrainingPlan("classification", EPOCHS, 1e-2, seed=seed, evaluate_every=EPOCHS)
            regression, plain, robust = (
                glorot("linear", seed),
                glorot("mlp", seed, widths=[20]),
                glorot("mlp", seed, widths=[20]),
            )
            train_regularised(regression, split.training, plan, weight_penalty=penalty)
            train_regularised(plain, split.training, plan, weight_penalty=penalty)
            train_pgd(robust, split.training, plan, epsilon=1.0, weight_penalty=penalty)
            print("weight penalty", penalty, seed, flush=True)
            weights = linear_weights(regression, (SIDE, SIDE))
            for method, maps in (
                ("regression weights", for_every(weights, split.test)),
                ("regression gradient", saliency_maps(regression, split.test.inputs)),
                ("NN gradient", saliency_maps(plain, split.test.inputs)),
                ("PGD-3 training", saliency_maps(robust, split.test.inputs)),
            ):
                found.append({"λ": f"{penalty:g}", "method": method, **criteria(maps, split.test)})
    return both_criteria(pd.DataFrame(found), "λ")


def temperature_rows(seeds: Sequence[int]) -> list[dict[str, str]]:
    found, fitted = [], []
    for seed in seeds:
        split = splits("paper", seed)
        plan = TrainingPlan("classification", EPOCHS, 1e-3, seed=seed, evaluate_every=EPOCHS)
        models = {
            "regression gradient": glorot("linear", seed),
            "NN gradient": glorot("mlp", seed, widths=[20]),
            "PGD-3 training": glorot("mlp", seed, widths=[20]),
        }
        for method, model in models.items():
            if method.startswith("PGD"):
                train_pgd(model, split.training, plan, epsilon=1.0)
            else:
                train_regularised(model, split.training, plan, weight_penalty=0.0)
            with torch.no_grad():
                logits = model(split.validation.inputs)
            best = fit_temperature(logits, split.validation.classes)
            fitted.append(
                {"method": method, "T": best.temperature, "at_bound": best.at_bound == "lower"}
            )
            for value in TEMPERATURES:
                maps = saliency_maps(model, split.test.inputs, temperature=value)
                found.append(
                    {"temperature": f"{value:g}", "method": method, **criteria(maps, split.test)}
                )
        print("temperatures", seed, flush=True)
    rows = both_criteria(pd.DataFrame(found), "temperature")
    last = {"temperature": "fitted: mean (lower bound)"}
    for method, part in pd.DataFrame(fitted).groupby("method", sort=False):
        last[str(method)] = f"{part['T'].mean():.2f} ({part['at_bound'].sum()} of {len(part)})"
    return [*rows, last]


def splits(setting: str, seed: int) -> Split:
    sizes = (SETTINGS[setting], SETTINGS[setting], TEST_PER_CLASS)
    return Split(*(images(size, 3 * seed + place) for place, size in enumerate(sizes)))


def images(per_class: int, seed: int) -> Examples:
    cohort = make_synthetic_tasks(per_class, NOISE_SD, seed)
    codes = cohort.participants["task"].map({name: k for k, name in enumerate(CLASSES)})
    return Examples(torch.from_numpy(cohort.array), torch.from_numpy(np.array(codes)))


def glorot(family: str, seed: int, **architecture: Any) -> nn.Module:
    """Build a model with the initial weights of the paper's own code."""
    model = build_model(
        family,
        task="classification",
        input_shape=(SIDE, SIDE),
        classes=len(CLASSES),
        seed=seed,
        **architecture,
    )
    draw_glorot_weights(model, seed)
    return model


def for_every(maps: torch.Tensor, examples: Examples) -> torch.Tensor:
    return maps.expand(len(examples.inputs), *maps.shape)


def criteria(maps: torch.Tensor, examples: Examples) -> dict[str, float]:
    known = synthetic_templates()
    return {
        name: float(np.nanmean(criterion(maps, examples.classes, known)))
        for name, criterion in CRITERIA.items()
    }


def accuracy(model: nn.Module, examples: Examples) -> float:
    with torch.no_grad():
        return float((model(examples.inputs).argmax(1) == examples.classes).double().mean())


def main_rows(scores: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for method, of_method in scores.groupby("method", sort=False):
        row = {"method": str(method)}
        for setting, part in of_method.groupby("setting", sort=False):
            known = KNOWN.get(str(method), {}).get(str(setting))
            row[f"{setting} C1"] = spread(part["C1"])
            row[f"{setting} C2"] = spread(part["C2"])
            row[f"{setting} known"] = " / ".join(map(three, known)) if known else "–"
            row[f"{setting} accuracy"] = three(part["accuracy"].mean())
        rows.append(row)
    return rows


def test_rows(scores: pd.DataFrame, setting: str, criterion: str) -> list[dict[str, str]]:
    chosen = scores[scores["setting"] == setting]
    wide = chosen.pivot(index="seed", columns="method", values=criterion)
    table = paired_t_tests(wide).set_index(["a", "b"])
    rows = []
    for a, b in CLAIMED:
        turned = (a, b) not in table.index
        row = table.loc[(b, a) if turned else (a, b)]
        sign = -1 if turned else 1
        rows.append(
            {
                "method": a,
                "against": b,
                "difference": f"{sign * row['mean_difference']:+.3f}",
                "t": f"{sign * row['t']:.1f}",
                "p, corrected": f"{row['p_bonferroni']:.2g}",
            }
        )
    return rows


def both_criteria(found: pd.DataFrame, by: str) -> list[dict[str, str]]:
    """One row per value of a column, one column per method, C1 / C2 in each cell."""
    means = found.groupby([by, "method"], sort=False)[["C1", "C2"]].mean()
    rows = []
    for value in found[by].unique():
        cells = {
            method: f"{three(pair.C1)} / {three(pair.C2)}"
            for method, pair in means.loc[value].iterrows()
        }
        rows.append({by: value, **cells})
    return rows


def spread(values: pd.Series) -> str:
    return f"{three(values.mean())} ± {three(values.std())}"


three: Callable[[float], str] = "{:.3f}".format


if __name__ == "__main__":
    main()
