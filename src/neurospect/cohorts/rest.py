"""Resting-state runs as a cohort, measured or simulated: what is read, and how it is described."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.abide import ABIDE_LICENSE, ABIDE_SOURCE
from neurospect.cohorts.abide_layout import abide_runs
from neurospect.cohorts.abide_participants import COLUMNS as ABIDE_COLUMNS
from neurospect.cohorts.abide_participants import PHENOTYPES, abide_folder, abide_participants
from neurospect.cohorts.cobre import COBRE_LICENSE, COBRE_SOURCE, read_bids_cohort
from neurospect.cohorts.cohort import describe
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.diagnosed_participants import diagnosed_participants
from neurospect.cohorts.simulated_rest import simulated_runs
from neurospect.errors import BadInputError

SIMULATED = "simulated-rest"
OF_TABLE = ("diagnosis_column", "diagnoses", "sex_column", "age_column")
OF_BIDS_RUNS = ("task", "space", "session", "run")
CLASSES = ("diagnosis", "sex", "diagnosis_sex", "site")
MOTION = "mean_framewise_displacement"
OF_ABIDE_RUNS = ("pipeline", "band_pass", "global_signal", "sites")
OF_RUNS = {
    "session": "Label of the session",
    "repetition_time": "Time between volumes, s",
    "volumes": "Volumes of the run",
    "length": "Volumes of the time courses; padding with zeros follows",
    "mean_framewise_displacement": "Mean framewise displacement of the head, mm",
    "coverage": "Share of the analysis mask that was used",
}


# Name, source and licence of each cohort.
WHAT_IT_IS: dict[str, tuple[str, list[dict[str, str]], str]] = {
    SIMULATED: ("Simulated resting-state runs", [], "CC0-1.0"),
    "cobre": ("COBRE, resting-state runs", [COBRE_SOURCE], COBRE_LICENSE),
    "abide": ("ABIDE I, resting-state runs", [ABIDE_SOURCE], ABIDE_LICENSE),
    "bids": ("Resting-state runs of a folder of BIDS derivatives", [], "not stated"),
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
        `simulated-rest`, `cobre`, `bids` or `abide`.
    settings
        Of that cohort.
    source
        The folder of a simulated cohort, whose files need not be there yet.

    Raises
    ------
    BadInputError
        If the folder or the table of participants cannot be used, or there is no run at all.
    """
    if cohort == SIMULATED:
        runs = simulated_runs(source, settings["participants"])
        return RestSources(source / "participants.tsv", runs, [])
    if cohort == "abide":
        folder = abide_folder(settings["folder"])
        table, found = folder / PHENOTYPES, abide_runs(folder, **_taken(settings, OF_ABIDE_RUNS))
    else:
        folder = Path(settings["folder"])
        table = folder / "participants.tsv"
        found = read_bids_cohort(folder, **_taken(settings, (*OF_TABLE, *OF_BIDS_RUNS))).found
    if not found.runs:
        raise BadInputError(
            folder,
            "runs",
            found=f"none; {len(found.exclusions)} participants left out, the first: "
            f"{found.exclusions[0].fault if found.exclusions else 'nobody'}",
            expected="at least one run",
            remedy=f"Look at the settings of the cohort {cohort}, and at the names of its files.",
        )
    return RestSources(table, found.runs, found.exclusions)


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
    if cohort == "abide":
        table, _ = abide_participants(Path(path).parent, sites=settings["sites"])
        columns = {name: text for name, text in ABIDE_COLUMNS.items() if name not in OF_RUNS}
        # ABIDE's runs come without confounds, but its table knows how much heads moved
        runs = runs.assign(**{MOTION: runs[PARTICIPANT].map(table.set_index(PARTICIPANT)[MOTION])})
    else:
        chosen = {} if cohort == SIMULATED else _taken(settings, OF_TABLE)
        table, columns, _ = diagnosed_participants(path, **chosen)
    joined = runs[[PARTICIPANT, *OF_RUNS]].merge(
        table[list(columns)], on=PARTICIPANT, how="left", validate="one_to_one"
    )
    return joined[[*columns, *OF_RUNS]], {**columns, **OF_RUNS}


def _taken(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names}


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
    name, sources, license_name = WHAT_IT_IS[cohort]
    return describe(
        name,
        sources=sources,
        license_name=license_name,
        preparation=[
            "Found each run's maps and time courses that belong to reference maps (References).",
            f"Time courses were made ready ({kept}) and z-scored per component.",
            "Spatial maps are the maximum over components at every voxel, z-scored.",
        ],
        columns=columns,
        class_columns=[name for name in CLASSES if name in columns],
        References=json.loads(Path(sidecar).read_text(encoding="utf-8")),
        Arrays={
            "time_courses": "float32, shape (participants, volumes, components)",
            "spatial_maps": "float32, shape (participants, x, y, z) of the mask's box",
        },
        **grid.metadata(),
    )
