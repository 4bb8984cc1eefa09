"""Strong and simple decoders that have no gradient: what a network must be as good as."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC

from neurospect.errors import BadInputError
from neurospect.saliency.criteria import pearson
from neurospect.saliency.decoding_data import SPLITS, DecodingData, batches

log = logging.getLogger(__name__)

BASELINE_COLUMNS = {
    "decoder": "linear SVM: support vector machine, one class against another, its C chosen on "
    "the validation split; nearest mean: the class whose mean training example correlates best",
    "split": "training, validation or test",
    "examples": "how many",
    "chance": "share of them that is of the largest class: right if only that class is named",
    "accuracy": "share of them classified right",
}
# Times one over the mean squared length of the training examples.
PENALTY_FACTORS = (1e-2, 1e-1, 1.0, 1e1, 1e2)
EXAMPLES_AT_ONCE = 128
MOST_EXAMPLES = 20_000


def score_baselines(data: DecodingData) -> pd.DataFrame:
    """Score a linear support vector machine and the nearest mean.

    The machine is fitted on inner products, which are taken in batches: no copy of the array is
    made, and a few thousand volumes are no more work than as many images.

    Parameters
    ----------
    data
        What to decode.

    Returns
    -------
    pandas.DataFrame
        With `BASELINE_COLUMNS`, one row per baseline and split.

    Raises
    ------
    BadInputError
        When there are so many training examples that their inner products take up gigabytes.
    """
    training = data.places["training"]
    if len(training) > MOST_EXAMPLES:
        raise BadInputError(
            "baselines",
            "training split",
            found=f"{len(training)} examples",
            expected=f"{MOST_EXAMPLES} or fewer",
            remedy="Leave baselines out (baselines: false), or take a smaller split.",
        )
    codes = {split: data.codes[places] for split, places in data.places.items()}
    guesses = {"linear SVM": _machine(data, codes), "nearest mean": _nearest_mean(data, codes)}
    rows = [
        (name, split, len(guessed), data.chance(split), float((guessed == codes[split]).mean()))
        for name, of_split in guesses.items()
        for split, guessed in of_split.items()
    ]
    return pd.DataFrame(rows, columns=list(BASELINE_COLUMNS))


def _machine(
    data: DecodingData, codes: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    products = {split: inner_products(data, split, "training") for split in SPLITS}
    unit = 1 / float(np.diag(products["training"]).mean())
    machines = [
        SVC(C=factor * unit, kernel="precomputed").fit(products["training"], codes["training"])
        for factor in PENALTY_FACTORS
    ]
    right = [
        float((machine.predict(products["validation"]) == codes["validation"]).mean())
        for machine in machines
    ]
    best = int(np.argmax(right))
    log.info("linear SVM: C of %g, right on %.4f of validation", PENALTY_FACTORS[best], right[best])
    return {split: machines[best].predict(products[split]) for split in SPLITS}


def _nearest_mean(
    data: DecodingData, codes: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    sums = np.zeros((len(data.classes), int(np.prod(data.shape))))
    for part, values in _blocks(data, "training"):
        np.add.at(sums, codes["training"][part], values)
    means = sums / np.bincount(codes["training"], minlength=len(sums))[:, None]
    for name, mean in zip(data.classes, means, strict=True):
        if np.ptp(mean) == 0:
            log.warning("class %s has a constant mean, with which nothing correlates", name)
    return {
        split: np.concatenate(
            [
                np.stack([_correlations(one, means) for one in values]).argmax(1)
                for _, values in _blocks(data, split)
            ]
        )
        for split in SPLITS
    }


def _correlations(values: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations with each mean; one that is undefined is never the largest."""
    return np.nan_to_num(pearson(values, means), nan=-np.inf)


def inner_products(data: DecodingData, split: str, others: str) -> NDArray[np.float64]:
    """Inner products of the examples of one split with those of another, read in batches.

    Returns
    -------
    numpy.ndarray
        Shape (examples of `split`, examples of `others`).
    """
    products = np.empty((len(data.places[split]), len(data.places[others])))
    for rows, first in _blocks(data, split):
        for columns, second in _blocks(data, others):
            products[rows, columns] = first @ second.T
    return products


def _blocks(data: DecodingData, split: str) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Batches of a split, flattened, in double precision, with their places in it."""
    examples = data.examples(split, torch.device("cpu"))
    for part in batches(len(examples), EXAMPLES_AT_ONCE):
        yield part, examples.rows(part).inputs.flatten(1).double().numpy()
