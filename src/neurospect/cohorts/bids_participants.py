"""Reads participants.tsv: who takes part, and who lacks what the cohort needs of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.tables import read_table
from neurospect.cohorts.bids_names import PREFIX, is_participant_label, is_plain_name
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.errors import BadInputError

STAGE = "participants"


def read_bids_participants(
    path: str | Path,
    *,
    required: Sequence[str] = (),
    complete: Sequence[str] = (),
    text: Sequence[str] = (),
    bids_labels: bool = True,
) -> tuple[pd.DataFrame, list[Exclusion]]:
    """Read a table of participants as BIDS has it.

    Parameters
    ----------
    path
        `participants.tsv`, with a column `participant_id`.
    required
        Columns that must be there; who has no entry in them is kept.
    complete
        Columns that must be there; who has no entry in them is left out.
    text
        Columns to read as text exactly, such as classes that are written as numbers. White
        space around an entry is no part of it.
    bids_labels
        Whether identifiers are BIDS labels, with or without `sub-`; they are returned with it.
        Otherwise they are names of folders as other programs make them, returned as they stand;
        who has a name that is none (see `is_plain_name`) is left out.

    Returns
    -------
    pandas.DataFrame
        One row per participant who is not left out, in the order of the file, with all columns.
        `participant_id` and the columns of `text` are text; missing entries are missing.
    list of Exclusion
        Who is left out.

    Raises
    ------
    BadInputError
        If the file cannot be read, lacks a column, or an identifier is missing, no label, or
        stands twice.
    """
    final = Path(path)
    table = read_table(
        final,
        required=[PARTICIPANT, *required, *complete],
        text=[PARTICIPANT, *text],
    )
    for name in (PARTICIPANT, *text):
        if name in table:
            table[name] = table[name].str.strip().replace("", None)
    table[PARTICIPANT] = _identifiers(final, table[PARTICIPANT], bids_labels)
    exclusions: list[Exclusion] = []
    if not bids_labels:
        table, exclusions = _plainly_named(final, table)
    for participant, row in zip(
        table[PARTICIPANT], table[list(complete)].isna().to_numpy(), strict=True
    ):
        lacking = [name for name, missing in zip(complete, row, strict=True) if missing]
        if lacking:
            exclusions.append(left_out(final, participant, lacking[0], "nothing", "an entry"))
    out = {each.participant_id for each in exclusions}
    return table[~table[PARTICIPANT].isin(out)].reset_index(drop=True), exclusions


def left_out(path: Path, participant: str, column: str, found: object, expected: str) -> Exclusion:
    """Say that a participant is left out for an entry of the table."""
    fault = BadInputError(
        path,
        f"{column} of {participant}",
        found=found,
        expected=expected,
        remedy="Complete or correct the entry; else the participant stays out.",
    )
    return Exclusion(participant, STAGE, fault)


def _identifiers(path: Path, column: pd.Series[str], bids_labels: bool) -> list[str]:
    """Return the identifiers, with `sub-` where they are BIDS labels; all different."""
    identifiers: dict[str, str] = {}
    for line, written in enumerate(column, start=2):
        if not isinstance(written, str):
            raise _wrong(path, line, "nothing", "an identifier", "Name every participant.")
        whole = PREFIX + written.removeprefix(PREFIX) if bids_labels else written
        if bids_labels and not is_participant_label(whole):
            expected = "letters and digits alone, with or without sub- before them"
            raise _wrong(path, line, repr(written), expected, "Name participants as their folders.")
        if whole in identifiers:
            found = f"{written}, after {identifiers[whole]}"
            raise _wrong(path, line, found, "every participant once", "Keep one of the rows.")
        identifiers[whole] = written
    return list(identifiers)


def _plainly_named(path: Path, table: pd.DataFrame) -> tuple[pd.DataFrame, list[Exclusion]]:
    """Leave out whose name could be read as a path, an option or a command."""
    exclusions = [
        Exclusion(
            repr(who)[1:-1],  # escaped, since a name may hold what no table can
            STAGE,
            _wrong(
                path,
                line,
                repr(who),
                "letters, digits and . _ + @ -, the first a letter or digit",
                "Rename the participant, and the folder or row; else the participant stays out.",
            ),
        )
        for line, who in enumerate(table[PARTICIPANT], start=2)
        if not is_plain_name(who)
    ]
    return table[[is_plain_name(who) for who in table[PARTICIPANT]]], exclusions


def _wrong(path: Path, line: int, found: str, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        path, f"{PARTICIPANT} in line {line}", found=found, expected=expected, remedy=remedy
    )
