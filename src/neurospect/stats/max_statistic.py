"""Permutation test by the maximum statistic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurospect.errors import BadInputError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class MaxStatistic:
    """Result of a test that controls the family-wise error over all cells of all arrays.

    Attributes
    ----------
    z
        Per array, shape (cells...): observed value over its own permutation spread; NaN if untested.
    p
        Per array: family-wise p value; NaN if untested.
    threshold
        |z| from which on p is at most alpha; NaN where no p value can be that small.
    cells
        How many cells were tested.
    """

    z: dict[str, Values]
    p: dict[str, Values]
    threshold: float
    cells: int


def max_statistic_test(
    observed: Mapping[str, Values],
    permuted: Mapping[str, NDArray[np.floating]],
    tested: Mapping[str, NDArray[np.bool_]],
    *,
    alpha: float,
) -> MaxStatistic:
    """Test every cell of several arrays at once, two-sided.

    Each cell is divided by its root mean square over all labelings, the observed one among them, so
    that no cell rules the maximum only because it varies more; the scale is the same for every
    labeling, which keeps the test exact. The p value of a cell is the share of labelings whose
    largest |z| over all tested cells of all arrays reaches its own (Westfall & Young 1993;
    Nichols & Holmes 2002).

    Parameters
    ----------
    observed
        Name → values, any shape, zero being "no difference".
    permuted
        Name → values under each relabeling, shape (relabelings, ...).
    tested
        Name → whether a cell takes part; must not depend on the labels.
    alpha
        Family-wise error rate, for the threshold.

    Raises
    ------
    BadInputError
        When the shapes do not fit, or nothing is tested.
    """
    cells = int(sum(mask.sum() for mask in tested.values()))
    if cells == 0:
        raise BadInputError(
            "permutation test",
            "tested",
            found="no cell",
            expected="at least one",
            remedy="Look at the inputs: every value lies under its noise floor.",
        )
    relabelings = {len(values) for values in permuted.values()}
    if len(relabelings) != 1 or any(
        permuted[name].shape[1:] != values.shape for name, values in observed.items()
    ):
        raise BadInputError(
            "permutation test",
            "shape",
            found={name: values.shape for name, values in permuted.items()},
            expected="(relabelings, *shape of the observed values), one number of relabelings",
            remedy="Give the arrays of one test.",
        )
    largest = np.zeros(relabelings.pop() + 1)
    z: dict[str, Values] = {}
    for name, values in observed.items():
        mask = tested[name]
        every = np.vstack([values[mask][None], permuted[name][:, mask]]).astype(np.float64)
        spread = np.sqrt(np.mean(every**2, axis=0))
        scores = np.divide(every, spread, out=np.zeros_like(every), where=spread > 0)
        if mask.any():
            largest = np.maximum(largest, np.abs(scores).max(axis=1))
        z[name] = np.full(values.shape, np.nan)
        z[name][mask] = scores[0]
    ordered = np.sort(largest)
    p = {
        name: np.where(
            np.isnan(scores),
            np.nan,
            (largest.size - np.searchsorted(ordered, np.abs(scores))) / largest.size,
        )
        for name, scores in z.items()
    }
    rejecting = int(np.floor(alpha * largest.size + 1e-9))
    threshold = float(ordered[-rejecting]) if rejecting else np.nan
    if rejecting and (ordered >= threshold).sum() > rejecting:
        larger = ordered[ordered > threshold]
        threshold = float(larger[0]) if larger.size else np.nan
    return MaxStatistic(z=z, p=p, threshold=threshold, cells=cells)
