"""The MNI152 brain mask on a grid in MNI space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from nilearn.datasets import load_mni152_brain_mask
from numpy.typing import NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.resampling import resampled


def mni_brain_mask(
    where: str | Path, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> VoxelGrid:
    """Bring the MNI152 brain mask that nilearn ships to a grid, by the nearest voxel.

    Parameters
    ----------
    where
        Whose grid it is, for the message.
    shape, affine
        The grid.

    Raises
    ------
    BadInputError
        If none of the brain lies on the grid.
    """
    # 2 mm is fine enough for the nearest voxel, unless the target is finer
    finest = float(np.linalg.norm(affine[:3, :3], axis=0).min())
    brain: Any = load_mni152_brain_mask(resolution=2 if finest >= 2 else 1)
    inside = resampled(np.asarray(brain.dataobj) != 0, brain.affine, shape, affine, "nearest")
    if not inside.any():
        raise BadInputError(
            where,
            "affine",
            found="no voxel inside the MNI152 brain mask",
            expected="an image in MNI space",
            remedy="Give a mask of your own, or bring the images to MNI space.",
        )
    return VoxelGrid(inside, affine)
