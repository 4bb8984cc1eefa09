"""The first test example of each class, with what its maps should show and what they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.brain_views import glass_brain_figure
from neurospect.figures.saliency_panels import PANEL_COLUMNS
from neurospect.figures.saliency_rows import saliency_rows

INFORMATIVE, PAIRWISE = "class_informative", "pairwise_difference"


def example_maps_figure(trees: Mapping[str, xr.DataTree], *, title: str = "") -> Figure:
    """Draw the maps of the examples that all decoders have in common.

    Parameters
    ----------
    trees
        By decoder, its maps as `neurospect.saliency.decoder_maps` gives them: of the same examples.
        Volumes are drawn through the brain, images and time courses as they are.
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If there is no tree, or there are more maps than could be seen.
    """
    if not trees:
        raise BadInputError(
            "maps",
            "decoders",
            found="none",
            expected="the maps of at least one decoder",
            remedy="Give the maps.nc of each decoder.",
        )
    maps, panels = example_panels(trees)
    first = next(iter(trees.values()))
    mask = first["mask"].to_numpy().astype(bool)
    if "affine" in first:
        grid = VoxelGrid(mask, first["affine"].to_numpy())
        return glass_brain_figure(maps[:, mask], grid, panels, title=title)
    maps = np.where(mask, maps, np.nan)
    axes = list(map(str, first["mask"].dims))
    if maps.ndim == 2:
        return saliency_rows(maps[:, None], panels, across=axes[0], title=title)
    if axes[0] == "time":
        maps, axes = maps.swapaxes(1, 2), axes[::-1]
    down, across = ("", "") if axes == ["row", "column"] else axes
    return saliency_rows(maps, panels, title=title, down=down, across=across)


def example_panels(
    trees: Mapping[str, xr.DataTree],
) -> tuple[NDArray[np.floating], pd.DataFrame]:
    """Lay out the panels of the figure: inputs, targets, and the maps of each decoder.

    Of the pairwise differences, each class is shown against the next.

    Returns
    -------
    numpy.ndarray
        Shape (panels, *input shape).
    pandas.DataFrame
        With `PANEL_COLUMNS`.
    """
    first = next(iter(trees.values()))
    made = [*_known(first), *(each for name, tree in trees.items() for each in _maps(name, tree))]
    table = pd.DataFrame([row for row, _ in made], columns=list(PANEL_COLUMNS))
    order = table["criterion"].map({INFORMATIVE: 0, PAIRWISE: 1})
    rows = np.argsort(order.to_numpy(), kind="stable")
    return np.stack([made[row][1] for row in rows]), table.iloc[rows].reset_index(drop=True)


def _columns(tree: xr.DataTree) -> Iterator[tuple[str, str, int, int]]:
    """Criterion, name, and the two classes of each column whose templates are known."""
    names = [str(name) for name in tree["class"].to_numpy()]
    known = ~np.isnan(tree["example_template"].to_numpy()).reshape(len(names), len(names), -1).any(
        2
    )
    for own, name in enumerate(names):
        yield INFORMATIVE, name, own, own
    for own, name in enumerate(names):
        other = (own + 1) % len(names)
        if known[own, other]:
            yield PAIRWISE, f"{name} → {names[other]}", own, other


def _known(tree: xr.DataTree) -> Iterator[tuple[tuple[Any, ...], NDArray[np.floating]]]:
    """Panels of inputs and targets."""
    inputs, templates = tree["example_input"].to_numpy(), tree["example_template"].to_numpy()
    for kind in ("input", "target"):
        for criterion, column, own, other in _columns(tree):
            if kind == "input":
                values = inputs[own]
            elif own == other:
                values = templates[own, own] - np.nanmean(templates[own], axis=0)
            else:
                values = templates[own, other] - templates[own, own]
            yield (criterion, column, kind, "", "", np.nan), values


def _maps(
    decoder: str, tree: xr.DataTree
) -> Iterator[tuple[tuple[Any, ...], NDArray[np.floating]]]:
    """Panels of a decoder's maps."""
    for method, node in tree.children.items():
        maps, found = node["example_map"].to_numpy(), node["correlation"].to_numpy()
        for criterion, column, own, other in _columns(tree):
            row = (criterion, column, "saliency", decoder, method, float(found[own, other]))
            yield row, maps[own, other]
