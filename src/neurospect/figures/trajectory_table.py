"""The numbers that figures of trajectories draw, as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from neurospect.figures.gradient_values import (
    MOST_STEPS,
    WHOLE_BATCH,
    mean_scale,
    thinned,
    weight_nodes,
)
from neurospect.figures.weights import layer_words

TRAJECTORY_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "layer": "its layer in words",
    "group": f"whose gradient; {WHOLE_BATCH} is the whole batch",
    "step": "training step, counted from 0",
    "rank": "place of the singular value, the largest being 1",
    "value": "singular value at mean scale: of the loss averaged over the group (loss / weight)",
    "noise_floor": "size at or under which a singular value is rounding noise (loss / weight)",
    "under_noise_floor": "whether the value is rounding noise; the figure does not draw it",
}


def trajectory_table(
    spectra: xr.DataTree, *, words: Mapping[str, str] | None = None, most_steps: int = MOST_STEPS
) -> pd.DataFrame:
    """Give the numbers that figures of trajectories draw, of all weights and groups.

    Parameters
    ----------
    spectra
        One node per weight (see `mean_scale`).
    words
        Weight → layer in words, as in `layer_words`.
    most_steps
        As in `thinned`.

    Returns
    -------
    pandas.DataFrame
        With `TRAJECTORY_COLUMNS`: one row per weight, group, step and rank. A group that is not in
        a step's batch has no value there.

    Raises
    ------
    BadInputError
        If there is no weight, or a weight has no gradient spectra.
    """
    frames = []
    nodes = weight_nodes(spectra)
    layers = layer_words(list(nodes), words)
    for weight, whole in nodes.items():
        node = thinned(whole, most_steps)
        steps, ranks = (
            places.ravel()
            for places in np.meshgrid(node["step"].values, node["rank"].values, indexing="ij")
        )
        for group in node["group"].values:
            values, floor = mean_scale(node, str(group))
            columns = {
                "weight": weight,
                "layer": layers[weight],
                "group": str(group),
                "step": steps,
                "rank": ranks,
                "value": values.ravel(),
                "noise_floor": np.repeat(floor, values.shape[1]),
                "under_noise_floor": (values <= floor[:, np.newaxis]).ravel(),
            }
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
