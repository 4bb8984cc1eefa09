"""Batches of task maps as folders, and all of them as one array with one table of examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.exclusions import read_exclusions, write_exclusions
from neurospect.arrays.images import write_image
from neurospect.arrays.numpy_files import open_array, write_array, write_rows
from neurospect.arrays.tables import read_table, write_table
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.resampling import same_grid
from neurospect.preprocess.task_maps import EXAMPLE_COLUMNS, TaskMaps, grid_said, task_map_grid

GATHERED_COLUMNS = {
    "row": "Row of the array that holds this map, counted from 0",
    **EXAMPLE_COLUMNS,
}
TEXT = ("participant_id", "task", "contrast", "source", "sha256")
# Rows that are copied at a time when batches are joined.
ROWS_AT_A_TIME = 64


def write_task_maps(folder: str | Path, batch: TaskMaps) -> None:
    """Write a batch: maps.npy, mask.nii.gz, examples.tsv and excluded.tsv with their sidecars."""
    root = Path(folder)
    write_array(root / "maps.npy", batch.maps)
    write_mask(root / "mask.nii.gz", batch.grid)
    write_table(root / "examples.tsv", batch.examples, EXAMPLE_COLUMNS)
    write_exclusions(root / "excluded.tsv", batch.exclusions)


def write_mask(path: str | Path, grid: VoxelGrid) -> None:
    """Write the mask of a grid as a NIfTI, one inside and zero outside."""
    image = nibabel.Nifti1Image(grid.mask.astype(np.uint8), grid.affine)  # type: ignore[no-untyped-call]
    write_image(path, image)


def read_task_maps(folder: str | Path) -> TaskMaps:
    """Read a batch that `write_task_maps` wrote; its maps are mapped into memory, read-only.

    Raises
    ------
    BadInputError
        If a file is missing or damaged, or maps, mask and table do not belong together.
    """
    root = Path(folder)
    maps = open_array(root / "maps.npy")
    examples = read_table(
        root / "examples.tsv", list(EXAMPLE_COLUMNS), TEXT, may_be_empty=True
    ).astype({"negated": bool})
    grid, _ = task_map_grid(root / "mask.nii.gz", [])
    if maps.shape != (len(examples), grid.voxels):
        raise BadInputError(
            root / "maps.npy",
            "shape",
            found=maps.shape,
            expected=f"{(len(examples), grid.voxels)}, as table and mask say",
            remedy="The files come from different runs; make this batch again.",
        )
    return TaskMaps(maps, examples, read_exclusions([root / "excluded.tsv"]), grid)


def gather_task_maps(folders: Sequence[str | Path], array_path: str | Path) -> TaskMaps:
    """Join batches into one array, without ever holding more than some rows in memory.

    Parameters
    ----------
    folders
        Batches that `write_task_maps` wrote, in order.
    array_path
        Where the array goes, a `.npy` of shape (examples, voxels).

    Returns
    -------
    TaskMaps
        All batches, the maps mapped into memory from `array_path`; the table of examples has
        the columns of `GATHERED_COLUMNS`.

    Raises
    ------
    BadInputError
        If a batch is damaged, two batches differ in their mask or dtype, a participant's task
        stands in two, or there is no example at all.
    """
    batches = [read_task_maps(folder) for folder in folders]
    _check_batches(batches, [Path(folder) for folder in folders])
    examples = pd.concat([batch.examples for batch in batches], ignore_index=True)
    examples.insert(0, "row", np.arange(len(examples)))
    first = batches[0]
    shape = (len(examples), first.grid.voxels)
    with write_rows(array_path, shape, first.maps.dtype) as append:
        for batch in batches:
            for start in range(0, len(batch.maps), ROWS_AT_A_TIME):
                append(batch.maps[start : start + ROWS_AT_A_TIME])
    exclusions = pd.concat([batch.exclusions for batch in batches], ignore_index=True)
    return TaskMaps(open_array(array_path), examples, exclusions, first.grid)


def mean_of_each_task(gathered: TaskMaps) -> NDArray[np.float32]:
    """Average the maps of every task over participants.

    Returns
    -------
    numpy.ndarray
        Shape (tasks, voxels), float32; tasks sorted by name, as in `sorted(set(tasks))`.
    """
    tasks = gathered.examples["task"].to_numpy()
    names = sorted(set(tasks))
    sums = np.zeros((len(names), gathered.grid.voxels))
    for start in range(0, len(tasks), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        for values, task in zip(gathered.maps[rows], tasks[rows], strict=True):
            sums[names.index(task)] += values
    counts = np.array([np.count_nonzero(tasks == name) for name in names])
    means: NDArray[np.float32] = (sums / counts[:, None]).astype(np.float32)
    return means


def _check_batches(batches: list[TaskMaps], folders: list[Path]) -> None:
    if not any(len(batch.examples) for batch in batches):
        raise BadInputError(
            "task maps",
            "examples",
            found=f"none in {len(batches)} batches",
            expected="at least one map that can be used",
            remedy="Look at the list of what was left out.",
        )
    first = batches[0]
    seen: dict[tuple[str, str], Path] = {}
    for batch, folder in zip(batches, folders, strict=True):
        if not _alike(first, batch):
            raise BadInputError(
                folder,
                "mask and dtype",
                found=_kind(batch),
                expected=f"{_kind(first)}, as in {folders[0]}",
                remedy="Give a mask (task_maps.mask): maps on other grids are then left out.",
            )
        for pair in zip(batch.examples["participant_id"], batch.examples["task"], strict=True):
            if pair in seen:
                raise BadInputError(
                    folder,
                    "examples",
                    found=f"task {pair[1]} of {pair[0]}, which stands in {seen[pair]}, too",
                    expected="every task of a participant once",
                    remedy="Give each participant to one batch.",
                )
            seen[pair] = folder


def _alike(first: TaskMaps, other: TaskMaps) -> bool:
    one, two = first.grid, other.grid
    return (
        first.maps.dtype == other.maps.dtype
        and same_grid(one.mask.shape, one.affine, two.mask.shape, two.affine)
        and np.array_equal(one.mask, two.mask)
    )


def _kind(batch: TaskMaps) -> str:
    grid = batch.grid
    return f"{batch.maps.dtype}, {grid_said(grid.mask.shape, grid.affine)}, {grid.voxels} voxels"
