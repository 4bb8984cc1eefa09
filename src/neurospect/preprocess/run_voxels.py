"""One run's voxels inside the analysis mask: read once, checked, on the common grid."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.images import image_volumes, read_image, read_mask
from neurospect.arrays.runs import Run
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.resampling import centre_mm, grid_words, resampled, same_grid
from neurospect.preprocess.run_facts import mean_framewise_displacement, repetition_time

# A run in which more of the mask's voxels than this never change is damaged, or its mask wrong.
MOST_CONSTANT = 0.2


@dataclass(frozen=True, eq=False)
class RunVoxels:
    """What a run holds inside the analysis mask.

    Parameters
    ----------
    values
        Shape (volumes, voxels of the run), float32, finite, in the run's unit.
    inside
        Which voxels of the analysis mask these are, shape (voxels,), bool.
    repetition_time
        In s, or None where it is unknown.
    mean_framewise_displacement
        In mm, or None where it is unknown.
    constant_voxels
        How many voxels were left out because they never change.
    resampled
        Whether the run was on another grid.
    notes
        What a reader of the results should know, as sentences.
    """

    values: NDArray[np.float32]
    inside: NDArray[np.bool_]
    repetition_time: float | None
    mean_framewise_displacement: float | None
    constant_voxels: int
    resampled: bool
    notes: tuple[str, ...]


def read_run(run: Run, grid: VoxelGrid, *, least_volumes: int = 2) -> RunVoxels:
    """Read what a run holds inside both its own mask and the analysis mask.

    The image is read volume by volume, so that what is held beside the result is a few volumes;
    where voxels are left out because they are constant, there are two copies of the result for
    a moment.

    Parameters
    ----------
    run
        Its files. If the mask is on another grid than the image it is brought to the image's
        (nearest voxel); if the image is on another grid than the analysis it is brought to that
        (cubic splines, volume by volume). Both are said in the notes.
    grid
        The analysis mask.
    least_volumes
        How many volumes the run must have: one for each reference.

    Raises
    ------
    BadInputError
        If a file is missing, damaged or of the wrong kind; if there are too few volumes; if the
        mask is empty or does not overlap the analysis mask; if values inside the run's mask are
        NaN or infinite, or too many of them never change; or if the repetition time or the
        confounds cannot be read.
    """
    image = read_image(run.image, dimensions=4)
    _check_volumes(run.image, image, least_volumes)
    mask, mask_notes = _mask_of(run, image)
    inside = grid.mask & _nearest(mask, image.affine, grid)
    if not inside.any():
        raise _no_overlap(run, mask, image.affine, grid)
    seconds, time_notes = repetition_time(run.image, image)
    displacement, motion_notes = mean_framewise_displacement(run.confounds, image.shape[3])
    on_grid = same_grid(image.shape, image.affine, grid.mask.shape, grid.affine)
    values, unchanging = _read_volumes(run.image, image, mask, inside, grid, on_grid)
    constant = _nearest(unchanging, image.affine, grid)[inside]
    if not on_grid:
        # beside bright voxels, splines that are kept within the image's range can be flat
        constant |= values.min(axis=0) == values.max(axis=0)
    _check_constant(run.image, constant)
    if constant.any():
        values = values[:, ~constant]
        inside[inside] = ~constant
    left_out = int(np.count_nonzero(constant))
    return RunVoxels(
        values=values,
        inside=inside[grid.mask],
        repetition_time=seconds,
        mean_framewise_displacement=displacement,
        constant_voxels=left_out,
        resampled=not on_grid,
        notes=(
            *mask_notes,
            *time_notes,
            *motion_notes,
            *_image_notes(image, grid, on_grid),
            *([f"Voxels of the mask that never change, left out: {left_out}."] if left_out else []),
        ),
    )


def _check_volumes(path: Path, image: Any, least: int) -> None:
    if image.shape[3] < least:
        raise BadInputError(
            path,
            "volumes",
            found=image.shape[3],
            expected=f"at least {least}, one for each reference",
            remedy="Give a longer run, or a template of fewer components.",
        )


def _mask_of(run: Run, image: Any) -> tuple[NDArray[np.bool_], list[str]]:
    """Read the run's mask, on the run's grid."""
    own = read_mask(run.mask)
    mask = np.asarray(own.dataobj) > 0
    if same_grid(mask.shape, own.affine, image.shape, image.affine):
        return mask, []
    moved = resampled(mask, own.affine, image.shape, image.affine, "nearest")
    if not moved.any():
        raise BadInputError(
            run.mask,
            "voxels",
            found=f"none on the grid of {run.image.name}; the mask's centre is "
            f"{centre_mm(mask, own.affine)}",
            expected="the mask of this run",
            remedy="Give the mask that was made with this run.",
        )
    return moved, ["The mask was on another grid; brought to the run's (nearest voxel)."]


def _nearest(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], grid: VoxelGrid
) -> NDArray[np.bool_]:
    """Bring a mask on the run's grid to the analysis grid."""
    if same_grid(mask.shape, affine, grid.mask.shape, grid.affine):
        return mask
    return resampled(mask, affine, grid.mask.shape, grid.affine, "nearest")


