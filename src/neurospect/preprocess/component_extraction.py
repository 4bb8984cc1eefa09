"""The components of a batch of runs: each read, decomposed and let go before the next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.arrays.runs import Run
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.component_labels import LABEL_COLUMNS
from neurospect.preprocess.extracted_components import (
    ExtractedComponents,
    quality_table,
    runs_table,
)
from neurospect.preprocess.run_components import SubjectComponents
from neurospect.preprocess.run_voxels import RunVoxels, read_run
from neurospect.preprocess.spectral_power import spectral_power_ratio
from neurospect.preprocess.subject_components import METHODS, Method, subject_components

STAGE = "components"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RunResult:
    """One run's components and how they came about.

    Parameters
    ----------
    maps
        Shape (components, voxels of the analysis mask), float32, z-scored over the run's voxels,
        0 outside them.
    inside
        Which voxels of the analysis mask these are, shape (voxels,), bool.
    time_courses
        Shape (volumes, components), float32, in the run's unit.
    facts
        The run's row of the table of runs.
    quality
        Its rows of the table of quality, one per component.
    """

    maps: NDArray[np.float32]
    inside: NDArray[np.bool_]
    time_courses: NDArray[np.float32]
    facts: dict[str, Any]
    quality: pd.DataFrame


def extract_components(
    runs: Sequence[Run],
    references: NDArray[np.floating],
    grid: VoxelGrid,
    components: pd.DataFrame,
    *,
    method: Method = "constrained_ica",
    dtype: DTypeLike | None = None,
) -> ExtractedComponents:
    """Find the components of a batch of runs, one run of each participant.

    Parameters
    ----------
    runs
        The batch. A run that cannot be used is excluded with the reason, and the others go on.
    references
        Reference maps inside the analysis mask, shape (components, voxels).
    grid
        The analysis mask.
    components
        One row for each reference: component, domain, label.
    method
        `constrained_ica` or `dual_regression`. Dual regression runs beside either way, for its
        column of the table of quality.
    dtype
        Of the estimation, float32 or float64; None for float32, that of the runs. Results are
        float32.

    Returns
    -------
    ExtractedComponents
        In the order of `runs`, without those that were excluded.

    Raises
    ------
    BadInputError
        If the request itself is wrong: an unknown method or dtype, references that fit neither
        the mask nor the table of components, or a participant who stands twice in the batch.
    """
    _check_request(runs, references, grid, components, method, dtype)
    maps = np.zeros((len(runs), *references.shape), np.float32)
    courses: list[NDArray[np.float32]] = []
    facts: list[dict[str, Any]] = []
    quality: list[pd.DataFrame] = []
    exclusions: list[Exclusion] = []
    for number, run in enumerate(runs, start=1):
        try:
            result = extract_run(run, references, grid, components, method=method, dtype=dtype)
        except BadInputError as fault:
            exclusions.append(Exclusion(run.participant_id, STAGE, fault))
            log.warning("%s (%d of %d): left out. %s", run.participant_id, number, len(runs), fault)
            continue
        log.info("%s (%d of %d): components found", run.participant_id, number, len(runs))
        maps[len(facts)] = result.maps
        courses.append(result.time_courses)
        facts.append(result.facts)
        quality.append(result.quality)
    return ExtractedComponents(
        maps=maps[: len(facts)],
        time_courses=_padded(courses, len(references)),
        runs=runs_table(facts),
        quality=quality_table(quality),
        exclusions=exclusion_table(exclusions),
    )


def extract_run(
    run: Run,
    references: NDArray[np.floating],
    grid: VoxelGrid,
    components: pd.DataFrame,
    *,
    method: Method = "constrained_ica",
    dtype: DTypeLike | None = None,
) -> RunResult:
    """Find the components of one run.

    Parameters
    ----------
    run, references, grid, components, method, dtype
        As for `extract_components`.

    Raises
    ------
    BadInputError
        If the run cannot be used; the message names its file.
    """
    try:
        voxels = read_run(run, grid, least_volumes=len(references))
        own = references if voxels.inside.all() else references[:, voxels.inside]
        found = subject_components(voxels.values, own, method, dtype=dtype)
    except OSError as error:
        raise BadInputError(
            error.filename or run.image,
            "file",
            found=error.strerror or str(error),
            expected="a readable file",
            remedy="Check the file and the disk on which it lies.",
        ) from error
    except BadInputError as fault:
        raise _of_this_run(fault, run) from fault
    maps = np.zeros(references.shape, np.float32)
    maps[:, voxels.inside] = _z_scored(found.maps)
    return RunResult(
        maps=maps,
        inside=voxels.inside,
        time_courses=found.time_courses.astype(np.float32),
        facts=_facts(run, voxels, found),
        quality=_quality(run, voxels, found, own, components, method),
    )


def _check_request(
    runs: Sequence[Run],
    references: NDArray[np.floating],
    grid: VoxelGrid,
    components: pd.DataFrame,
    method: str,
    dtype: DTypeLike | None,
) -> None:
    twice = pd.Series([run.participant_id for run in runs], dtype=str)
    twice = twice[twice.duplicated()]
    expected = (len(components), grid.voxels)
    lacking = [name for name in LABEL_COLUMNS if name not in components]
    if method not in METHODS:
        fault = ("method", repr(method), " or ".join(METHODS), "Name one of the two methods.")
    elif dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
        fault = ("dtype", str(np.dtype(dtype)), "float32 or float64", "Name one of the two.")
    elif lacking:
        fault = ("components", f"no {lacking[0]}", ", ".join(LABEL_COLUMNS), "Add the column.")
    elif references.shape != expected:
        wanted = f"{expected}: components of the table, voxels of the analysis mask"
        remedy = "Give references, grid and labels of one template."
        fault = ("references", str(references.shape), wanted, remedy)
    elif not np.isfinite(references).all():
        fault = ("references", "NaN or infinite", "finite maps", "Mend the template.")
    elif len(twice):
        remedy = "Choose one run of each participant."
        fault = ("participant_id", f"{twice.iloc[0]} twice", "each once", remedy)
    else:
        return
    field, found, wanted, remedy = fault
    raise BadInputError("component extraction", field, found=found, expected=wanted, remedy=remedy)


def _of_this_run(fault: BadInputError, run: Run) -> BadInputError:
    """Name the run's file in a fault that the estimation found in its arrays."""
    if fault.where not in ("run", "references", "time courses of the references"):
        return fault
    return BadInputError(
        run.image,
        f"{fault.where}, {fault.field}" if fault.where != "run" else fault.field,
        found=fault.found,
        expected=fault.expected,
        remedy=fault.remedy,
    )


