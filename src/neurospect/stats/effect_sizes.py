"""How large the differences between two groups' spectra are, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.stats.difference_tree import DifferenceTree
from neurospect.stats.jackknife import jackknife_interval

EFFECT_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "step": "training step, counted from 0",
    "rank": "place of the singular value, the largest being 1",
    "group_a": "first group",
    "group_b": "second group",
    "log2_ratio": "log2 of the singular value of group a over that of group b, sizes matched",
    "tested": "whether the singular value of both groups together is above its noise floor",
    "standard_error": "of log2_ratio, by leaving out one unit (block, or family) at a time",
    "low": "lower end of the interval of log2_ratio; not corrected for the number of cells",
    "high": "upper end of the interval of log2_ratio; not corrected for the number of cells",
    "confidence": "share of such intervals that hold the true value, at least",
    "units": "number of units that were left out in turn",
}


def effect_sizes(differences: xr.DataTree, *, confidence: float = 0.95) -> pd.DataFrame:
    """Say how large each difference is, and how sure, as if the participants were drawn anew.

    The interval is that of `jackknife_interval`, over the units whose gradients were kept apart:
    blocks of samples, or families. It holds the true value about as often as it says where the
    gradient that the blocks share rises above what differs between them, and more often where it
    does not. It is of one training: what another start of the training would change is not in it
    (see `seed_summary`).

    Parameters
    ----------
    differences
        Per node `difference` (step, rank), `tested` (step, rank) and `leave_one_out`
        (unit, step, rank), the difference without one unit, with the coordinate `unit_group`
        (unit), the group or groups of each; attribute `groups` at the root.
    confidence
        Of the intervals.

    Returns
    -------
    pandas.DataFrame
        With `EFFECT_COLUMNS`, one row per weight, step and rank; no interval where the difference
        is not tested.

    Raises
    ------
    BadInputError
        When the differences without one unit were not kept, or a group has fewer than two units.
    """
    tree = DifferenceTree(differences)
    found: dict[str, dict[str, np.ndarray]] = {"standard_error": {}, "low": {}, "high": {}}
    units = 0
    for name, node in tree.nodes.items():
        if "leave_one_out" not in node:
            raise BadInputError(
                "differences",
                f"{name}: leave_one_out",
                found="no such variable",
                expected="the difference without each unit",
                remedy="Run the permutation of the labels again: it keeps them.",
            )
        interval = jackknife_interval(
            tree.observed[name],
            node["leave_one_out"].values,
            node["unit_group"].values,
            confidence=confidence,
        )
        units = node.sizes["unit"]
        for column, values in found.items():
            each = getattr(interval, column)
            values[name] = np.where(tree.tested[name], each, np.nan)
    cells = tree.cells({"tested": tree.tested, **found})
    return cells.assign(confidence=confidence, units=units)[list(EFFECT_COLUMNS)]
