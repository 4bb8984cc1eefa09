"""From voxels inside a mask to volumes, cropped to the box around the mask, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.images import read_mask


@dataclass(frozen=True)
class VoxelGrid:
    """A mask on a grid in space, and the box around it.

    Parameters
    ----------
    mask
        Shape (x, y, z), bool; at least one voxel inside. Voxels are counted in C order.
    affine
        Shape (4, 4), voxel indices of the whole grid to mm.
    """

    mask: NDArray[np.bool_]
    affine: NDArray[np.float64]

    @property
    def voxels(self) -> int:
        """How many voxels lie inside the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The smallest box that holds the mask, as slices of the whole grid."""
        inside = np.nonzero(self.mask)
        x, y, z = (slice(int(axis.min()), int(axis.max()) + 1) for axis in inside)
        return x, y, z

    def cropped(self, values: NDArray[Any]) -> NDArray[Any]:
        """Lay voxels out as volumes cropped to the box, zero outside the mask.

        Parameters
        ----------
        values
            Shape (..., voxels).

        Returns
        -------
        numpy.ndarray
            Shape (..., x, y, z) of the box, same dtype.
        """
        inside = self.mask[self.box]
        volumes = np.zeros((*values.shape[:-1], *inside.shape), dtype=values.dtype)
        volumes[..., inside] = values
        return volumes

    def whole(self, values: NDArray[Any]) -> NDArray[Any]:
        """Lay voxels, shape (..., voxels), out on the whole grid, shape (..., x, y, z)."""
        volumes = np.zeros((*values.shape[:-1], *self.mask.shape), dtype=values.dtype)
        volumes[..., self.mask] = values
        return volumes

    def metadata(self) -> Mapping[str, Any]:
        """Describe grid and box, so that cropped volumes go back to where they came from."""
        return {
            "GridShape": list(self.mask.shape),
            "GridAffine": self.affine.tolist(),
            "CropStart": [axis.start for axis in self.box],
            "CropStop": [axis.stop for axis in self.box],
            "MaskVoxels": self.voxels,
        }


def read_voxel_grid(path: str | Path) -> VoxelGrid:
    """Read a 3-D mask as the voxels inside it, on its grid.

    Raises
    ------
    BadInputError
        If the file is no usable mask.
    """
    image = read_mask(path)
    return VoxelGrid(np.asarray(image.dataobj) != 0, np.asarray(image.affine, np.float64))
