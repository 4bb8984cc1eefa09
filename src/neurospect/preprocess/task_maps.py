"""Task maps: the mean of a contrast's files, z-scored inside one mask."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.arrays.images import image_data, read_image
from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.arrays.voxel_grid import VoxelGrid, read_voxel_grid
from neurospect.errors import BadInputError
from neurospect.preprocess.brain_mask import mni_brain_mask
from neurospect.preprocess.resampling import same_grid
from neurospect.provenance.content import file_sha256

log = logging.getLogger(__name__)

STAGE = "task maps"
EXAMPLE_COLUMNS = {
    "participant_id": "Identifier of the participant",
    "task": "Task; the class of the example",
    "contrast": "Contrast that the map shows",
    "negated": "Whether the files hold the opposite contrast, and the map changed its sign",
    "source": "Files that the map is the mean of, below the cohort's folder, separated by ;",
    "sha256": "sha256 of each of them, separated by ;",
}
# A mean whose deviation is this small beside that of its parts is rounding and nothing else.
CANCELLED = 1e-6


@dataclass(frozen=True, eq=False)
class TaskMaps:
    """Task maps of some participants.

    Parameters
    ----------
    maps
        Shape (examples, voxels inside the mask), float32 or float16, each row with mean zero
        and standard deviation one.
    examples
        Row i says what row i of `maps` is; the columns of `EXAMPLE_COLUMNS`.
    exclusions
        Examples that could not be used; the columns of `EXCLUSION_COLUMNS`.
    grid
        The mask, on the grid of the maps.
    """

    maps: NDArray[Any]
    examples: pd.DataFrame
    exclusions: pd.DataFrame
    grid: VoxelGrid


def task_map_grid(
    mask: str | Path | None, maps: Iterable[str | Path]
) -> tuple[VoxelGrid, dict[str, Any]]:
    """Settle on the mask inside which maps are read.

    Parameters
    ----------
    mask
        A 3-D NIfTI on the grid of the maps, nonzero inside. None for the MNI152 brain mask that
        nilearn ships, brought to that grid by nearest neighbour.
    maps
        Files of maps, of which the header of the first that can be opened says the grid; not
        looked at where there is a mask.

    Returns
    -------
    VoxelGrid
        The mask.
    dict
        What the mask is, and its grid and crop, for a JSON file.

    Raises
    ------
    BadInputError
        If the mask is unusable, no map can be opened, or none of the MNI152 brain lies on the
        grid of the maps.
    """
    if mask is not None:
        grid = read_voxel_grid(mask)
        return grid, {"Mask": Path(mask).name, **grid.metadata()}
    path, image = _first_that_opens(maps)
    affine = np.asarray(image.affine, dtype=np.float64)
    grid = mni_brain_mask(path, image.shape, affine)
    said = "MNI152 brain mask of nilearn, resampled to the maps (nearest neighbour)"
    return grid, {"Mask": said, **grid.metadata()}


def read_task_map(files: TaskMapFiles, grid: VoxelGrid) -> NDArray[np.float64]:
    """Read one map: the mean of its files, negated if they say so, z-scored inside the mask.

    Parameters
    ----------
    files
        What to read.
    grid
        The mask; all files must lie on its grid.

    Returns
    -------
    numpy.ndarray
        Shape (voxels inside the mask,), float64, mean zero and standard deviation one.

    Raises
    ------
    BadInputError
        Naming the file, if one cannot be read, lies on another grid, or is constant or not
        finite inside the mask; or if the files cancel each other.
    """
    parts = np.stack([_inside(path, grid) for path in files.files])
    values = parts.mean(axis=0)
    deviation = float(values.std())
    if deviation <= CANCELLED * float(parts.std(axis=1).mean()):
        raise BadInputError(
            files.files[0],
            "mean",
            found=f"the same everywhere, over {len(parts)} files that cancel each other",
            expected="values that differ",
            remedy="Look whether the files hold contrasts of the same sign.",
        )
    scores: NDArray[np.float64] = (values - values.mean()) / deviation
    return -scores if files.negated else scores


def build_task_maps(
    examples: Sequence[TaskMapFiles],
    grid: VoxelGrid,
    *,
    dtype: Literal["float32", "float16"] = "float32",
    folder: str | Path,
) -> TaskMaps:
    """Read the maps of one batch; one that cannot be used is left out, and the others go on.

    Parameters
    ----------
    examples
        What to read; about 25 participants' worth fits into memory easily.
    grid
        The mask.
    dtype
        Of the maps.
    folder
        The cohort's folder, from which the names of files in the table start.

    Returns
    -------
    TaskMaps
        In the order of `examples`.
    """
    maps = np.empty((len(examples), grid.voxels), dtype)
    rows: list[dict[str, object]] = []
    exclusions: list[Exclusion] = []
    for example in examples:
        try:
            maps[len(rows)] = read_task_map(example, grid)
        except BadInputError as fault:
            log.warning("%s, task %s, left out: %s", example.participant_id, example.task, fault)
            what = f"task {example.task}"
            exclusions.append(Exclusion(example.participant_id, STAGE, fault, what))
        else:
            log.info("%s, task %s: read", example.participant_id, example.task)
            rows.append(_row(example, folder))
    table = pd.DataFrame(rows, columns=list(EXAMPLE_COLUMNS))
    return TaskMaps(maps[: len(rows)], table, exclusion_table(exclusions), grid)


def _first_that_opens(maps: Iterable[str | Path]) -> tuple[Path, Any]:
    fault = BadInputError(
        "task maps",
        "files",
        found="none",
        expected="at least one map",
        remedy="Look at the list of what was left out.",
    )
    for path in maps:
        try:
            return Path(path), read_image(path, dimensions=3)
        except BadInputError as error:
            fault = error
    raise fault


def _inside(path: Path, grid: VoxelGrid) -> NDArray[np.float64]:
    """Return a map's values inside the mask, checked."""
    image = read_image(path, dimensions=3)
    if not same_grid(image.shape, image.affine, grid.mask.shape, grid.affine):
        raise BadInputError(
            path,
            "grid",
            found=grid_said(image.shape, image.affine),
            expected=f"{grid_said(grid.mask.shape, grid.affine)}, that of the mask",
            remedy="Bring the map to the grid of the others, or give a mask on its grid.",
        )
    values = image_data(path, image)[grid.mask]
    faults = np.flatnonzero(~np.isfinite(values))
    if len(faults):
        voxel = tuple(map(int, np.argwhere(grid.mask)[faults[0]]))
        raise BadInputError(
            path,
            "values",
            found=f"{len(faults)} NaN or infinite inside the mask, the first at voxel {voxel}",
            expected="finite numbers",
            remedy="Make the map again, or give a mask that leaves these voxels out.",
        )
    if values.min() == values.max():
        raise BadInputError(
            path,
            "values",
            found=f"{values[0]:g} at every voxel inside the mask",
            expected="values that differ",
            remedy="The map is empty; make it again.",
        )
    return values.astype(np.float64)


def grid_said(shape: tuple[int, ...], affine: NDArray[Any]) -> str:
    """Write shape and affine of a grid on one line."""
    rows = [[round(float(number), 4) for number in row] for row in affine[:3]]
    return f"shape {tuple(map(int, shape))}, affine {rows}"


def _row(example: TaskMapFiles, folder: str | Path) -> dict[str, object]:
    names = [Path(os.path.relpath(path, folder)).as_posix() for path in example.files]
    return {
        "participant_id": example.participant_id,
        "task": example.task,
        "contrast": example.contrast,
        "negated": example.negated,
        "source": ";".join(names),
        "sha256": ";".join(map(file_sha256, example.files)),
    }
