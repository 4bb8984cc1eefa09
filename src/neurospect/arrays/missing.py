"""Which values of a vector are missing, whatever it is written in."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def missing_places(values: ArrayLike) -> list[int]:
    """Find the values that are None, NaN, NaT or the missing value of pandas.

    Parameters
    ----------
    values
        Shape (values,): numbers, text, or both. Lists are looked through as they are, as an array
        of one that holds text would spell NaN out.

    Returns
    -------
    list of int
        Their places, in order.
    """
    is_sequence = isinstance(values, list | tuple)
    vector = np.asarray(values, dtype=object if is_sequence else None)
    return [int(place) for place in np.flatnonzero(pd.isna(vector))]
