"""Cuts through the brain in MNI space: where they lie, what they show, how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from nilearn.datasets import load_mni152_template
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError

BOX = ((-74.0, 74.0), (-108.0, 76.0), (-72.0, 82.0))
"""What of MNI space is drawn: x, y and z of the brain, mm."""
SAGITTAL, CORONAL, AXIAL = 0, 1, 2
FINE, COARSE = 0.75, 3.0
"""Distance of points in a picture, and where the cuts are chosen, mm."""
SPACING = 9.0
"""Cuts of one direction stand at least so far apart, mm."""


@dataclass(frozen=True)
class Cut:
    """A plane through the brain.

    Parameters
    ----------
    axis
        What it stands upright on: `SAGITTAL` (x), `CORONAL` (y) or `AXIAL` (z).
    mm
        Where on that axis, MNI.
    """

    axis: int
    mm: float

    @property
    def label(self) -> str:
        """The place in words, such as "z = −12"."""
        return f"{'xyz'[self.axis]} = {self.mm:g}".replace("-", "−")

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of its picture, mm; the brain's left is on the left."""
        (left, right), (bottom, top) = (BOX[axis] for axis in range(3) if axis != self.axis)
        return left, right, bottom, top

    def points(self) -> NDArray[np.float64]:
        """Places that its picture shows, shape (rows, columns, 3), MNI mm; lowest row first."""
        across, up = (axis for axis in range(3) if axis != self.axis)
        u, v = np.meshgrid(_places(across, FINE), _places(up, FINE))
        points = np.full((*u.shape, 3), self.mm)
        points[..., across], points[..., up] = u, v
        return points


def picture_size(axis: int, scale: float) -> tuple[float, float]:
    """Width and height, mm on paper, of a cut drawn at `scale` mm on paper per mm of brain."""
    left, right, bottom, top = Cut(axis, 0.0).extent
    return (right - left) * scale, (top - bottom) * scale


def checked_maps(maps: ArrayLike, grid: VoxelGrid, names: Sequence[str]) -> NDArray[np.floating]:
    """Return maps, shape (maps, voxels), if they fit the grid and the names.

    Raises
    ------
    BadInputError
        If there is another number of maps than of names, or of voxels than in the mask, or a
        map holds values that are not finite, or none but zeros.
    """
    values = np.asarray(maps)
    if values.ndim != 2 or values.shape != (len(names), grid.voxels) or not len(names):
        raise BadInputError(
            "maps",
            "shape",
            found=values.shape,
            expected=f"({len(names)} names, {grid.voxels} voxels in the mask), at least one name",
            remedy="Give the maps, their names and their grid from the same step.",
        )
    for name, row in zip(names, values, strict=True):
        if not np.isfinite(row).all() or not row.any():
            raise BadInputError(
                "maps",
                name,
                found="values that are not finite" if row.any() else "zero everywhere",
                expected="finite values, some of them other than zero",
                remedy="Look at the file that the map was made from.",
            )
    return values


