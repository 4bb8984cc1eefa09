"""Spatially constrained ICA: the maps of one run that are independent and like their references.

Each component is found by itself (Du & Fan 2013): a unit vector in the space of whitened principal
components climbs the mean of two terms, the negentropy of its map and the likeness of the map to
its reference. All components climb at the same time, one matrix product per trial, and those that
have arrived drop out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from neurospect.errors import BadInputError
from neurospect.preprocess.run_components import (
    Array,
    ComponentQuality,
    Floats,
    StandardReferences,
    SubjectComponents,
    centred_blocks,
    check_run_and_references,
    reference_correlations,
    voxel_blocks,
    working_dtype,
)

# Share of the largest variance under which a principal component is no more than rounding. It
# holds for runs in float32 too, as principal components are found in float64: with 1e-6, a run
# whose voxels differ much in brightness would lose most of them.
THRESHOLD = 1e-8
# Mean of log cosh over the standard normal distribution.
GAUSSIAN_LOG_COSH = 0.3745672075
TOLERANCE = 1e-5
TRIALS = 100
# Share of the gain expected from the slope that a step must bring to be accepted.
SUFFICIENT_GAIN = 0.02
LARGEST_VARIANCE_ERROR = 0.01


@dataclass(frozen=True)
class _Whitened:
    """The run in the space of its principal components."""

    values: Array  # (principal components, voxels), uncorrelated, unit variance
    mixing: Floats  # (volumes, principal components): the run is about mixing @ values


@dataclass
class _Climb:
    """Where each component stands, one row or entry per component."""

    weights: Floats  # (components, principal components), unit norm
    objective: Floats
    slope: Floats  # gradient of the objective, as weights
    step: Floats
    trials: NDArray[np.int64]
    converged: NDArray[np.bool_]


def constrained_ica(
    run: Array,
    references: Array,
    *,
    dtype: DTypeLike | None = None,
    threshold: float = THRESHOLD,
) -> SubjectComponents:
    """Find the maps and time courses of one run by spatially constrained ICA.

    Parameters
    ----------
    run
        Shape (volumes, voxels), inside a mask, in any unit. Each volume's mean over voxels is
        taken out; the voxels' baselines stay.
    references
        Reference maps, shape (components, voxels). Only their form matters: they are z-scored.
    dtype
        float32 or float64, of the whitened run, the iterations and the result; None for that
        of the run. The principal components themselves are found in float64.
    threshold
        Principal components are kept whose variance is above this share of the largest.

    Returns
    -------
    SubjectComponents
        Maps with unit variance, with the sign of their references; time courses, the projection
        of the run onto the maps. No component's result depends on the other references.

    Raises
    ------
    BadInputError
        When the run or the references cannot be used (see `check_run_and_references`), when a
        reference has nothing in common with the run, or when the dtype or threshold is invalid.
    """
    check_run_and_references(run, references)
    precision = working_dtype(run, dtype)
    _check_threshold(threshold)
    standard = StandardReferences(references)
    covariance = _volume_covariance(run)
    whitened, climb, maps, deviations = _separate(run, standard, covariance, threshold, precision)
    rerun = bool((np.abs(deviations - 1) > LARGEST_VARIANCE_ERROR).any())
    if rerun:
        stricter = max(THRESHOLD, 100 * threshold)
        whitened, climb, maps, deviations = _separate(
            run, standard, covariance, stricter, precision
        )
    quality = ComponentQuality(
        principal_components=len(whitened.values),
        iterations=climb.trials,
        converged=climb.converged,
        reference_correlation=reference_correlations(maps, references),
        map_standard_deviation=deviations,
        rerun_with_stricter_threshold=rerun,
    )
    # the projection of the run onto the maps, by way of the eigenvectors
    time_courses = (whitened.mixing @ climb.weights.T).astype(precision)
    return SubjectComponents(maps, time_courses, quality)


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold < 1:
        raise BadInputError(
            "constrained ICA",
            "threshold",
            found=threshold,
            expected="a share, at least 0 and under 1",
            remedy="Leave it out for the usual one.",
        )


def _volume_covariance(run: Array) -> Floats:
    """Covariance of the volumes over voxels, (volumes, volumes), summed in float64."""
    covariance = np.zeros((len(run), len(run)))
    for _, values in centred_blocks(run):
        covariance += values @ values.T
    covariance /= run.shape[1]
    return covariance


def _separate(
    run: Array,
    references: StandardReferences,
    covariance: Floats,
    threshold: float,
    precision: np.dtype[Any],
) -> tuple[_Whitened, _Climb, Array, Floats]:
    """Whiten and climb; return both with the maps and the standard deviation of each map."""
    whitened = _whiten(run, covariance, threshold, precision)
    climb = _climb(whitened.values, _reference_slope(whitened.values, references))
    maps = climb.weights.astype(precision) @ whitened.values
    deviations = np.array([np.std(row, dtype=np.float64) for row in maps])
    return whitened, climb, maps, deviations


def _whiten(
    run: Array, covariance: Floats, threshold: float, precision: np.dtype[Any]
) -> _Whitened:
    variances, vectors = np.linalg.eigh(covariance)
    kept = variances > threshold * variances[-1]
    scales, vectors = np.sqrt(variances[kept]), vectors[:, kept]
    whitening = (vectors / scales).T
    values = np.empty((len(whitening), run.shape[1]), precision)
    for block, centred in centred_blocks(run):
        values[:, block] = whitening @ centred
    return _Whitened(values, vectors * scales)


def _reference_slope(whitened: Array, references: StandardReferences) -> Floats:
    """Gradient of each map's likeness to its reference, (components, principal components)."""
    voxels = whitened.shape[1]
    slope = np.zeros((references.count, len(whitened)))
    for block in voxel_blocks(voxels):
        slope += references.block(block).astype(whitened.dtype) @ whitened[:, block].T
    slope /= voxels
    foreign = np.linalg.norm(slope, axis=1) <= np.finfo(whitened.dtype).eps
    if foreign.any():
        raise BadInputError(
            "references",
            "components",
            found=f"component {np.flatnonzero(foreign)[0]} uncorrelated with every volume",
            expected="references that occur in the run",
            remedy="Look whether run and references are on one grid, with one mask.",
        )
    return slope


