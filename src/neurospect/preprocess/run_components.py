"""What both ways to find a run's components share: what they give, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from neurospect.errors import BadInputError

Floats = NDArray[np.float64]
Array = NDArray[Any]

# Voxels worked on at a time: what is made of them stays in the processor's cache.
VOXELS_AT_A_TIME = 2048


@dataclass(frozen=True)
class ComponentQuality:
    """How the maps of one run came about, and how well they fit their references.

    Attributes
    ----------
    principal_components
        Principal components kept; None for dual regression, which has none.
    iterations
        Trials of each component, shape (components,), int64; zeros for dual regression.
    converged
        Whether each component stopped by itself, shape (components,), bool.
    reference_correlation
        Pearson correlation of each map with its reference over voxels, shape (components,).
    map_standard_deviation
        Standard deviation of each map over voxels, shape (components,); one but for rounding.
    rerun_with_stricter_threshold
        Whether a first pass gave maps without unit variance, so that more principal components
        had to be left out.
    """

    principal_components: int | None
    iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    reference_correlation: Floats
    map_standard_deviation: Floats
    rerun_with_stricter_threshold: bool


@dataclass(frozen=True)
class SubjectComponents:
    """The components of one run, in the order of their references.

    Attributes
    ----------
    maps
        Spatial maps, shape (components, voxels), zero mean and unit variance over voxels.
    time_courses
        Shape (volumes, components), in the units of the run.
    quality
        How they came about.
    """

    maps: Array
    time_courses: Array
    quality: ComponentQuality


def working_dtype(run: Array, dtype: DTypeLike | None) -> np.dtype[Any]:
    """Settle on float32 or float64.

    Raises
    ------
    BadInputError
        When another dtype is asked for.
    """
    chosen = np.dtype(np.result_type(run, np.float32) if dtype is None else dtype)
    if chosen not in (np.float32, np.float64):
        raise BadInputError(
            "subject components",
            "dtype",
            found=str(chosen),
            expected="float32 or float64",
            remedy="Name one of the two dtypes.",
        )
    return chosen


def voxel_blocks(voxels: int) -> Iterator[slice]:
    """Cut the voxels into slices of a size that fits the processor's cache."""
    for start in range(0, voxels, VOXELS_AT_A_TIME):
        yield slice(start, min(start + VOXELS_AT_A_TIME, voxels))


def centred_blocks(run: Array) -> Iterator[tuple[slice, Floats]]:
    """Give the run block by block, each volume without its mean over all voxels.

    Yields
    ------
    slice, numpy.ndarray
        Which voxels, and their values, float64, shape (volumes, voxels of the block).
    """
    means = run.mean(axis=1, dtype=np.float64, keepdims=True)
    for block in voxel_blocks(run.shape[1]):
        yield block, run[:, block] - means


class StandardReferences:
    """Reference maps z-scored over voxels (ddof 1), read block by block, so that no copy is held.

    Parameters
    ----------
    references
        Shape (components, voxels), checked.
    """

    def __init__(self, references: Array) -> None:
        self.count = len(references)
        self._references = references
        self._mean = references.mean(axis=1, dtype=np.float64, keepdims=True)
        # row by row: numpy would hold a float64 copy of all
        deviations = [np.std(row, ddof=1, dtype=np.float64) for row in references]
        self._deviation = np.array(deviations)[:, None]

    def block(self, voxels: slice) -> Floats:
        """Return the z-scores of some voxels, float64, shape (components, voxels of the block)."""
        scores: Floats = (self._references[:, voxels] - self._mean) / self._deviation
        return scores


def reference_correlations(maps: Array, references: Array) -> Floats:
    """Correlate each map with its reference over voxels, shape (components,), in float64."""
    pairs = zip(maps, references, strict=True)
    return np.array(
        [np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1] for a, b in pairs]
    )


def check_run_and_references(run: Array, references: Array) -> None:
    """Refuse a run or references from which no components can be estimated.

    Raises
    ------
    BadInputError
        When one of them is not a matrix of finite real numbers, when their voxels differ in
        number, when there are fewer volumes than components (or than two), or when a voxel,
        a volume or a reference is constant. The first volume and voxel at fault are counted
        from 0.
    """
    _check_matrix("run", run, "volumes, voxels")
    _check_matrix("references", references, "components, voxels")
    if run.shape[1] != references.shape[1]:
        raise BadInputError(
            "references",
            "voxels",
            found=references.shape[1],
            expected=f"{run.shape[1]}, as in the run",
            remedy="Bring run and references to one grid and one mask.",
        )
    volumes, components = run.shape[0], references.shape[0]
    if volumes < max(2, components):
        wanted = f"at least {components}, one for each component" if components > 2 else "2 or more"
        raise BadInputError(
            "run",
            "volumes",
            found=volumes,
            expected=wanted,
            remedy="Give a longer run, or fewer references.",
        )
    _check_finite("run", run, "volume")
    _check_finite("references", references, "component")
    constant = _constant_rows(references)
    _refuse_constant("references", "component", constant, "Leave it out, or mend the template.")
    constant = _constant_rows(run)
    _refuse_constant("run", "volume", constant, "Leave empty volumes out of the run.")
    blocks = [run[:, block] for block in voxel_blocks(run.shape[1])]
    constant = np.concatenate([block.min(axis=0) == block.max(axis=0) for block in blocks])
    _refuse_constant("run", "voxel", constant, "Leave voxels without signal out of the mask.")


def _check_matrix(where: str, values: Array, axes: str) -> None:
    if values.ndim != 2 or 0 in values.shape:
        raise BadInputError(
            where,
            "shape",
            found=values.shape,
            expected=f"({axes}), none of them 0",
            remedy="Give a matrix; a 4-D image is brought into this form by its mask.",
        )
    if values.dtype.kind not in "biuf":
        raise BadInputError(
            where,
            "dtype",
            found=values.dtype,
            expected="real numbers",
            remedy="Convert the values to float32 or float64.",
        )


def _check_finite(where: str, values: Array, row_name: str) -> None:
    bad = np.array([np.count_nonzero(~np.isfinite(row)) for row in values])
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        voxel = int(np.flatnonzero(~np.isfinite(values[row]))[0])
        raise BadInputError(
            where,
            "values",
            found=f"{bad.sum()} NaN or infinite, the first at {row_name} {row}, voxel {voxel}",
            expected="finite numbers",
            remedy="Mend the image, or leave the voxels out of the mask.",
        )


def _constant_rows(values: Array) -> NDArray[np.bool_]:
    return np.asarray(values.min(axis=1) == values.max(axis=1))


def _refuse_constant(where: str, name: str, constant: NDArray[np.bool_], remedy: str) -> None:
    if constant.any():
        raise BadInputError(
            where,
            f"{name}s",
            found=f"{constant.sum()} constant, the first {name} {np.flatnonzero(constant)[0]}",
            expected="values that differ",
            remedy=remedy,
        )