def _z_scored(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Z-score each map over its voxels, with mean and standard deviation in float64."""
    scored = maps.copy()
    for row in scored:
        row -= row.mean(dtype=np.float64)
        row /= row.std(dtype=np.float64)
    return scored


def _facts(run: Run, voxels: RunVoxels, found: SubjectComponents) -> dict[str, Any]:
    return {
        "participant_id": run.participant_id,
        "session": run.session,
        "volumes": len(voxels.values),
        "repetition_time": voxels.repetition_time,
        "mean_framewise_displacement": voxels.mean_framewise_displacement,
        "voxels": voxels.values.shape[1],
        "coverage": float(voxels.inside.mean()),
        "constant_voxels": voxels.constant_voxels,
        "resampled": voxels.resampled,
        "principal_components": found.quality.principal_components,
        "rerun_with_stricter_threshold": found.quality.rerun_with_stricter_threshold,
        "notes": " ".join(voxels.notes) or None,
    }


def _quality(
    run: Run,
    voxels: RunVoxels,
    found: SubjectComponents,
    references: NDArray[np.floating],
    components: pd.DataFrame,
    method: str,
) -> pd.DataFrame:
    quality = found.quality
    baseline = quality.reference_correlation
    if method != "dual_regression":
        baseline = _dual_regression_correlation(voxels.values, references)
    table = components[list(LABEL_COLUMNS)].reset_index(drop=True)
    table.insert(0, "participant_id", run.participant_id)
    return table.assign(
        reference_correlation=quality.reference_correlation,
        dual_regression_correlation=baseline,
        spectral_power_ratio=spectral_power_ratio(found.time_courses, voxels.repetition_time),
        iterations=quality.iterations,
        converged=quality.converged,
        map_standard_deviation=quality.map_standard_deviation,
    )


def _dual_regression_correlation(
    values: NDArray[np.float32], references: NDArray[np.floating]
) -> NDArray[np.float64]:
    try:
        return subject_components(
            values, references, "dual_regression"
        ).quality.reference_correlation
    except BadInputError:
        # references or time courses that depend on one another; constrained ICA does not mind
        return np.full(len(references), np.nan)


def _padded(courses: Sequence[NDArray[np.float32]], components: int) -> NDArray[np.float32]:
    """Stack time courses, (participants, longest, components), zeros after the shorter ones."""
    longest = max((len(each) for each in courses), default=0)
    stacked = np.zeros((len(courses), longest, components), np.float32)
    for row, each in zip(stacked, courses, strict=True):
        row[: len(each)] = each
    return stacked