def _climb(whitened: Array, reference_slope: Floats) -> _Climb:
    """Climb the objective from the projections of the references, all components at once."""
    # the rows are uncorrelated, so this is the least-squares fit to the reference
    likeness = np.linalg.norm(reference_slope, axis=1, keepdims=True)
    weights = reference_slope / likeness
    negentropy_root = _mean_log_cosh(weights, whitened) - GAUSSIAN_LOG_COSH
    # a map as Gaussian as can be leaves the balance finite
    balance = np.tan(np.pi * likeness[:, 0] / 2) / np.maximum(negentropy_root**2, 1e-30)
    count = len(weights)
    climb = _Climb(
        weights=weights,
        objective=_objective(negentropy_root, likeness[:, 0], balance),
        slope=_slope(weights, whitened, negentropy_root, balance, reference_slope),
        step=np.ones(count),
        trials=np.zeros(count, np.int64),
        converged=np.zeros(count, np.bool_),
    )
    live = np.arange(count)
    for _ in range(TRIALS):
        stopped = _try_a_step(climb, live, whitened, reference_slope, balance)
        live = live[~stopped]
        if not len(live):
            break
    return climb


def _try_a_step(
    climb: _Climb, live: NDArray[np.intp], whitened: Array, reference_slope: Floats, balance: Floats
) -> NDArray[np.bool_]:
    """Move each live component by its step, or halve the step; say which have arrived."""
    steepness = np.linalg.norm(climb.slope[live], axis=1)
    direction = climb.slope[live] / steepness[:, None]
    moved = climb.weights[live] + climb.step[live, None] * direction
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    negentropy_root = _mean_log_cosh(moved, whitened) - GAUSSIAN_LOG_COSH
    likeness = np.einsum("kp,kp->k", moved, reference_slope[live])
    objective = _objective(negentropy_root, likeness, balance[live])
    climb.trials[live] += 1

    expected = climb.step[live] * steepness
    accepted = objective - climb.objective[live] >= SUFFICIENT_GAIN * expected
    distance = ((moved - climb.weights[live]) ** 2).sum(axis=1)
    rejected = live[~accepted]
    climb.step[rejected] /= 2
    stopped = np.where(accepted, distance, climb.step[live] ** 2) < TOLERANCE
    climb.converged[live] = stopped

    climb.weights[live[accepted]] = moved[accepted]
    climb.objective[live[accepted]] = objective[accepted]
    onward = accepted & ~stopped
    if onward.any():
        climb.slope[live[onward]] = _slope(
            moved[onward],
            whitened,
            negentropy_root[onward],
            balance[live[onward]],
            reference_slope[live[onward]],
        )
    return stopped


def _objective(negentropy_root: Floats, likeness: Floats, balance: Floats) -> Floats:
    """Mean of negentropy, brought to between 0 and 1, and likeness to the reference."""
    bounded: Floats = 2 / np.pi * np.arctan(balance * negentropy_root**2)
    return (bounded + likeness) / 2


def _slope(
    weights: Floats,
    whitened: Array,
    negentropy_root: Floats,
    balance: Floats,
    reference_slope: Floats,
) -> Floats:
    """Gradient of the objective, (components, principal components)."""
    factor = balance / (1 + (balance * negentropy_root**2) ** 2) * 2 * negentropy_root
    negentropy_slope = 2 / np.pi * factor[:, None] * _mean_tanh_product(weights, whitened)
    slope: Floats = (negentropy_slope + reference_slope) / 2
    return slope


def _mean_log_cosh(weights: Floats, whitened: Array) -> Floats:
    """Mean over voxels of log cosh of each component's map, (components,), summed in float64."""
    total = np.zeros(len(weights))
    narrow = weights.astype(whitened.dtype)
    for block in voxel_blocks(whitened.shape[1]):
        size = np.abs(narrow @ whitened[:, block])
        # log cosh without overflow, but for the constant log 2
        total += (size + np.log1p(np.exp(-2 * size))).sum(axis=1)
    mean: Floats = total / whitened.shape[1] - np.log(2)
    return mean


def _mean_tanh_product(weights: Floats, whitened: Array) -> Floats:
    """Mean over voxels of tanh of each map times the whitened run, shaped as the weights."""
    total = np.zeros(weights.shape)
    narrow = weights.astype(whitened.dtype)
    for block in voxel_blocks(whitened.shape[1]):
        values = whitened[:, block]
        total += np.tanh(narrow @ values) @ values.T
    mean: Floats = total / whitened.shape[1]
    return mean
