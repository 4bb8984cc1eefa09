"""Correction of p values for the false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def q_values(p: ArrayLike) -> NDArray[np.float64]:
    """Correct p values by Benjamini & Hochberg (1995); missing ones count for nothing.

    Valid for tests that are independent or depend on one another positively.

    Parameters
    ----------
    p
        Shape (tests,), NaN where a test is undefined.

    Returns
    -------
    numpy.ndarray
        Shape (tests,): smallest false discovery rate at which each test is significant.
    """
    values = np.asarray(p, dtype=np.float64)
    found = np.full(values.shape, np.nan)
    defined = ~np.isnan(values)
    if defined.any():
        found[defined] = stats.false_discovery_control(values[defined], method="bh")
    return found