def _no_overlap(
    run: Run, mask: NDArray[np.bool_], affine: NDArray[np.float64], grid: VoxelGrid
) -> BadInputError:
    return BadInputError(
        run.image,
        "space",
        found=f"a mask centred at {centre_mm(mask, affine)}",
        expected="one that overlaps the analysis mask, centred at "
        f"{centre_mm(grid.mask, grid.affine)}",
        remedy="Bring the run to the template's space first; look at the affines of both.",
    )


def _read_volumes(
    path: Path,
    image: Any,
    mask: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    grid: VoxelGrid,
    on_grid: bool,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read the run; return its values inside, and which of its own voxels never change."""
    values = np.empty((image.shape[3], np.count_nonzero(inside)), np.float32)
    lowest = np.full(np.count_nonzero(mask), np.inf, np.float32)
    highest = -lowest
    bad, first = 0, ""

    def keep(number: int, volume: NDArray[np.float32]) -> None:
        if not on_grid:
            # outside its mask a run may hold anything; nilearn would fill it in, slowly
            volume = np.nan_to_num(volume, copy=False, nan=0, posinf=0, neginf=0)
            volume = resampled(volume, image.affine, grid.mask.shape, grid.affine, "continuous")
        values[number] = volume[inside]

    with _on_every_core(keep, alone=on_grid) as kept:
        for number, volume in enumerate(image_volumes(path, image)):
            brain = volume[mask]
            faults = ~np.isfinite(brain)
            if faults.any():
                first = first or f"voxel {_index(mask, faults)} of volume {number}"
                bad += int(np.count_nonzero(faults))
            np.minimum(lowest, brain, out=lowest)
            np.maximum(highest, brain, out=highest)
            if not bad:  # else it will be refused; the rest is only counted
                kept(number, volume)
    if bad:
        raise BadInputError(
            path,
            "values",
            found=f"{bad} NaN or infinite inside the mask, the first at {first} (from 0)",
            expected="finite numbers inside the mask",
            remedy="Mend the image, or leave these voxels out of its mask.",
        )
    unchanging = np.zeros_like(mask)
    unchanging[mask] = lowest == highest
    return values, unchanging


@contextmanager
def _on_every_core(
    work: Callable[[int, NDArray[np.float32]], None], *, alone: bool
) -> Iterator[Callable[[int, NDArray[np.float32]], None]]:
    """Give a function that has the work done beside the caller, a few pieces at a time."""
    cores = len(os.sched_getaffinity(0))
    if alone or cores == 1:
        yield work
        return
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(cores) as pool:

        def hand_over(number: int, volume: NDArray[np.float32]) -> None:
            waiting.append(pool.submit(work, number, volume))
            # volumes that wait are in memory, so that few may
            if len(waiting) > 2 * cores:
                waiting.popleft().result()

        yield hand_over
        for future in waiting:
            future.result()


def _index(mask: NDArray[np.bool_], faults: NDArray[np.bool_]) -> str:
    """Write the indices (x, y, z) of the first fault."""
    return str(tuple(int(axis) for axis in np.argwhere(mask)[np.flatnonzero(faults)[0]]))


def _check_constant(path: Path, constant: NDArray[np.bool_]) -> None:
    share = constant.mean()
    if share > MOST_CONSTANT:
        raise BadInputError(
            path,
            "values",
            found=f"{np.count_nonzero(constant)} of {len(constant)} voxels inside the mask that "
            f"never change ({share:.0%})",
            expected=f"at most {MOST_CONSTANT:.0%}",
            remedy="Look whether the mask is that of this run, and the run has its signal.",
        )


def _image_notes(image: Any, grid: VoxelGrid, on_grid: bool) -> list[str]:
    notes = []
    if int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        notes.append("The header names no space; its voxels were taken to be where it puts them.")
    if not on_grid:
        own = grid_words(image.shape, image.affine)
        common = grid_words(grid.mask.shape, grid.affine)
        notes.append(f"The run was resampled from {own} to {common} (cubic splines).")
    return notes
