"""Singular values of gradients as figures and tables show them: scale, noise, steps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from neurospect.errors import BadInputError

WHOLE_BATCH = "all"
MOST_STEPS = 60
"""Steps that a line is drawn through, at most: more cannot be told apart on the page."""


def thinned(node: xr.Dataset, most: int = MOST_STEPS) -> xr.Dataset:
    """Keep `most` of a weight's steps or fewer: the first, the last, evenly on a logarithmic axis.

    Steps are counted from 1 there. Kept values are as recorded, not averaged.
    """
    steps = node["step"].values + 1
    if len(steps) <= most:
        return node
    kept = np.array([0, len(steps) - 1])
    # Early marks fall on the same recorded steps, so more marks than steps are needed.
    for marks in range(most, 20 * most, 2):
        ideal = np.geomspace(steps[0], steps[-1], marks)
        after = np.searchsorted(steps, ideal).clip(1, len(steps) - 1)
        nearest = np.where(ideal - steps[after - 1] < steps[after] - ideal, after - 1, after)
        places = np.unique(np.concatenate([[0], nearest, [len(steps) - 1]]))
        if len(places) > most:
            break
        kept = places
    return node.isel(step=kept)


def mean_scale(
    node: xr.Dataset, group: str = WHOLE_BATCH
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Singular values of a group's gradient and their noise floor, at mean scale.

    Mean scale is contribution scale times N / n_g: the gradient of the loss averaged over the
    group's own samples, so that groups of unlike size can stand side by side.

    Parameters
    ----------
    node
        Spectra of one weight: `gradient` (step, group, rank) and `noise_floor` (step, group).
    group
        Name of the group; "all" is the whole batch.

    Returns
    -------
    values
        Shape (steps, ranks), loss / weight.
    floor
        Shape (steps,), loss / weight.

    Raises
    ------
    BadInputError
        If the node holds no gradient spectra, or not of this group.
    """
    _check(node, group)
    one = node.sel(group=group)
    factor: NDArray[np.float64] = np.ones(node.sizes["step"])
    if node.attrs.get("scale", "contribution") == "contribution":
        samples, members = group_size(node, WHOLE_BATCH), group_size(node, group)
        factor = np.where(members > 0, samples / np.maximum(members, 1), np.nan) * factor
    values = one["gradient"].transpose("step", "rank").values.astype(np.float64)
    floor = one["noise_floor"].values.astype(np.float64)
    return values * factor[:, np.newaxis], floor * factor


def group_size(node: xr.Dataset, group: str) -> NDArray[np.float64]:
    """Count the samples of a group: one number, or one a step where batches vary."""
    if "group_size" in node:
        return node["group_size"].sel(group=group).values.astype(np.float64)
    sizes = np.atleast_1d(node.attrs.get("group_sizes", []))
    place = [str(name) for name in node["group"].values].index(group)
    if len(sizes) <= place:
        raise BadInputError(
            "spectra",
            "group_sizes",
            found=f"{len(sizes)} sizes",
            expected=f"one for each of {node.sizes['group']} groups",
            remedy="Record the spectra again: mean scale needs the size of every group.",
        )
    return np.asarray(sizes[place], dtype=np.float64)


def signal(node: xr.Dataset, group: str = WHOLE_BATCH) -> NDArray[np.float64]:
    """Singular values at mean scale that stand above their noise floor; NaN elsewhere.

    Returns
    -------
    numpy.ndarray
        Shape (steps, ranks), loss / weight.
    """
    values, floor = mean_scale(node, group)
    return np.where(values > floor[:, np.newaxis], values, np.nan)


def value_limits(shown: Iterable[tuple[xr.Dataset, str]]) -> tuple[float, float]:
    """Limits of a value axis that holds all signal of (node, group) and some of the noise."""
    lows, highs = [], []
    for node, group in shown:
        values, (_, floor) = signal(node, group), mean_scale(node, group)
        found, floors = values[np.isfinite(values)], floor[np.isfinite(floor) & (floor > 0)]
        if found.size:
            lows.append(found.min())
            highs.append(found.max())
        if floors.size:
            lows.append(np.sort(floors)[floors.size // 4])
            highs.append(floors.max())
    if not lows:
        return 1e-3, 1.0
    return float(min(lows)) / 2, float(max(highs)) * 2


def weight_nodes(spectra: xr.DataTree) -> dict[str, xr.Dataset]:
    """Weight → its spectra, in the order of the model.

    Raises
    ------
    BadInputError
        If there is none.
    """
    nodes = {name: node.to_dataset() for name, node in spectra.children.items()}
    if not nodes:
        raise BadInputError(
            "spectra",
            "weights",
            found="none",
            expected="one node per recorded weight",
            remedy="Record at least one weight; the file's attribute `unrecorded` says why not.",
        )
    return nodes


def weight_node(spectra: xr.DataTree, weight: str) -> xr.Dataset:
    """Spectra of one weight.

    Raises
    ------
    BadInputError
        If it was not recorded.
    """
    nodes = weight_nodes(spectra)
    if weight not in nodes:
        raise BadInputError(
            "spectra",
            "weight",
            found=weight,
            expected=f"one of {', '.join(nodes)}",
            remedy="Name a recorded weight.",
        )
    return nodes[weight]


def _check(node: xr.Dataset, group: str) -> None:
    missing = [name for name in ("gradient", "noise_floor") if name not in node]
    if missing:
        raise BadInputError(
            "spectra",
            "variables",
            found=f"no {' and no '.join(missing)}",
            expected="gradient (step, group, rank) and noise_floor (step, group)",
            remedy="Record the gradient's singular values.",
        )
    groups = [str(name) for name in node["group"].values]
    if group not in groups or WHOLE_BATCH not in groups:
        raise BadInputError(
            "spectra",
            "group",
            found=f"{group} asked for, {', '.join(groups)} recorded",
            expected=f"a recorded group, and {WHOLE_BATCH} for the whole batch",
            remedy="Name a recorded group.",
        )
