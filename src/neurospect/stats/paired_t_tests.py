"""Paired t-tests between all pairs of columns."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from neurospect.errors import BadInputError

PAIRED_COLUMNS = {
    "a": "first of the pair",
    "b": "second of the pair",
    "observations": "rows in which both have a value",
    "mean_difference": "mean of a minus b over these",
    "t": "t statistic of the difference against zero",
    "p": "its two-sided p value, uncorrected",
    "p_bonferroni": "p times the number of pairs, at most 1",
}


def paired_t_tests(values: pd.DataFrame) -> pd.DataFrame:
    """Test all columns against each other, two-sided, with rows as paired observations.

    Rows must be independent of each other for p to be trusted: test examples seen by one trained
    model say nothing of what another training would give.

    Parameters
    ----------
    values
        One column for each of those compared, two or more; one row per observation. A row counts
        for a pair where both have a value.

    Returns
    -------
    pandas.DataFrame
        With `PAIRED_COLUMNS`, one row per pair, in the order of the columns. NaN where a test is
        undefined: fewer than two observations, or differences that are all the same.

    Raises
    ------
    BadInputError
        When there are fewer than two columns, or two of one name.
    """
    if values.shape[1] < 2 or not values.columns.is_unique:
        raise BadInputError(
            "paired t-tests",
            "columns",
            found=", ".join(map(str, values.columns)) or "none",
            expected="two or more, each of its own name",
            remedy="Give one column for each of those compared.",
        )
    rows = []
    for a, b in combinations(values.columns, 2):
        differences = (values[a] - values[b]).to_numpy(dtype=np.float64)
        differences = differences[~np.isnan(differences)]
        t = p = np.nan
        if len(differences) > 1 and np.ptp(differences) > 0:
            with warnings.catch_warnings():
                # Differences equal up to rounding: t is then large, and rightly so.
                warnings.simplefilter("ignore", RuntimeWarning)
                t, p = stats.ttest_1samp(differences, 0.0)
        mean = differences.mean() if len(differences) else np.nan
        rows.append((a, b, len(differences), mean, float(t), float(p)))
    table = pd.DataFrame(rows, columns=list(PAIRED_COLUMNS)[:-1])
    return table.assign(p_bonferroni=(table["p"] * len(table)).clip(upper=1))