def sampled(
    values: NDArray[np.floating], grid: VoxelGrid, points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Read one map at places in space, linearly between voxels; zero outside the mask.

    Parameters
    ----------
    values
        Shape (voxels,).
    grid
        The mask that the voxels lie in.
    points
        Shape (..., 3), mm.

    Returns
    -------
    numpy.ndarray
        Shape (...).
    """
    return _interpolated(grid.whole(np.asarray(values, np.float64)), grid.affine, points)


def profiles(
    maps: NDArray[np.floating], grid: VoxelGrid
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Largest value of each map on every cut that may be chosen.

    Returns
    -------
    tuple
        For x, y and z: shape (maps, cuts of that axis); the cuts are 3 mm apart.
    """
    corners = np.meshgrid(*(_places(axis, COARSE) for axis in range(3)), indexing="ij")
    points = np.stack(corners, axis=-1)
    along: tuple[list[Any], ...] = ([], [], [])
    for row in maps:
        volume = sampled(row, grid, points)
        for axis, largest in enumerate(along):
            largest.append(volume.max(axis=tuple(other for other in range(3) if other != axis)))
    x, y, z = (np.array(largest) for largest in along)
    return x, y, z


def choose_cuts(
    strengths: Sequence[NDArray[np.float64]], directions: Sequence[int], chosen: Sequence[Cut] = ()
) -> list[Cut]:
    """Choose cuts, one after another, so that each map is cut where it is strong.

    Parameters
    ----------
    strengths
        From `profiles`.
    directions
        Axis of each cut that is wanted.
    chosen
        Cuts that there are already.

    Returns
    -------
    list of Cut
        The new cuts, in the order of `directions`, from low to high along each axis.
    """
    shares = [
        np.clip(s, 0, None) / np.maximum(s.max(axis=1, keepdims=True), 1e-12) for s in strengths
    ]
    cuts = list(chosen)
    for axis in directions:
        places = _places(axis, COARSE)
        best = np.zeros(len(shares[axis]))
        # Not between the hemispheres, where the mean brain is dark and blurred.
        free = np.abs(places) >= COARSE if axis == SAGITTAL else np.ones(len(places), dtype=bool)
        for cut in cuts:
            place = int(np.argmin(np.abs(_places(cut.axis, COARSE) - cut.mm)))
            best = np.maximum(best, shares[cut.axis][:, place])
            if cut.axis == axis:
                free &= np.abs(places - cut.mm) >= SPACING
        # Where nothing is left to gain, the cut that shows most of all maps.
        score = np.maximum(shares[axis], best[:, np.newaxis]) + 0.01 * shares[axis]
        score = np.where(free, score.sum(axis=0), -1.0)
        cuts.append(Cut(axis, float(places[int(np.argmax(score))])))
    new = cuts[len(chosen) :]
    waiting = {a: iter(sorted(c.mm for c in new if c.axis == a)) for a in range(3)}
    return [Cut(axis, next(waiting[axis])) for axis in directions]


def anatomy(cut: Cut) -> NDArray[np.float64]:
    """Grey picture of the MNI152 brain, shape (rows, columns, 4), clear outside the brain.

    The greys are light, so that colours laid over them keep their hue. The template is the one
    that nilearn ships (ICBM 152 2009a, skull stripped).
    """
    volume, affine = _template()
    brightness = _interpolated(volume, affine, cut.points())
    picture = np.empty((*brightness.shape, 4))
    picture[..., :3] = np.clip(0.42 + 0.58 * brightness, 0, 1)[..., np.newaxis]
    picture[..., 3] = np.clip(brightness / 0.15, 0, 1)
    return picture


def laid_over(below: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay one picture, shape (rows, columns, 4), over another."""
    strong, weak = above[..., 3:], below[..., 3:] * (1 - above[..., 3:])
    total = strong + weak
    mixed = (above[..., :3] * strong + below[..., :3] * weak) / np.where(total > 0, total, 1)
    return np.concatenate([mixed, total], axis=-1)


def draw_cut(axes: Axes, cut: Cut, picture: NDArray[np.float64]) -> None:
    """Show a picture of a cut on axes in mm, with an L on the brain's left."""
    axes.imshow(
        np.round(picture * 255).astype(np.uint8),
        origin="lower",
        extent=cut.extent,
        interpolation="bilinear",
        aspect="auto",
    )
    axes.set_axis_off()
    axes.set_gid(cut.label)
    if cut.axis != SAGITTAL:
        axes.text(0.0, 1.0, "L", transform=axes.transAxes, size=5.0, va="top", ha="left")


def _places(axis: int, step: float) -> NDArray[np.float64]:
    low, high = BOX[axis]
    if step == COARSE:
        # Whole multiples, so that cuts lie at round numbers.
        return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    count = int((high - low) / step)
    return low + (np.arange(count) + 0.5) * (high - low) / count


def _interpolated(
    volume: NDArray[np.float64], affine: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    back = np.linalg.inv(affine)
    voxels = points @ back[:3, :3].T + back[:3, 3]
    values = map_coordinates(volume, np.moveaxis(voxels, -1, 0), order=1, mode="constant")
    return np.asarray(values, dtype=np.float64)


@cache
def _template() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    image = load_mni152_template(resolution=1)
    return np.asarray(image.get_fdata()), np.asarray(image.affine, dtype=np.float64)
