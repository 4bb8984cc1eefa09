"""All batches of components as one cohort: arrays for models, mean maps, who was left out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.extracted_components import ExtractedComponents
from neurospect.preprocess.spatial_maps import maximum_map
from neurospect.preprocess.time_courses import model_time_courses

STAGE = "time courses"

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class GatheredComponents:
    """The components of a cohort.

    Parameters
    ----------
    time_courses
        Shape (participants, volumes, components), float32, z-scored; zeros after a run's end.
    spatial_maps
        Shape (participants, x, y, z) of the mask's box, float32: the maximum over components,
        z-scored inside the participant's mask, zero outside.
    mean_maps
        Shape (components, voxels of the analysis mask), float32: mean over the participants who
        have data at a voxel.
    runs
        One row per participant, in the order of the arrays; `RUN_COLUMNS` and `length`, the
        volumes of the time courses that are not padding.
    quality
        One row per participant and component; `QUALITY_COLUMNS`.
    exclusions
        Everyone who was left out so far; `EXCLUSION_COLUMNS`.
    """

    time_courses: NDArray[np.float32]
    spatial_maps: NDArray[np.float32]
    mean_maps: NDArray[np.float32]
    runs: pd.DataFrame
    quality: pd.DataFrame
    exclusions: pd.DataFrame


def gather_components(
    batches: Sequence[ExtractedComponents],
    grid: VoxelGrid,
    *,
    detrend: bool,
    high_pass_hz: float | None,
    low_pass_hz: float | None,
    length: int | None,
) -> GatheredComponents:
    """Bring the components of all batches into the form that models read.

    Parameters
    ----------
    batches
        Their arrays may be memory-mapped: one participant's maps are read at a time.
    grid
        The analysis mask.
    detrend, high_pass_hz, low_pass_hz, length
        As for `model_time_courses`. A participant whose time courses cannot be used is left
        out, with the reason.

    Raises
    ------
    BadInputError
        If nobody is left.
    """
    longest = max(
        (int(batch.runs["volumes"].max()) for batch in batches if len(batch.runs)), default=0
    )
    courses: list[NDArray[np.float32]] = []
    maps: list[NDArray[np.float32]] = []
    kept: list[pd.DataFrame] = []
    exclusions: list[Exclusion] = []
    sums = np.zeros((batches[0].maps.shape[1], grid.voxels))
    counts = np.zeros(grid.voxels)
    for batch in batches:
        for row, participant in enumerate(batch.runs["participant_id"]):
            facts = batch.runs.iloc[[row]]
            try:
                own, lengths = model_time_courses(
                    [batch.time_courses[row, : int(facts["volumes"].iloc[0])]],
                    [float(facts["repetition_time"].iloc[0])],
                    detrend=detrend,
                    high_pass_hz=high_pass_hz,
                    low_pass_hz=low_pass_hz,
                    length=length or longest,
                    participants=[participant],
                )
                maximum = maximum_map(batch.maps[row], grid, participant=participant)
            except BadInputError as fault:
                log.warning("%s, left out: %s", participant, fault)
                exclusions.append(Exclusion(participant, STAGE, fault))
                continue
            courses.append(own[0])
            maps.append(maximum)
            kept.append(facts.assign(length=int(lengths[0])))
            sums += batch.maps[row]
            counts += (batch.maps[row] != 0).any(axis=0)
    left_out = pd.concat(
        [*(batch.exclusions for batch in batches), exclusion_table(exclusions)], ignore_index=True
    )
    if not kept:
        raise BadInputError(
            "components",
            "participants",
            found=f"none that can be used, {len(left_out)} left out",
            expected="at least one run with components",
            remedy=f"The first: {left_out.iloc[0].to_dict() if len(left_out) else 'no run at all'}",
        )
    runs = pd.concat(kept, ignore_index=True)
    quality = pd.concat([batch.quality for batch in batches], ignore_index=True)
    return GatheredComponents(
        time_courses=np.stack(courses),
        spatial_maps=np.stack(maps),
        mean_maps=(sums / np.maximum(counts, 1)).astype(np.float32),
        runs=runs,
        quality=quality[quality["participant_id"].isin(runs["participant_id"])].reset_index(
            drop=True
        ),
        exclusions=left_out,
    )
