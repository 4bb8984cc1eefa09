"""Tables of the differences between two groups' spectra over steps and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.stats.difference_tree import (
    CELL_COLUMNS,
    JUDGEMENT_COLUMNS,
    TESTED_COLUMNS,
    DifferenceTree,
)
from neurospect.stats.false_discovery import q_values
from neurospect.stats.max_statistic import max_statistic_test
from neurospect.stats.t_tests import two_way_t_tests

PERMUTATION_COLUMNS = {
    **CELL_COLUMNS,
    **TESTED_COLUMNS,
    "p": "family-wise p value over all weights, steps and ranks, by the maximum statistic",
    "threshold": "p is at most alpha where the absolute z reaches this",
    "alpha": "family-wise error rate",
    **JUDGEMENT_COLUMNS,
}
WEIGHT_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "group_a": "first group",
    "group_b": "second group",
    "step": "training step of the largest absolute z of the weight, counted from 0",
    "rank": "rank of the largest absolute z of the weight",
    "z": "the z there, as in the table of the permutation test",
    "p": "p value of the weight, by the maximum statistic over its steps and ranks",
    "q": "p corrected across weights, controlling the false discovery rate (Benjamini-Hochberg)",
    "alpha": "level at which the comparison is judged",
    **JUDGEMENT_COLUMNS,
}
T_TEST_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "test": "per step (observations: singular values) or per singular value (observations: steps)",
    "step": "training step of a per-step test",
    "rank": "rank of a per-singular-value test",
    "group_a": "first group",
    "group_b": "second group",
    "t": "t statistic of the paper's two-tailed test, equal variances",
    "p": "its p value, uncorrected; the observations are not independent, so it is too small",
}


def permutation_table(differences: xr.DataTree, *, alpha: float) -> pd.DataFrame:
    """Test observed differences against those under permuted labels.

    Parameters
    ----------
    differences
        Per node `difference` (step, rank), `permuted` (permutation, step, rank) and `tested`
        (step, rank); attributes at the root, as in `DifferenceTree`. Where the labels were what the
        model learnt and it was not trained anew, they are not exchangeable under the null
        hypothesis, which the table says.
    alpha
        Family-wise error rate.

    Returns
    -------
    pandas.DataFrame
        With `PERMUTATION_COLUMNS`, one row per weight, step and rank.
    """
    tree = DifferenceTree(differences)
    result = max_statistic_test(tree.observed, tree.permuted, tree.tested, alpha=alpha)
    cells = tree.cells({"tested": tree.tested, "z": result.z, "p": result.p})
    return cells.assign(
        threshold=result.threshold,
        alpha=alpha,
        **tree.judgement,
    )[list(PERMUTATION_COLUMNS)]


def weight_table(differences: xr.DataTree, *, alpha: float) -> pd.DataFrame:
    """Test each weight as a whole, and correct across weights by the false discovery rate.

    Says in which weights groups differ where the family-wise error of `permutation_table` is too
    strict: of the weights with q ≤ alpha, a share of alpha is expected to be false.

    Parameters
    ----------
    differences, alpha
        As in `permutation_table`.

    Returns
    -------
    pandas.DataFrame
        With `WEIGHT_COLUMNS`, one row per weight; a weight without tested cells has no result.
    """
    tree = DifferenceTree(differences)
    result = max_statistic_test(tree.observed, tree.permuted, tree.tested, alpha=alpha)
    cells = tree.cells({"z": result.z})
    # A weight without tested cells keeps its row: its first cell, whose z is missing.
    places = cells["z"].abs().fillna(-1.0).groupby(cells["weight"], sort=False).idxmax()
    peaks = cells.loc[places].reset_index(drop=True)
    untested = peaks["z"].isna()
    p = np.array([result.array_p[name] for name in peaks["weight"]])
    return peaks.assign(
        step=peaks["step"].astype("Int64").mask(untested),
        rank=peaks["rank"].astype("Int64").mask(untested),
        p=p,
        q=q_values(p),
        alpha=alpha,
        **tree.judgement,
    )[list(WEIGHT_COLUMNS)]


def t_test_table(spectra: xr.DataTree, groups: Sequence[str]) -> pd.DataFrame:
    """Run the two t-tests of the AutoSpec paper (its section 2.2), weight by weight.

    Parameters
    ----------
    spectra
        Per node `gradient` (step, group, rank) at contribution scale, with the attributes
        `group_names` and `group_sizes`.
    groups
        Names of the two groups.

    Returns
    -------
    pandas.DataFrame
        With `T_TEST_COLUMNS`.

    Raises
    ------
    BadInputError
        When a group was not recorded, or its size changed from step to step.
    """
    frames = []
    for name, node in spectra.children.items():
        sizes = _sizes_of(node, groups)
        # Mean scale, but for the samples of the batch, which are the same for both groups.
        gradient = node.to_dataset()["gradient"]
        a, b = (gradient.sel(group=group).values / sizes[group] for group in groups)
        tests = two_way_t_tests(a, b)
        steps, ranks = node["step"].values, node["rank"].values
        by_step = tests["axis"] == "row"
        step = pd.Series(pd.NA, index=tests.index, dtype="Int64")
        rank = pd.Series(pd.NA, index=tests.index, dtype="Int64")
        step[by_step], rank[~by_step] = steps, ranks
        frames.append(
            pd.DataFrame(
                {
                    "weight": name,
                    "test": np.where(by_step, "per step", "per singular value"),
                    "step": step,
                    "rank": rank,
                    "group_a": groups[0],
                    "group_b": groups[1],
                    "t": tests["t"],
                    "p": tests["p"],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _sizes_of(node: xr.DataTree, groups: Sequence[str]) -> dict[str, int]:
    names, sizes = (
        np.atleast_1d(node.attrs["group_names"]),
        np.atleast_1d(node.attrs["group_sizes"]),
    )
    known = dict(zip(names.tolist(), sizes.tolist(), strict=False))
    if not set(groups) <= known.keys():
        raise BadInputError(
            "spectra",
            f"{node.name}: group_sizes",
            found=", ".join(known) or "groups whose sizes differ from step to step",
            expected=f"{', '.join(groups)}, each of one size throughout",
            remedy="Compare groups that were recorded, in a training with the full batch.",
        )
    return known
