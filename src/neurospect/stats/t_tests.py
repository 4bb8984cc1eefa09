"""Two-sample t-tests along either axis of a pair of matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.rounding import is_constant


def two_way_t_tests(a: NDArray[np.floating], b: NDArray[np.floating]) -> pd.DataFrame:
    """Test the rows of two matrices against each other, then their columns.

    Two-tailed t-tests with equal variances: for each row with its columns as observations, and for
    each column with its rows as observations. Observations of this kind are in general not
    independent, and the p values then not to be trusted; see `max_statistic_test`.

    Parameters
    ----------
    a, b
        Same shape (rows, columns).

    Returns
    -------
    pandas.DataFrame
        Columns `axis` ("row" or "column"), `index` (from 0), `t`, `p`; NaN where a test is
        undefined, as where both groups' observations are constant up to rounding.

    Raises
    ------
    BadInputError
        When the shapes differ.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise BadInputError(
            "t-tests",
            "shape",
            found=f"{a.shape} and {b.shape}",
            expected="(rows, columns) twice",
            remedy="Give two matrices of one shape.",
        )
    frames = []
    for axis, observations in (("row", 1), ("column", 0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            t, p = stats.ttest_ind(a, b, axis=observations)
        scale = np.max(np.abs([a, b]), axis=(0, observations + 1), initial=0.0)
        undefined = is_constant(a, scale, axis=observations) & is_constant(
            b, scale, axis=observations
        )
        t, p = np.where(undefined, np.nan, t), np.where(undefined, np.nan, p)
        frames.append(pd.DataFrame({"axis": axis, "index": np.arange(t.size), "t": t, "p": p}))
    return pd.concat(frames, ignore_index=True)
