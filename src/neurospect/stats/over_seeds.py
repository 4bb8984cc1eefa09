"""Mean and spread over trainings that differ in their seed only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from neurospect.errors import BadInputError


def over_seeds(
    tables: Sequence[pd.DataFrame], by: Sequence[str], values: Sequence[str]
) -> pd.DataFrame:
    """Take means and standard deviations over seeds.

    Parameters
    ----------
    tables
        With a column `seed`, and those named below; one row for each seed and each of `by`.
    by
        Columns that tell rows of one seed apart.
    values
        Columns of numbers or truth values to summarise. Missing values do not count.

    Returns
    -------
    pandas.DataFrame
        The columns `by`, in the order of the tables; `seeds`, how many have a value (the fewest,
        where it differs between the values; those that no seed has left out); for each value its
        mean over seeds under its own name, and under `sd_<name>` its standard deviation (ddof 1),
        missing where fewer than two seeds have one.

    Raises
    ------
    BadInputError
        When there is no table, a column is missing, or a seed has two rows of one kind.
    """
    needed = [*by, "seed", *values]
    absent = {name for table in tables for name in needed if name not in table}
    if absent or not tables:
        raise _refused("columns", f"no {', '.join(sorted(absent)) or 'table'}", ", ".join(needed))
    whole = pd.concat([table[needed] for table in tables], ignore_index=True)
    for name in values:
        # Missing truth values are none of float's.
        whole[name] = whole[name].astype(object).where(whole[name].notna(), np.nan).astype(float)
    keys = [*by, "seed"]
    if whole.duplicated(keys).any():
        twice = whole.loc[whole.duplicated(keys), keys].iloc[0].to_dict()
        raise _refused("rows", f"two of {twice}", "one row for each seed")
    groups = whole.groupby(list(by), sort=False, dropna=False)
    summary = _seeds_with_a_value(whole, by, values).to_frame("seeds")
    for name in values:
        summary[name] = groups[name].mean()
        summary[f"sd_{name}"] = groups[name].std(ddof=1)
    return summary.reset_index()


def _seeds_with_a_value(
    whole: pd.DataFrame, by: Sequence[str], values: Sequence[str]
) -> pd.Series[int]:
    counts = []
    for name in values:
        having = whole.assign(seed=whole["seed"].where(whole[name].notna()))
        counts.append(having.groupby(list(by), sort=False, dropna=False)["seed"].nunique())
    of_values = pd.concat(counts, axis=1)
    return of_values.where(of_values > 0).min(axis=1).fillna(0).astype(np.int64)


def with_standard_error(summary: pd.DataFrame, value: str) -> pd.DataFrame:
    """Name the mean of a value `mean`, and add its `standard_error` over seeds that have one.

    Where some seeds lack another value of the row, the error is by their fewer number, and so too
    large rather than too small.

    Parameters
    ----------
    summary
        Of `over_seeds`.
    value
        One of its values.
    """
    error = summary[f"sd_{value}"] / np.sqrt(summary["seeds"])
    return summary.rename(columns={value: "mean"}).assign(standard_error=error)


def columns_over_seeds(
    columns: Mapping[str, str], by: Sequence[str], values: Sequence[str]
) -> dict[str, str]:
    """Describe the columns of `over_seeds`, from the descriptions of those it was made of."""
    described = {name: columns[name] for name in by}
    described["seeds"] = (
        "trainings with a value, over which means and deviations are taken"
        if len(values) == 1
        else "trainings with a value, over which means and deviations are taken; the fewest, where "
        "it differs between columns (those without any value left out)"
    )
    for name in values:
        described[name] = f"mean over seeds: {columns[name]}"
        described[f"sd_{name}"] = f"standard deviation over seeds of {name}; n/a for one seed"
    return described


def _refused(field: str, found: str, expected: str) -> BadInputError:
    return BadInputError(
        "tables of several seeds",
        field,
        found=found,
        expected=expected,
        remedy="Give one table for each training.",
    )
