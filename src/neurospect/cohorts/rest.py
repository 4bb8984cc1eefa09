"""Resting-state runs as a cohort, measured or simulated: what is read, and how it is described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run
from neurospect.arrays.tables import read_table
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.cohort import describe
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.simulated_rest import PARTICIPANT_COLUMNS, simulated_runs

SIMULATED = "simulated-rest"
OF_RUNS = {
    "session": "Label of the session",
    "repetition_time": "Time between volumes, s",
    "volumes": "Volumes of the run",
    "length": "Volumes of the time courses; padding with zeros follows",
    "mean_framewise_displacement": "Mean framewise displacement of the head, mm",
    "coverage": "Share of the analysis mask that was used",
}


@dataclass(frozen=True)
class RestSources:
    """What a cohort of runs is made from.

    Parameters
    ----------
    participants
        The file that says who takes part.
    runs
        One run of every participant who has one.
    exclusions
        Who was left out already, by names alone.
    """

    participants: Path
    runs: list[Run]
    exclusions: list[Exclusion]


def rest_sources(cohort: str, settings: Mapping[str, Any], source: Path) -> RestSources:
    """List what a cohort of runs is made from; no image is opened.

    Parameters
    ----------
    cohort
        `simulated-rest`.
    settings
        Of that cohort.
    source
        The folder of a simulated cohort, whose files need not be there yet.

    Raises
    ------
    BadInputError
        If the folder or the table of participants cannot be used.
    """
    runs = simulated_runs(source, settings["participants"])
    return RestSources(source / "participants.tsv", runs, [])


def rest_participants(
    cohort: str, path: str | Path, settings: Mapping[str, Any], runs: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Say who the participants are whose runs were used.

    Parameters
    ----------
    cohort, settings
        As for `rest_sources`.
    path
        The file of participants.
    runs
        One row per participant: participant_id and the columns of `OF_RUNS`.

    Returns
    -------
    pandas.DataFrame, dict
        One row per row of `runs`; and what each column holds.

    Raises
    ------
    BadInputError
        If the file cannot be used.
    """
    text = [PARTICIPANT, "diagnosis", "sex"]
    table, columns = read_table(path, required=text, text=text), dict(PARTICIPANT_COLUMNS)
    table["diagnosis_sex"] = table["diagnosis"] + " " + table["sex"]
    columns["diagnosis_sex"] = "Diagnosis and sex, crossed"
    joined = runs[[PARTICIPANT, *OF_RUNS]].merge(
        table[list(columns)], on=PARTICIPANT, how="left", validate="one_to_one"
    )
    return joined[[*columns, *OF_RUNS]], {**columns, **OF_RUNS}


def describe_rest(
    cohort: str,
    columns: Mapping[str, str],
    grid: VoxelGrid,
    time_courses: Mapping[str, Any],
    sidecar: str | Path,
) -> dict[str, Any]:
    """Describe a prepared cohort of runs.

    Parameters
    ----------
    cohort
        Its name.
    columns
        Of the participants table, and what each holds.
    grid
        The analysis mask.
    time_courses
        How they were made ready for models.
    sidecar
        The JSON file that says from which references, and what was resampled.
    """
    kept = ", ".join(f"{name} {value}" for name, value in time_courses.items())
    return describe(
        NAMES[cohort],
        sources=SOURCES[cohort],
        license_name=LICENSES[cohort],
        preparation=[
            "Found each run's maps and time courses that belong to reference maps (References).",
            f"Time courses were made ready ({kept}) and z-scored per component.",
            "Spatial maps are the maximum over components at every voxel, z-scored.",
        ],
        columns=columns,
        class_columns=["diagnosis", "sex", "diagnosis_sex"],
        References=json.loads(Path(sidecar).read_text(encoding="utf-8")),
        Arrays={
            "time_courses": "float32, shape (participants, volumes, components)",
            "spatial_maps": "float32, shape (participants, x, y, z) of the mask's box",
        },
        **grid.metadata(),
    )


NAMES = {SIMULATED: "Simulated resting-state runs"}
SOURCES: dict[str, list[dict[str, str]]] = {SIMULATED: []}
LICENSES = {SIMULATED: "CC0-1.0"}
