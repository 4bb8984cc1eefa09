"""Examples of a cohort's array: held in memory where they are small, else read batch by batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.training.backward import Rows
from neurospect.training.loop import Examples, ExampleSource

# Examples that take up more stay in the file that is mapped into memory.
HELD_BYTES = 2**28
_BYTES_PER_VALUE = 4


@dataclass(frozen=True, eq=False)
class MappedExamples:
    """Examples that are read from a memory-mapped array when a batch of them is asked for.

    Attributes
    ----------
    array
        Shape (rows, *sizes) of float32 or float16, mapped; never copied as a whole.
    places
        Row of the array of each example.
    classes
        Index of the class of each example, on the device that batches go to.
    grid
        Where rows of the array are the voxels inside a mask, the mask: examples are then volumes,
        cropped to the box around it, zero outside the mask.
    """

    array: NDArray[np.floating]
    places: NDArray[np.intp]
    classes: Tensor
    grid: VoxelGrid | None = field(default=None)

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.places)

    def rows(self, rows: Rows) -> Examples:
        """Read some of the examples.

        Raises
        ------
        BadInputError
            When one of them holds NaN or infinite values.
        """
        chosen = rows if isinstance(rows, slice) else rows.cpu().numpy()
        values = finite_rows(self.array, self.places[chosen])
        if self.grid is not None:
            values = self.grid.cropped(values)
        return Examples(torch.from_numpy(values).to(self.classes.device), self.classes[rows])


def cohort_examples(
    array: NDArray[np.floating],
    places: NDArray[np.intp],
    codes: NDArray[np.intp],
    device: torch.device,
    grid: VoxelGrid | None = None,
) -> ExampleSource:
    """Take the examples at some rows of an array; hold them in memory where they are small.

    Parameters
    ----------
    array
        Shape (rows, *sizes); may be memory-mapped.
    places
        Rows to take.
    codes
        Index of the class of each row of the array.
    device
        Where batches are to be.
    grid
        As in `MappedExamples`.

    Raises
    ------
    BadInputError
        When the array's rows are not the voxels of the mask, or, of examples that are held, one
        has NaN or infinite values.
    """
    classes = torch.from_numpy(codes[places].astype(np.int64)).to(device)
    examples = MappedExamples(array, places, classes, grid)
    held = len(places) * math.prod(example_shape(array, grid)) * _BYTES_PER_VALUE <= HELD_BYTES
    return examples.rows(slice(None)) if held else examples


def example_shape(array: NDArray[np.floating], grid: VoxelGrid | None) -> tuple[int, ...]:
    """Sizes of one example.

    Raises
    ------
    BadInputError
        When the array's rows are not the voxels of the mask.
    """
    if grid is None:
        return tuple(array.shape[1:])
    if array.shape[1:] != (grid.voxels,):
        raise BadInputError(
            "array",
            "shape",
            found=array.shape,
            expected=f"(examples, {grid.voxels}), the voxels of the mask",
            remedy="Use the mask that lies beside the array.",
        )
    return grid.mask[grid.box].shape


def finite_rows(array: NDArray[np.floating], rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Read rows of an array as float32.

    Raises
    ------
    BadInputError
        When one holds NaN or infinite values.
    """
    chosen = np.ascontiguousarray(array[rows], dtype=np.float32)
    bad = rows[~np.isfinite(chosen).reshape(len(rows), -1).all(axis=1)]
    if len(bad):
        raise BadInputError(
            "array",
            f"row {bad.min()}",
            found=f"NaN or infinity, and {len(bad)} such rows in all",
            expected="finite values",
            remedy="Leave out or mend these participants.",
        )
    return chosen


def class_codes(
    target: pd.Series, used: NDArray[np.intp]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Turn the classes of the rows used into numbers from 0, in the order of their names.

    Parameters
    ----------
    target
        Class of each row.
    used
        Rows whose class counts.

    Returns
    -------
    numpy.ndarray
        One number per row; −1 where the row is not used.
    tuple of str
        The classes' names.

    Raises
    ------
    BadInputError
        When a row that is used has no class.
    """
    missing = used[target.isna().to_numpy()[used]]
    if len(missing):
        raise BadInputError(
            "participants",
            f"{target.name}, row {missing.min()}",
            found=f"no class, and {len(missing)} such rows in all",
            expected="a class",
            remedy="Complete the column, or leave these participants out.",
        )
    classes, numbers = np.unique(target.iloc[used].to_numpy(), return_inverse=True)
    codes = np.full(len(target), -1, dtype=np.int64)
    codes[used] = numbers
    return codes, tuple(map(str, classes))
