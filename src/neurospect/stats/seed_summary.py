"""What several trainings of one experiment agree on: seeds as replicates."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from neurospect.errors import BadInputError
from neurospect.stats.false_discovery import q_values
from neurospect.stats.rounding import is_constant

CELL = ["weight", "step", "rank"]
SEED_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "step": "training step, counted from 0",
    "rank": "place of the singular value, the largest being 1",
    "group_a": "first group",
    "group_b": "second group",
    "seeds": "trainings in which the cell was tested",
    "mean_log2_ratio": "mean over these of log2 of group a's singular value over group b's",
    "sd_log2_ratio": "its standard deviation over these trainings",
    "significant_share": "share of these in which the cell's family-wise p is at most alpha",
    "sign_consistency": "share of these whose ratio has the sign that most of them have",
    "hedges_g": "mean over standard deviation, corrected for few trainings (Hedges' g)",
    "t": "t statistic over trainings, against no difference",
    "p": "its two-sided p value, uncorrected; speaks of these participants, not of others",
    "q": "p corrected across weights, steps and ranks (Benjamini-Hochberg)",
    "alpha": "level of each training's own test",
}


def seed_summary(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Summarise the permutation tests of trainings that differ only in their seed.

    Trainings are the observations here, and all of them saw the same participants. So t, p and q
    say whether training tells these participants' groups apart whatever its random start; that
    other participants would show the same, only the permutation test of each training can say.

    Parameters
    ----------
    tables
        One table per seed, as `permutation_table` gives it, two or more.

    Returns
    -------
    pandas.DataFrame
        With `SEED_COLUMNS`, one row per weight, step and rank, in the order of the first table. A
        training in which a cell was not tested does not count there; a cell tested in fewer than
        two has no standard deviation and no test, and one whose ratios are the same up to rounding
        has no test and no Hedges' g.

    Raises
    ------
    BadInputError
        When there are fewer than two tables, or they differ in their cells, groups or alpha.
    """
    _check(tables)
    first = tables[0].reset_index(drop=True)
    tested = np.stack([table["tested"].to_numpy(dtype=bool) for table in tables])
    ratios = np.stack([table["log2_ratio"].to_numpy(dtype=np.float64) for table in tables])
    ratios = np.where(tested, ratios, np.nan)
    p = np.stack([table["p"].to_numpy(dtype=np.float64) for table in tables])
    alpha = float(first["alpha"].iloc[0])
    seeds = tested.sum(axis=0)
    with warnings.catch_warnings():
        # Cells that no training, one or all alike tested have undefined results: NaN says so.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean, sd = np.nanmean(ratios, axis=0), np.nanstd(ratios, axis=0, ddof=1)
        t, p_over_seeds = stats.ttest_1samp(ratios, 0.0, axis=0, nan_policy="omit")
        share = (p <= alpha).sum(axis=0) / seeds
        majority = np.maximum((ratios > 0).sum(axis=0), (ratios < 0).sum(axis=0)) / seeds
        g = mean / sd * _small_sample_correction(seeds - 1)
    # The rounding of a logarithm is that of its argument, however small the logarithm.
    scale = np.max(np.abs(ratios), axis=0, where=~np.isnan(ratios), initial=1.0)
    undefined = is_constant(ratios, scale)
    g, t, p_over_seeds = (np.where(undefined, np.nan, found) for found in (g, t, p_over_seeds))
    return first.assign(
        seeds=seeds,
        mean_log2_ratio=mean,
        sd_log2_ratio=sd,
        significant_share=share,
        sign_consistency=majority,
        hedges_g=g,
        t=t,
        p=p_over_seeds,
        q=q_values(p_over_seeds),
        alpha=alpha,
    )[list(SEED_COLUMNS)]


def _small_sample_correction(freedom: NDArray[np.int_]) -> NDArray[np.float64]:
    """Hedges' J, exact (Hedges 1981)."""
    m = np.where(freedom > 1, freedom, np.nan)
    logarithm = special.gammaln(m / 2) - special.gammaln((m - 1) / 2) - np.log(m / 2) / 2
    return np.asarray(np.exp(logarithm), dtype=np.float64)


def _check(tables: Sequence[pd.DataFrame]) -> None:
    if len(tables) < 2:
        raise _bad("tables", f"{len(tables)}", "two or more", "Train with further seeds.")
    facts = [*CELL, "group_a", "group_b", "alpha"]
    first = tables[0][facts].reset_index(drop=True)
    if first.duplicated(CELL).any():
        raise _bad(
            "weight, step, rank",
            "repeated rows in the first table",
            "one row for each",
            "Give one table per seed.",
        )
    for place, table in enumerate(tables[1:], start=2):
        other = table[facts].reset_index(drop=True)
        if other.shape == first.shape:
            differs = [name for name in facts if (other[name] != first[name]).any()]
        else:
            differs = ["rows"]
        if differs:
            raise _bad(
                ", ".join(differs),
                f"others in table {place} than in the first",
                "the same weights, steps, ranks, groups and alpha",
                "Give trainings that differ only in their seed.",
            )


def _bad(field: str, found: str, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "tables of several seeds", field, found=found, expected=expected, remedy=remedy
    )
