"""Values that would be the same but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Twice for a difference of two rounded values, and the rest for the steps that led to them.
ROUNDINGS = 16


def is_constant(
    values: NDArray[np.floating],
    scale: ArrayLike,
    *,
    axis: int = 0,
    dtype: Any = np.float64,
) -> NDArray[np.bool_]:
    """Whether values along an axis differ by no more than rounding makes them.

    Their variance is then zero or an accident, and a t statistic undefined.

    Parameters
    ----------
    values
        Any shape; NaN does not count.
    scale
        Largest size of the numbers that the values came from, such as those that were subtracted;
        one, or one for each place beside the axis.
    axis
        Along which they are compared.
    dtype
        Floating-point type in which they were computed.

    Returns
    -------
    numpy.ndarray
        Without the axis. True also where there is no value, or one.
    """
    there = ~np.isnan(values)
    largest = np.max(values, axis=axis, where=there, initial=-np.inf)
    smallest = np.min(values, axis=axis, where=there, initial=np.inf)
    return np.asarray(largest - smallest <= ROUNDINGS * np.finfo(dtype).eps * np.asarray(scale))
