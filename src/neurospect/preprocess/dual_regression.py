"""Dual regression: the baseline to which spatially constrained ICA is compared.

References are regressed on each volume, all at once, which gives time courses; the time courses
are regressed on each voxel, which gives maps (Beckmann et al. 2009; Nickerson et al. 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

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
    working_dtype,
)


def dual_regression(
    run: Array, references: Array, *, dtype: DTypeLike | None = None
) -> SubjectComponents:
    """Find the maps and time courses of one run by dual regression.

    Parameters
    ----------
    run
        Shape (volumes, voxels), inside a mask, in any unit. Each volume's mean over voxels is
        taken out; the second regression has an intercept, so voxels' baselines do not reach
        the maps.
    references
        Reference maps, shape (components, voxels); they are z-scored.
    dtype
        float32 or float64, of the result; None for that of the run. The regressions are
        done in float64.

    Returns
    -------
    SubjectComponents
        Maps z-scored over voxels; time courses of the first regression. Each component's
        result depends on all references.

    Raises
    ------
    BadInputError
        When the run or the references cannot be used (see `check_run_and_references`), when
        the references, or the time courses with their means taken out, depend linearly on
        one another, or when the dtype is invalid.
    """
    check_run_and_references(run, references)
    precision = working_dtype(run, dtype)
    time_courses = _time_courses(run, references)
    maps = _maps(run, time_courses, precision)
    count = len(references)
    quality = ComponentQuality(
        principal_components=None,
        iterations=np.zeros(count, np.int64),
        converged=np.ones(count, np.bool_),
        reference_correlation=reference_correlations(maps, references),
        map_standard_deviation=np.array([np.std(row, dtype=np.float64) for row in maps]),
        rerun_with_stricter_threshold=False,
    )
    return SubjectComponents(maps, time_courses.astype(precision), quality)


def _time_courses(run: Array, references: Array) -> Floats:
    """Regress all references on each volume, (volumes, components)."""
    standard = StandardReferences(references)
    products = np.zeros((len(references), len(references)))
    onto_run = np.zeros((len(references), len(run)))
    for block, values in centred_blocks(run):
        scores = standard.block(block)
        products += scores @ scores.T
        onto_run += scores @ values.T
    _refuse_dependence("references", products)
    return np.asarray(np.linalg.solve(products, onto_run).T, np.float64)


def _maps(run: Array, time_courses: Floats, precision: np.dtype[np.floating]) -> Array:
    """Regress the time courses and an intercept on each voxel; z-score over voxels."""
    means: Floats = time_courses.mean(axis=0, dtype=np.float64)
    centred = time_courses - means
    deviations = centred.std(axis=0)
    # a time course that is constant but for rounding is noise, which z-scoring would blow up
    flat = deviations <= 1e-9 * np.abs(time_courses).max()
    centred[:, flat] = 0
    centred[:, ~flat] /= deviations[~flat]
    _refuse_dependence("time courses of the references", centred.T @ centred)
    regression = np.linalg.pinv(centred)
    maps = np.empty((time_courses.shape[1], run.shape[1]), precision)
    for block, values in centred_blocks(run):
        maps[:, block] = regression @ values
    for row in maps:
        row -= row.mean(dtype=np.float64)
        row /= row.std(dtype=np.float64)
    return maps


def _refuse_dependence(where: str, products: Floats) -> None:
    rank = int(np.linalg.matrix_rank(products, hermitian=True, tol=1e-10 * np.trace(products)))
    if rank < len(products):
        raise BadInputError(
            where,
            "rank",
            found=f"{rank} independent of {len(products)}",
            expected="each independent of the others",
            remedy="Leave out references that repeat others, or give a longer run.",
        )
