"""Permutation test by the maximum statistic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurospect.stats.labelings import (
    Values,
    as_masks,
    check_arrays,
    share_reaching,
    smallest_significant,
    standardised,
)


@dataclass(frozen=True)
class MaxStatistic:
    """Result of a test that controls the family-wise error over all cells of all arrays.

    Attributes
    ----------
    z
        Per array, shape (cells...): observed value over its permutation spread; NaN if untested.
    p
        Per array: family-wise p value; NaN if untested.
    array_p
        Per array, one p value: the share of labelings whose largest |z| in this array reaches the
        observed one. Not corrected for the number of arrays; NaN where no cell is tested.
    threshold
        p is at most alpha exactly where |z| reaches it; NaN where there are too few relabelings for
        any p value to be that small.
    cells
        How many cells were tested.
    """

    z: dict[str, Values]
    p: dict[str, Values]
    array_p: dict[str, float]
    threshold: float
    cells: int


def max_statistic_test(
    observed: Mapping[str, Values],
    permuted: Mapping[str, NDArray[np.floating]],
    tested: Mapping[str, ArrayLike],
    *,
    alpha: float,
) -> MaxStatistic:
    """Test every cell of several arrays at once, two-sided.

    Cells are first brought to one scale (`standardised`). The p value of a cell is the share of
    labelings whose largest |z| over all tested cells of all arrays reaches its own (Westfall &
    Young 1993; Nichols & Holmes 2002).

    Parameters
    ----------
    observed
        Name → values, any shape, zero being "no difference".
    permuted
        Name → values under each relabeling, shape (relabelings, ...).
    tested
        Name → whether a cell takes part, as truth values or as 0 and 1; must not depend on the
        labels.
    alpha
        Family-wise error rate, for the threshold.

    Raises
    ------
    BadInputError
        When the arrays do not fit together, `tested` holds other values, nothing is tested, or a
        tested value is not finite.
    """
    masks = as_masks(tested)
    cells = check_arrays(observed, permuted, masks)
    largest = np.zeros(len(next(iter(permuted.values()))) + 1)
    z: dict[str, Values] = {}
    array_p: dict[str, float] = {}
    for name, values in observed.items():
        scores = standardised(name, values, permuted[name], masks[name])
        z[name] = np.full(values.shape, np.nan)
        z[name][masks[name]] = scores[0]
        array_p[name] = np.nan
        if masks[name].any():
            own = np.abs(scores).max(axis=1)
            array_p[name] = float(share_reaching(own, own[0]))
            largest = np.maximum(largest, own)
    return MaxStatistic(
        z=z,
        p={name: share_reaching(largest, np.abs(scores)) for name, scores in z.items()},
        array_p=array_p,
        threshold=smallest_significant(largest, alpha),
        cells=cells,
    )
