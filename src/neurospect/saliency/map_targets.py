"""What a decoder's maps are held against: templates of the classes, inside a mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from neurospect.arrays.images import read_mask
from neurospect.arrays.numpy_files import open_array
from neurospect.arrays.voxel_grid import VoxelGrid, read_voxel_grid
from neurospect.errors import BadInputError
from neurospect.preprocess.resampling import same_grid
from neurospect.saliency.checks import checked_mask
from neurospect.saliency.decoding_data import DecodingData, batches

EXAMPLES_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class MapTargets:
    """What maps are held against.

    Attributes
    ----------
    of
        "all": the templates below; "subject": each test participant's own mean inputs.
    templates
        Mean input of each class over the test split, shape (classes, *input shape).
    mask
        Shape (*input shape); only where it is true is compared.
    space
        Where the last three axes of an input are the box of a mask in space, that mask.
    """

    of: Literal["all", "subject"]
    templates: NDArray[np.float64]
    mask: NDArray[np.bool_]
    space: VoxelGrid | None = None


def map_targets(
    data: DecodingData,
    of: Literal["all", "subject"] = "all",
    *,
    space: str | Path | None = None,
    mask: str | Path | None = None,
) -> MapTargets:
    """Take templates from the test split, and find out where maps are compared.

    Those of the training split would not do: a model also learns its noise, and maps would be
    praised for it (on the synthetic set by .06 to .08).

    Parameters
    ----------
    data
        Of the decoder.
    of
        Whose templates count.
    space
        The cohort's mask on its whole grid, a 3-D NIfTI, where examples are volumes of its box.
    mask
        A mask to compare in: a 3-D NIfTI on that grid, or .npy of an example's shape, of booleans,
        or 0 and 1; what lies inside the cohort's own mask, too, counts.

    Raises
    ------
    BadInputError
        When a mask has another shape or grid than the examples, is empty inside theirs, or an .npy
        holds anything but booleans, or 0 and 1.
    """
    grid = data.grid if space is None else read_voxel_grid(space)
    inside = np.ones(data.shape, dtype=bool)
    if grid is not None:
        if grid.mask[grid.box].shape != data.shape:
            raise _refused(space or "mask", grid.mask[grid.box].shape, f"examples of {data.shape}")
        inside = grid.mask[grid.box]
    if mask is not None:
        inside = inside & _given_mask(Path(mask), data.shape, grid)
        if np.count_nonzero(inside) < 2:
            raise _refused(mask, f"{np.count_nonzero(inside)} places inside", "two or more")
    return MapTargets(of, mean_test_inputs(data), inside, grid)


def mean_test_inputs(data: DecodingData) -> NDArray[np.float64]:
    """Mean input of each class over the test split, read in batches.

    Returns
    -------
    numpy.ndarray
        Shape (classes, *input shape).
    """
    examples = data.examples("test", torch.device("cpu"))
    sums = np.zeros((len(data.classes), *data.shape))
    for part in batches(len(examples), EXAMPLES_AT_ONCE):
        batch = examples.rows(part)
        for values, code in zip(batch.inputs.numpy(), batch.classes.tolist(), strict=True):
            sums[code] += values
    counts = np.bincount(data.codes[data.places["test"]], minlength=len(sums))
    return sums / counts.reshape(-1, *[1] * len(data.shape))


def _given_mask(path: Path, shape: tuple[int, ...], grid: VoxelGrid | None) -> NDArray[np.bool_]:
    if path.suffix == ".npy":
        given = checked_mask(str(path), open_array(path))
        if given.shape != shape:
            raise _refused(path, f"shape {given.shape}", f"shape {shape}, that of one example")
        return given
    image = read_mask(path)
    if grid is None:
        raise _refused(path, "a mask in space", f"a .npy mask of shape {shape}")
    if not same_grid(image.shape, image.affine, grid.mask.shape, grid.affine):
        raise _refused(
            path,
            f"shape {tuple(image.shape)} and its affine",
            f"shape {grid.mask.shape} and the affine of the cohort's mask",
        )
    inside: NDArray[np.bool_] = np.asarray(image.dataobj)[grid.box] != 0
    return inside


def _refused(path: str | Path, found: object, expected: str) -> BadInputError:
    return BadInputError(
        path,
        "mask",
        found=found,
        expected=expected,
        remedy="Give a mask that fits the examples of the cohort (criteria.mask).",
    )
