"""Tables of clusters of steps and ranks in which two groups' spectra differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.stats.cluster_mass import ClusterMass, cluster_mass_test
from neurospect.stats.difference_tree import (
    CELL_COLUMNS,
    JUDGEMENT_COLUMNS,
    TESTED_COLUMNS,
    DifferenceTree,
)

CLUSTER_COLUMNS = {
    "cluster": "number of the cluster, from 1 over all weights",
    "weight": "name of the weight, as in the model's named parameters",
    "group_a": "first group",
    "group_b": "second group",
    "larger_group": "group whose singular values are larger all over the cluster",
    "cells": "number of (step, rank) cells in the cluster",
    "first_step": "first training step of the cluster, counted from 0",
    "last_step": "last training step of the cluster",
    "first_rank": "smallest rank in the cluster, the largest singular value being 1",
    "last_rank": "largest rank in the cluster",
    "peak_step": "step of its largest absolute z",
    "peak_rank": "rank of its largest absolute z",
    "peak_z": "the z there, as in the table of the permutation test",
    "mass": "sum of the absolute z of its cells",
    "p": "family-wise p value of the cluster as a whole, by the heaviest cluster of all weights",
    "threshold": "p is at most alpha where the mass reaches this",
    "forming": "smallest absolute z of a cell in a cluster",
    "alpha": "family-wise error rate",
    **JUDGEMENT_COLUMNS,
}
CLUSTER_CELL_COLUMNS = {
    **CELL_COLUMNS,
    **TESTED_COLUMNS,
    "cluster": "number of the cluster of this cell, as in the table of clusters; 0 for none",
    "p": "p value of that cluster as a whole; it says nothing of this cell by itself",
}


def cluster_tables(
    differences: xr.DataTree, *, forming: float, alpha: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find clusters of neighbouring steps and ranks, and test them by their mass.

    Neighbouring steps are those kept one after the other, however far apart they are in training.

    Parameters
    ----------
    differences
        Per node `difference` (step, rank), `permuted` (permutation, step, rank) and `tested`
        (step, rank); attributes at the root, as in `DifferenceTree`. Where the labels were what the
        model learnt and it was not trained anew, they are not exchangeable under the null
        hypothesis, which the table says.
    forming
        Smallest |z| of a cell in a cluster, as in `cluster_mass_test`.
    alpha
        Family-wise error rate.

    Returns
    -------
    clusters : pandas.DataFrame
        With `CLUSTER_COLUMNS`, one row per cluster, in no order of importance; there may be none.
    cells : pandas.DataFrame
        With `CLUSTER_CELL_COLUMNS`, one row per weight, step and rank.
    """
    tree = DifferenceTree(differences)
    result = cluster_mass_test(
        tree.observed, tree.permuted, tree.tested, forming=forming, alpha=alpha
    )
    cells = tree.cells({"tested": tree.tested, "z": result.z, "cluster": result.cluster})
    p_of_cluster = np.append(np.nan, result.p)
    cells["p"] = p_of_cluster[cells["cluster"].to_numpy()]
    clusters = _clusters(cells, result, tree.groups).assign(
        threshold=result.threshold,
        forming=forming,
        alpha=alpha,
        **tree.judgement,
    )
    return clusters[list(CLUSTER_COLUMNS)], cells[list(CLUSTER_CELL_COLUMNS)]


def _clusters(cells: pd.DataFrame, result: ClusterMass, groups: tuple[str, str]) -> pd.DataFrame:
    """One row per cluster: where it lies, where its peak is, how heavy it is."""
    inside = cells[cells["cluster"] > 0]
    by_cluster = inside.groupby("cluster")
    peaks = inside.loc[inside["z"].abs().groupby(inside["cluster"]).idxmax()]
    steps, ranks = by_cluster["step"], by_cluster["rank"]
    return pd.DataFrame(
        {
            "cluster": peaks["cluster"].to_numpy(),
            "weight": peaks["weight"].to_numpy(),
            "group_a": groups[0],
            "group_b": groups[1],
            "larger_group": np.where(peaks["z"] > 0, *groups),
            "cells": by_cluster.size().to_numpy(),
            "first_step": steps.min().to_numpy(),
            "last_step": steps.max().to_numpy(),
            "first_rank": ranks.min().to_numpy(),
            "last_rank": ranks.max().to_numpy(),
            "peak_step": peaks["step"].to_numpy(),
            "peak_rank": peaks["rank"].to_numpy(),
            "peak_z": peaks["z"].to_numpy(),
            "mass": result.mass,
            "p": result.p,
        }
    )
