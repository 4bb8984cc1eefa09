"""Tables of the differences between two groups' spectra over steps and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.stats.max_statistic import max_statistic_test
from neurospect.stats.t_tests import two_way_t_tests

PERMUTATION_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "step": "training step, counted from 0",
    "rank": "place of the singular value, the largest being 1",
    "group_a": "first group",
    "group_b": "second group",
    "log2_ratio": "log2 of the singular value of group a over that of group b, sizes matched",
    "tested": "whether the singular value of both groups together is above its noise floor",
    "z": "log2_ratio over its root mean square under all labelings, the observed one included",
    "p": "family-wise p value over all weights, steps and ranks, by the maximum statistic",
    "threshold": "p is at most alpha where the absolute z reaches this",
    "alpha": "family-wise error rate",
    "relabelings": "number of random relabelings",
    "target": "whether the labels were what the model was trained to tell apart",
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


def permutation_table(
    differences: xr.DataTree, *, alpha: float, labels_are_target: bool
) -> pd.DataFrame:
    """Test observed differences against those under permuted labels.

    Parameters
    ----------
    differences
        Per node `difference` (step, rank), `permuted` (permutation, step, rank) and `tested`
        (step, rank); attribute `groups` at the root.
    alpha
        Family-wise error rate.
    labels_are_target
        Whether the model was trained to tell the groups apart: the labels are then not
        exchangeable under the null hypothesis, which the table says.

    Returns
    -------
    pandas.DataFrame
        With `PERMUTATION_COLUMNS`, one row per weight, step and rank.
    """
    nodes = {name: node.to_dataset() for name, node in differences.children.items()}
    tested = {name: node["tested"].values.astype(bool) for name, node in nodes.items()}
    result = max_statistic_test(
        {name: node["difference"].values for name, node in nodes.items()},
        {name: node["permuted"].values for name, node in nodes.items()},
        tested,
        alpha=alpha,
    )
    group_a, group_b = differences.attrs["groups"]
    frames = []
    for name, node in nodes.items():
        steps, ranks = np.meshgrid(node["step"].values, node["rank"].values, indexing="ij")
        frames.append(
            pd.DataFrame(
                {
                    "weight": name,
                    "step": steps.ravel(),
                    "rank": ranks.ravel(),
                    "group_a": group_a,
                    "group_b": group_b,
                    "log2_ratio": node["difference"].values.ravel(),
                    "tested": tested[name].ravel(),
                    "z": result.z[name].ravel(),
                    "p": result.p[name].ravel(),
                    "threshold": result.threshold,
                    "alpha": alpha,
                    "relabelings": node.sizes["permutation"],
                    "target": labels_are_target,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


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
