"""COBRE, or any folder of BIDS derivatives with a participants.tsv: who, and which runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurospect.cohorts.bids_runs import find_bids_runs
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.diagnosed_participants import diagnosed_participants
from neurospect.cohorts.found_runs import FoundRuns

COBRE_SOURCE = {"URL": "http://fcon_1000.projects.nitrc.org/indi/retro/cobre.html"}
COBRE_LICENSE = "CC-BY-NC"


@dataclass(frozen=True)
class BidsCohort:
    """Who takes part in a study whose derivatives lie in a folder, and their runs.

    Parameters
    ----------
    participants
        One row for every run, in the order of participants.tsv.
    columns
        What each column of `participants` holds.
    found
        The runs, and who was left out, for the table or for the runs.
    """

    participants: pd.DataFrame
    columns: dict[str, str]
    found: FoundRuns


def read_bids_cohort(
    folder: str | Path,
    *,
    diagnosis_column: str = "diagnosis",
    diagnoses: Mapping[str, str] | None = None,
    sex_column: str | None = "sex",
    age_column: str | None = "age",
    keep: Sequence[str] = (),
    task: str = "rest",
    space: str | None = None,
    session: str | None = None,
    run: str | None = None,
) -> BidsCohort:
    """Read who takes part, and find their runs; no image is opened.

    Parameters
    ----------
    folder
        BIDS derivatives, with `participants.tsv` beside the folders `sub-*`.
    diagnosis_column, diagnoses, sex_column, age_column, keep
        As for `diagnosed_participants`.
    task, space, session, run
        As for `find_bids_runs`.

    Returns
    -------
    BidsCohort
        Everybody in the table, or with a folder, has a run or is excluded, never both.

    Raises
    ------
    BadInputError
        If the folder or its participants.tsv cannot be used.
    """
    table, columns, unusable = diagnosed_participants(
        Path(folder) / "participants.tsv",
        diagnosis_column=diagnosis_column,
        diagnoses=diagnoses,
        sex_column=sex_column,
        age_column=age_column,
        keep=keep,
    )
    found = find_bids_runs(
        folder,
        task=task,
        space=space,
        session=session,
        run=run,
        participants=table[PARTICIPANT].to_list(),
    )
    # whom the table leaves out may have a folder, which is not to be reported as a stranger's
    named = {each.participant_id for each in unusable}
    others = [each for each in found.exclusions if each.participant_id not in named]
    with_run = table[PARTICIPANT].isin([each.participant_id for each in found.runs])
    return BidsCohort(
        table[with_run].reset_index(drop=True),
        columns,
        FoundRuns(found.runs, [*unusable, *others]),
    )
