"""Maps of voxels that figures of volumes share: checked, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.saliency_panels import MapPanel, maps_said

EXTREME = 99.9999
"""Percentile of the absolute values at which the colours of a map end, as in the paper."""
WHERE = "maps"


def checked_voxels(maps: ArrayLike, grid: VoxelGrid, panels: pd.DataFrame) -> NDArray[np.float64]:
    """Return maps, shape (panels, voxels), if they fit grid and table and are finite.

    Raises
    ------
    BadInputError
        If they do not.
    """
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 2 or values.shape != (len(panels), grid.voxels) or not len(values):
        raise BadInputError(
            WHERE,
            "shape",
            found=values.shape,
            expected=f"({len(panels)} panels, {grid.voxels} voxels in the mask), at least one",
            remedy="Give the maps, their table and their mask from the same step.",
        )
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        raise BadInputError(
            WHERE,
            f"panel {broken[0] + 1}",
            found="values that are not finite",
            expected="finite values inside the mask",
            remedy="Look at the file that the map was read from.",
        )
    return values


def panel_lines(panels: Iterable[MapPanel], averaged_over: int, percentile: float) -> list[str]:
    """Say what maps, correlations and scales are."""
    ends = f"s: {percentile:g}th percentile of the absolute values in the brain"
    return [*maps_said(panels, averaged_over), ends]
