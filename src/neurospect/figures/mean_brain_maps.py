"""The mean map of every class by one decoder, on cuts through the brain and on a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.interactive_brain import MOST, interactive_brain_html
from neurospect.figures.saliency_cuts import saliency_cuts
from neurospect.figures.saliency_panels import PANEL_COLUMNS


def mean_brain_figure(tree: xr.DataTree, decoder: str, *, title: str = "") -> Figure:
    """Draw mean maps on cuts through the MNI152 brain.

    Parameters
    ----------
    tree
        Maps of the decoder in space, as `neurospect.saliency.decoder_maps` gives them.
    decoder
        Its name.
    title
        What was decoded; stands above the figure.

    Raises
    ------
    BadInputError
        If the maps are not in space.
    """
    maps, grid, panels = mean_brain_panels(tree, decoder)
    averaged = int(tree["examples"].min())
    return saliency_cuts(maps, grid, panels, averaged_over=averaged, title=title)


def mean_brain_page(tree: xr.DataTree, decoder: str, *, title: str) -> str:
    """Write a page on which mean maps are looked through; parameters as above."""
    return interactive_brain_html(*mean_brain_panels(tree, decoder), title=title)


def mean_brain_panels(
    tree: xr.DataTree, decoder: str
) -> tuple[NDArray[np.float64], VoxelGrid, pd.DataFrame]:
    """Lay out the mean maps of the first method, of the first eight classes.

    Returns
    -------
    numpy.ndarray
        Shape (classes, voxels).
    VoxelGrid
        The mask that the voxels lie in.
    pandas.DataFrame
        With `PANEL_COLUMNS`.
    """
    if "affine" not in tree:
        raise BadInputError(
            "maps",
            "affine",
            found="none",
            expected="maps in space",
            remedy="Draw maps of images and time courses as rows.",
        )
    mask = tree["mask"].to_numpy().astype(bool)
    method, node = next(iter(tree.children.items()))
    rows = [
        ("class_informative", str(name), "saliency", decoder, method, float(correlation))
        for name, correlation in zip(
            tree["class"].to_numpy(), node["mean_correlation"].to_numpy(), strict=True
        )
    ][:MOST]
    maps = node["mean_map"].to_numpy()[: len(rows), mask].astype(np.float64)
    grid = VoxelGrid(mask, tree["affine"].to_numpy())
    return maps, grid, pd.DataFrame(rows, columns=list(PANEL_COLUMNS))
