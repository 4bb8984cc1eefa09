"""Arrays of one comparison of two groups, out of the tree in which they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

CELL_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "step": "training step, counted from 0",
    "rank": "place of the singular value, the largest being 1",
    "group_a": "first group",
    "group_b": "second group",
    "log2_ratio": "log2 of the singular value of group a over that of group b, sizes matched",
}
TESTED_COLUMNS = {
    "tested": "whether the singular value of both groups together is above its noise floor",
    "z": "log2_ratio over its root mean square under all labelings, the observed one included",
}
JUDGEMENT_COLUMNS = {
    "relabelings": "number of random relabelings",
    "retrained": "whether the model was trained anew under each relabeling",
    "exchanged": "how labels changed places: among all samples, within a column, families whole",
    "blocks": "number of blocks of samples in both groups",
    "never_exchanged": "number of these whose label no relabeling changes",
    "target": "whether the labels were what the model was trained to tell apart: no, in part, yes",
}


class DifferenceTree:
    """Differences of two groups by weight, over steps and ranks.

    Parameters
    ----------
    differences
        Per node `difference` (step, rank), `permuted` (permutation, step, rank) and `tested`
        (step, rank); at the root the attributes of `permuted_differences`: `groups`, and how labels
        were permuted.
    """

    def __init__(self, differences: xr.DataTree) -> None:
        self.nodes = {name: node.to_dataset() for name, node in differences.children.items()}
        self.groups: tuple[str, str] = tuple(differences.attrs["groups"])
        self._attributes = differences.attrs
        self.observed = self._values("difference")
        self.tested = {name: each.astype(bool) for name, each in self._values("tested").items()}

    @cached_property
    def permuted(self) -> dict[str, NDArray[Any]]:
        """Differences under each relabeling, shape (relabelings, steps, ranks)."""
        return self._values("permuted")

    @property
    def relabelings(self) -> int:
        """Number of random relabelings."""
        return len(next(iter(self.permuted.values()), ()))

    @property
    def judgement(self) -> dict[str, str | int | bool]:
        """What must be known to judge the test, by `JUDGEMENT_COLUMNS`."""
        known = self._attributes
        return {
            "relabelings": self.relabelings,
            "retrained": bool(known["retrained"]),
            "exchanged": known["exchanged"] or "among all samples",
            "blocks": 2 * int(known["blocks_per_group"]),
            "never_exchanged": int(known["blocks_never_exchanged"]),
            "target": known["labels_are_target"],
        }

    def cells(self, values: Mapping[str, Mapping[str, NDArray[Any]]]) -> pd.DataFrame:
        """Table with one row per weight, step and rank.

        Parameters
        ----------
        values
            Column → weight → values, shape (steps, ranks).

        Returns
        -------
        pandas.DataFrame
            `CELL_COLUMNS` and those of `values`.
        """
        frames = []
        for name, node in self.nodes.items():
            steps, ranks = np.meshgrid(node["step"].values, node["rank"].values, indexing="ij")
            columns = {
                "weight": name,
                "step": steps.ravel(),
                "rank": ranks.ravel(),
                "group_a": self.groups[0],
                "group_b": self.groups[1],
                "log2_ratio": self.observed[name].ravel(),
            }
            own = {column: by_weight[name].ravel() for column, by_weight in values.items()}
            frames.append(pd.DataFrame({**columns, **own}))
        return pd.concat(frames, ignore_index=True)

    def _values(self, variable: str) -> dict[str, NDArray[Any]]:
        return {name: node[variable].values for name, node in self.nodes.items()}
