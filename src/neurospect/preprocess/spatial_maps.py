"""Spatial maps for models: the strongest component at every voxel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError


def maximum_map(
    maps: NDArray[np.floating], grid: VoxelGrid, *, participant: str = "spatial maps"
) -> NDArray[np.float32]:
    """Take the maximum over components at every voxel, and z-score it over voxels.

    Parameters
    ----------
    maps
        One participant's maps, shape (components, voxels of the mask). Where all of them are
        exactly 0, the participant has no data.
    grid
        The mask.
    participant
        Whose maps they are, for messages.

    Returns
    -------
    numpy.ndarray
        Shape (x, y, z) of the mask's box, float32: mean 0 and standard deviation 1 (ddof 0) over
        the voxels with data, 0 elsewhere.

    Raises
    ------
    BadInputError
        If the maps do not fit the mask, hold NaN or infinite values, or their maximum is the
        same everywhere.
    """
    if maps.ndim != 2 or maps.shape[0] == 0 or maps.shape[1] != grid.voxels:
        raise BadInputError(
            participant,
            "shape",
            found=maps.shape,
            expected=f"(components, {grid.voxels}), the voxels of the mask",
            remedy="Give the mask with which the components were found.",
        )
    bad = int(np.count_nonzero(~np.isfinite(maps)))
    if bad:
        raise BadInputError(
            participant,
            "values",
            found=f"{bad} NaN or infinite",
            expected="finite maps",
            remedy="Extract this participant's components again, or leave the participant out.",
        )
    inside = maps.any(axis=0)
    strongest = maps[:, inside].max(axis=0, initial=-np.inf).astype(np.float64)
    if strongest.size == 0 or strongest.min() == strongest.max():
        raise BadInputError(
            participant,
            "values",
            found="the same maximum at every voxel" if strongest.size else "zeros only",
            expected="maps that differ from voxel to voxel",
            remedy="Leave the participant out, or look how the components were found.",
        )
    values = np.zeros(grid.voxels, dtype=np.float32)
    values[inside] = (strongest - strongest.mean()) / strongest.std()
    return grid.cropped(values)


def maximum_maps(
    maps: NDArray[np.floating],
    grid: VoxelGrid,
    *,
    participants: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Do `maximum_map` for every participant, one after the other.

    Parameters
    ----------
    maps
        Shape (participants, components, voxels of the mask). Memory-mapped, the maps of one
        participant at a time are read.
    grid
        The mask.
    participants
        Their identifiers, for messages; None to count them from 1.

    Returns
    -------
    numpy.ndarray
        Shape (participants, x, y, z) of the mask's box, float32.

    Raises
    ------
    BadInputError
        As `maximum_map` does, naming the participant.
    """
    names = participants or [f"participant {row + 1}" for row in range(len(maps))]
    filled = np.empty((len(maps), *grid.mask[grid.box].shape), dtype=np.float32)
    for row, (name, own) in enumerate(zip(names, maps, strict=True)):
        filled[row] = maximum_map(own, grid, participant=name)
    return filled
