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
        Per array, shape (cells...): observed value over its permutation spread; NaN if untested.
    p
        Per array: family-wise p value; NaN if untested.
    threshold
        p is at most alpha exactly where |z| reaches it; NaN where there are too few relabelings for
        any p value to be that small.
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
        When the arrays do not fit together, nothing is tested, or a tested value is not finite.
    """
    _check_fit(observed, permuted, tested)
    cells = int(sum(mask.sum() for mask in tested.values()))
    if cells == 0:
        raise BadInputError(
            "permutation test",
            "tested",
            found="no cell",
            expected="at least one",
            remedy="Look at the inputs: every value lies under its noise floor.",
        )
    largest = np.zeros(len(next(iter(permuted.values()))) + 1)
    z: dict[str, Values] = {}
    for name, values in observed.items():
        mask = tested[name]
        every = np.vstack([values[mask][None], permuted[name][:, mask]]).astype(np.float64)
        _check_finite(name, every)
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
    return MaxStatistic(z=z, p=p, threshold=_threshold(ordered, alpha), cells=cells)


def _threshold(ordered: Values, alpha: float) -> float:
    """Smallest number that at most a share `alpha` of the sorted maxima reach."""
    may_reach = int(np.floor(alpha * ordered.size + 1e-9))
    if may_reach == 0:
        return np.nan
    if may_reach >= ordered.size:
        return 0.0
    return float(np.nextafter(ordered[-may_reach - 1], np.inf))


def _check_fit(
    observed: Mapping[str, Values],
    permuted: Mapping[str, NDArray[np.floating]],
    tested: Mapping[str, NDArray[np.bool_]],
) -> None:
    fits = observed.keys() == permuted.keys() == tested.keys() and all(
        permuted[name].shape[1:] == values.shape == tested[name].shape
        for name, values in observed.items()
    )
    if not fits or len({len(values) for values in permuted.values()}) > 1:
        shapes = [
            {name: np.shape(values) for name, values in arrays.items()}
            for arrays in (observed, permuted, tested)
        ]
        raise BadInputError(
            "permutation test",
            "shapes",
            found=", ".join(map(str, shapes)),
            expected="(cells...), (relabelings, cells...) and (cells...) under the same names",
            remedy="Give the arrays of one test.",
        )


def _check_finite(name: str, values: Values) -> None:
    bad = int((~np.isfinite(values)).any(axis=0).sum())
    if bad:
        raise BadInputError(
            "permutation test",
            name,
            found=f"NaN or infinity in {bad} tested cells",
            expected="finite values",
            remedy="Mend the values, or leave these cells untested.",
        )
