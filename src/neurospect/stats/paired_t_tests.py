"""Paired t-tests between all pairs of columns."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.rounding import is_constant

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
        One column for each of those compared, two or more; one row per observation: numbers or
        truth values. A row counts for a pair where both have a value.

    Returns
    -------
    pandas.DataFrame
        With `PAIRED_COLUMNS`, one row per pair, in the order of the columns. NaN where a test is
        undefined: fewer than two observations, or differences that are all the same up to rounding.

    Raises
    ------
    BadInputError
        When there are fewer than two columns, two of one name, or one that holds no numbers.
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
    numbers = {name: _numbers(values[name]) for name in values.columns}
    for a, b in combinations(values.columns, 2):
        subtracted = numbers[a] - numbers[b]
        both = ~np.isnan(subtracted)
        differences = subtracted[both].astype(np.float64)
        scale = np.max(np.abs([numbers[a][both], numbers[b][both]]), initial=0.0)
        t = p = np.nan
        if len(differences) > 1 and not is_constant(differences, scale, dtype=subtracted.dtype):
            with warnings.catch_warnings():
                # Differences that vary little against their mean: t is then large, and rightly so.
                warnings.simplefilter("ignore", RuntimeWarning)
                t, p = stats.ttest_1samp(differences, 0.0)
        mean = differences.mean() if len(differences) else np.nan
        rows.append((a, b, len(differences), mean, float(t), float(p)))
    table = pd.DataFrame(rows, columns=list(PAIRED_COLUMNS)[:-1])
    return table.assign(p_bonferroni=(table["p"] * len(table)).clip(upper=1))


def _numbers(column: pd.Series[Any]) -> NDArray[np.floating]:
    """Take the values in their own floating-point type, or in double precision."""
    own = column.dtype
    try:
        numbers: NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise BadInputError(
            "paired t-tests",
            f"column {column.name}",
            found=f"values of type {own}",
            expected="numbers or truth values",
            remedy="Give what was measured.",
        ) from None
    return numbers.astype(own) if isinstance(own, np.dtype) and own.kind == "f" else numbers
