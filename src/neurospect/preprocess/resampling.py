"""From one grid of voxels to another, by nilearn, with facts that say what was done."""

from __future__ import annotations

from typing import Any, Literal

import nibabel
import numpy as np
from nilearn.image import resample_img
from nilearn.image.resampling import BoundingBoxError
from numpy.typing import ArrayLike, NDArray

Interpolation = Literal["continuous", "nearest"]
# Affines that differ less than this, in mm, differ by the rounding of headers.
AFFINE_TOLERANCE_MM = 1e-3


def same_grid(
    shape: tuple[int, ...], affine: ArrayLike, other_shape: tuple[int, ...], other_affine: ArrayLike
) -> bool:
    """Say whether two images have their voxels, shape (x, y, z), at the same places in mm."""
    return tuple(shape[:3]) == tuple(other_shape[:3]) and np.allclose(
        affine, other_affine, rtol=0, atol=AFFINE_TOLERANCE_MM
    )


def resampled(
    values: NDArray[Any],
    affine: NDArray[np.float64],
    shape: tuple[int, ...],
    target_affine: NDArray[np.float64],
    interpolation: Interpolation,
) -> NDArray[Any]:
    """Bring volumes to another grid.

    Parameters
    ----------
    values
        Shape (x, y, z) or (x, y, z, volumes), finite; float32, or bool for `nearest`.
    affine
        Voxel indices of `values` to mm, shape (4, 4).
    shape
        Target shape (x, y, z); further axes are passed over.
    target_affine
        Voxel indices of the target to mm, shape (4, 4).
    interpolation
        `continuous` (cubic spline, kept within the range of the values) or `nearest`.

    Returns
    -------
    numpy.ndarray
        Same dtype, zero (or False) where `values` do not reach.
    """
    numbers = values.astype(np.uint8) if values.dtype == np.bool_ else values
    image = nibabel.Nifti1Image(numbers, affine)  # type: ignore[no-untyped-call]
    target = tuple(map(int, shape[:3]))
    try:
        moved = resample_img(
            image,
            target_affine=target_affine,
            target_shape=target,
            interpolation=interpolation,
            copy_header=True,
            force_resample=True,
        )
    except BoundingBoxError:
        return np.zeros((*target, *values.shape[3:]), values.dtype)
    return np.asarray(moved.dataobj).astype(values.dtype, copy=False)


def grid_facts(shape: tuple[int, ...], affine: NDArray[np.float64]) -> dict[str, Any]:
    """Describe a grid for a JSON sidecar: shape, affine, and voxel size in mm."""
    return {
        "Shape": [int(size) for size in shape[:3]],
        "VoxelSize": [round(float(size), 6) for size in np.linalg.norm(affine[:3, :3], axis=0)],
        # the sum makes no zero negative
        "Affine": (affine + 0.0).tolist(),
    }


def grid_words(shape: tuple[int, ...], affine: NDArray[np.float64]) -> str:
    """Describe a grid for a sentence, such as `61 x 73 x 61 voxels of 3 x 3 x 3 mm`."""
    facts = grid_facts(shape, affine)
    counts, sizes = (
        " x ".join(f"{each:g}" for each in facts[key]) for key in ("Shape", "VoxelSize")
    )
    return f"{counts} voxels of {sizes} mm"


def centre_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> str:
    """Write the centre of a mask's voxels as `(x, y, z) mm`."""
    centre = affine[:3, :3] @ np.argwhere(mask).mean(axis=0) + affine[:3, 3]
    return "({:.0f}, {:.0f}, {:.0f}) mm".format(*centre)
