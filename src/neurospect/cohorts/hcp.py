"""HCP task maps as a cohort, measured or simulated: what is read, and how it is described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.cohort import describe
from neurospect.cohorts.hcp_layout import find_task_maps, unlisted_subjects
from neurospect.cohorts.hcp_participants import (
    FAMILY_COLUMNS,
    PARTICIPANT_COLUMNS,
    hcp_participants,
)
from neurospect.cohorts.simulated_hcp import simulated_task_maps

SIMULATED = "simulated-hcp"


@dataclass(frozen=True)
class TaskMapSources:
    """What a cohort of task maps is made from.

    Parameters
    ----------
    tables
        `unrestricted` and, where there is one, `restricted`.
    examples
        Every task of every participant that can be read, in the order of the participants.
    exclusions
        What was left out already, by names alone.
    """

    tables: dict[str, Path]
    examples: list[TaskMapFiles]
    exclusions: list[Exclusion]


def task_map_sources(cohort: str, settings: Mapping[str, Any], source: Path) -> TaskMapSources:
    """List what a cohort of task maps is made from; no image is opened.

    Parameters
    ----------
    cohort
        `hcp` or `simulated-hcp`.
    settings
        Of that cohort.
    source
        The folder of a simulated cohort, whose files need not be there yet.

    Raises
    ------
    BadInputError
        If a table of subjects or the folder cannot be used.
    """
    if cohort == SIMULATED:
        tables = {name: source / f"{name}.csv" for name in ("unrestricted", "restricted")}
        return TaskMapSources(tables, simulated_task_maps(source, settings["participants"]), [])
    tables = {
        name: Path(settings[name]) for name in ("unrestricted", "restricted") if settings[name]
    }
    participants, _ = hcp_participants(tables["unrestricted"], tables.get("restricted"))
    subjects = participants["participant_id"].to_list()
    examples, exclusions = find_task_maps(
        settings["folder"],
        subjects,
        smoothing=settings["smoothing"],
        statistic=settings["statistic"],
    )
    return TaskMapSources(
        tables, examples, [*exclusions, *unlisted_subjects(settings["folder"], subjects)]
    )


def describe_hcp(
    cohort: str, participants: pd.DataFrame, notes: Sequence[str], grid: VoxelGrid, dtype: str
) -> dict[str, Any]:
    """Describe a prepared cohort of task maps.

    Parameters
    ----------
    cohort
        `hcp` or `simulated-hcp`.
    participants
        Its table.
    notes
        What a reader must know of the tables of subjects.
    grid
        The mask that the maps are inside of.
    dtype
        Of the array.
    """
    is_simulated = cohort == SIMULATED
    return describe(
        "Simulated HCP task maps" if is_simulated else "HCP task maps",
        sources=[] if is_simulated else [{"URL": "https://www.humanconnectome.org"}],
        license_name="CC0-1.0" if is_simulated else "WU-Minn HCP data use terms",
        preparation=[
            "Took one contrast of every task, or the mean of several, by their names; contrasts"
            " that are there with the opposite sign only were negated, as examples.tsv says.",
            "Z-scored each map over the voxels inside the mask.",
            *notes,
        ],
        columns={name: text for name, text in PARTICIPANT_COLUMNS.items() if name in participants},
        class_columns=["task"],
        FamilyColumns=[name for name in FAMILY_COLUMNS if name in participants],
        Arrays={"task_maps": f"{dtype}, shape (examples, voxels inside mask.nii.gz)"},
        **grid.metadata(),
    )
