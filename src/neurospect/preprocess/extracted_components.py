"""The components of a batch of participants as files: two arrays and three tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.exclusions import read_exclusions, write_exclusions
from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError
from neurospect.preprocess.component_labels import LABEL_COLUMNS

MAPS = "maps.npy"
TIME_COURSES = "time_courses.npy"
RUNS = "runs.tsv"
QUALITY = "quality.tsv"
EXCLUDED = "excluded.tsv"

RUN_COLUMNS = {
    "participant_id": "Identifier of the participant",
    "session": "Label of the session",
    "volumes": "Volumes of the run; its time courses are zeros after them",
    "repetition_time": "Time between volumes, s",
    "mean_framewise_displacement": "Mean framewise displacement of the head, mm",
    "voxels": "Voxels that were used: inside analysis mask and run's mask, not constant",
    "coverage": "Share of the analysis mask that was used",
    "constant_voxels": "Voxels inside both masks that never change and were left out",
    "resampled": "Whether the run was brought from another grid to that of the analysis",
    "principal_components": "Principal components kept; n/a for dual regression",
    "rerun_with_stricter_threshold": "Whether maps lacked unit variance at first, so that more "
    "principal components were left out",
    "notes": "What else a reader should know of how the run was read",
}
QUALITY_COLUMNS = {
    "participant_id": "Identifier of the participant",
    **LABEL_COLUMNS,
    "reference_correlation": "Pearson correlation of map and reference over voxels",
    "dual_regression_correlation": "The same for the map that dual regression finds; n/a where "
    "it cannot",
    "spectral_power_ratio": "Power of the time course under 0.1 Hz over that of 0.15 to 0.25 Hz",
    "iterations": "Trials of the estimation; 0 for dual regression",
    "converged": "Whether the estimation stopped by itself",
    "map_standard_deviation": "Standard deviation of the map over voxels before it was z-scored",
}
# What is neither text nor float64, so that a table without rows has the dtypes of any other.
RUN_DTYPES = {
    "volumes": "int64",
    "voxels": "int64",
    "constant_voxels": "int64",
    "resampled": "bool",
    "principal_components": "Int64",
    "rerun_with_stricter_threshold": "bool",
}
QUALITY_DTYPES = {"component": "int64", "iterations": "int64", "converged": "bool"}
TEXTS = ("participant_id", "session", "domain", "label", "notes")


@dataclass(frozen=True, eq=False)
class ExtractedComponents:
    """The components of a batch of participants.

    Parameters
    ----------
    maps
        Shape (participants, components, voxels of the analysis mask), float32: z-scored over
        the voxels of each participant, 0 outside them.
    time_courses
        Shape (participants, volumes of the longest run, components), float32: the projection of
        the run onto the maps (for dual regression, its time courses) in the run's unit; zeros
        after a shorter run's end.
    runs
        One row per participant, in the order of the arrays; `RUN_COLUMNS`.
    quality
        One row per participant and component; `QUALITY_COLUMNS`.
    exclusions
        Who was left out and why; `EXCLUSION_COLUMNS`.
    """

    maps: NDArray[np.float32]
    time_courses: NDArray[np.float32]
    runs: pd.DataFrame
    quality: pd.DataFrame
    exclusions: pd.DataFrame


def runs_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Set rows of `RUN_COLUMNS` under each other; there may be none."""
    return _typed(pd.DataFrame(rows, columns=list(RUN_COLUMNS)), RUN_DTYPES)


def quality_table(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Set tables of `QUALITY_COLUMNS` under each other; there may be none."""
    columns = list(QUALITY_COLUMNS)
    if not tables:
        return _typed(pd.DataFrame(columns=columns), QUALITY_DTYPES)
    return _typed(pd.concat(tables, ignore_index=True)[columns], QUALITY_DTYPES)


def write_extracted(folder: str | Path, extracted: ExtractedComponents) -> None:
    """Write the components of a batch, each file whole or not at all.

    Parameters
    ----------
    folder
        Made if missing. Gets maps.npy, time_courses.npy, runs.tsv, quality.tsv, excluded.tsv,
        and a JSON sidecar beside each table.
    extracted
        May hold no participant at all.
    """
    final = Path(folder)
    write_array(final / MAPS, extracted.maps)
    write_array(final / TIME_COURSES, extracted.time_courses)
    write_table(final / RUNS, extracted.runs, RUN_COLUMNS)
    write_table(final / QUALITY, extracted.quality, QUALITY_COLUMNS)
    write_exclusions(final / EXCLUDED, extracted.exclusions)


def read_extracted(folders: Iterable[str | Path]) -> list[ExtractedComponents]:
    """Open the components of several batches.

    Parameters
    ----------
    folders
        As `write_extracted` wrote them.

    Returns
    -------
    list of ExtractedComponents
        One per folder, in their order; a batch may hold no participant. Arrays are mapped into
        memory read-only, so that rows are read when they are used.

    Raises
    ------
    BadInputError
        If a file is missing or damaged, arrays and tables do not belong together, batches
        differ in components or voxels, or a participant stands in two of them.
    """
    batches: list[ExtractedComponents] = []
    seen: dict[str, Path] = {}
    for each in folders:
        folder = Path(each)
        batch = _read_batch(folder)
        if batches:
            _check_alike(folder, batch, batches[0])
        for participant in batch.runs["participant_id"]:
            if participant in seen:
                raise BadInputError(
                    folder / RUNS,
                    "participant_id",
                    found=f"{participant}, who stands in {seen[participant] / RUNS}, too",
                    expected="each participant in one batch",
                    remedy="Make the batches again, from runs of which each participant has one.",
                )
            seen[participant] = folder
        batches.append(batch)
    return batches


def _read_batch(folder: Path) -> ExtractedComponents:
    maps, courses = open_array(folder / MAPS), open_array(folder / TIME_COURSES)
    runs = _read(folder / RUNS, RUN_COLUMNS, RUN_DTYPES)
    quality = _read(folder / QUALITY, QUALITY_COLUMNS, QUALITY_DTYPES)
    found = (maps.ndim, courses.ndim, len(maps), len(courses), courses.shape[-1], len(quality))
    expected = (3, 3, len(runs), len(runs), maps.shape[1], len(runs) * maps.shape[1])
    if found != expected:
        raise BadInputError(
            folder,
            "shapes",
            found=f"maps {maps.shape}, time courses {courses.shape}, {len(quality)} rows of "
            "quality",
            expected=f"arrays and tables of the {len(runs)} runs in {RUNS}",
            remedy="The files are of different batches; make this batch again.",
        )
    exclusions = read_exclusions([folder / EXCLUDED])
    return ExtractedComponents(maps, courses, runs, quality, exclusions)


def _check_alike(folder: Path, batch: ExtractedComponents, first: ExtractedComponents) -> None:
    if batch.maps.shape[1:] != first.maps.shape[1:]:
        raise BadInputError(
            folder / MAPS,
            "shape",
            found=f"{batch.maps.shape[1:]} components and voxels",
            expected=f"{first.maps.shape[1:]}, as in the first batch",
            remedy="Make all batches with one template, one mask and one grid.",
        )


def _read(path: Path, columns: Mapping[str, str], dtypes: Mapping[str, str]) -> pd.DataFrame:
    names = list(columns)
    texts = [name for name in names if name in TEXTS]
    return _typed(read_table(path, required=names, text=texts, may_be_empty=True)[names], dtypes)


def _typed(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    every = {
        name: "str" if name in TEXTS else dtypes.get(name, "float64") for name in frame.columns
    }
    return frame.astype(every)
