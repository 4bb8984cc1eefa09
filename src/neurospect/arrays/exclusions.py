"""Who was left out, at which stage and why: nobody is ever absent without a word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError

EXCLUSION_COLUMNS = {
    "participant_id": "Identifier of the participant",
    "what": "What was left out: the participant, or one example such as a task",
    "stage": "Stage at which it was left out",
    "where": "File at fault",
    "field": "Field, entry or position in it",
    "found": "What stands there",
    "expected": "What should stand there",
    "remedy": "What to do about it",
}


@dataclass(frozen=True)
class Exclusion:
    """One participant, or one example of a participant, that was left out.

    Parameters
    ----------
    participant_id
        Who.
    stage
        At which stage, such as `runs`, `components` or `task maps`.
    fault
        Why.
    what
        `participant`, or the example, such as `task MOTOR`.
    """

    participant_id: str
    stage: str
    fault: BadInputError
    what: str = "participant"


def exclusion_table(exclusions: Iterable[Exclusion]) -> pd.DataFrame:
    """List exclusions, one row each, with `EXCLUSION_COLUMNS`."""
    rows = [
        {
            "participant_id": each.participant_id,
            "what": each.what,
            "stage": each.stage,
            "where": each.fault.where,
            "field": each.fault.field,
            "found": _one_line(each.fault.found),
            "expected": _one_line(each.fault.expected),
            "remedy": _one_line(each.fault.remedy),
        }
        for each in exclusions
    ]
    return pd.DataFrame(rows, columns=list(EXCLUSION_COLUMNS), dtype=str)


def write_exclusions(path: str | Path, exclusions: pd.DataFrame) -> None:
    """Write a table of exclusions, with its sidecar; it may be empty."""
    write_table(path, exclusions[list(EXCLUSION_COLUMNS)], EXCLUSION_COLUMNS)


def read_exclusions(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read tables of exclusions and set them under each other, in the order of the paths."""
    columns = list(EXCLUSION_COLUMNS)
    tables = [read_table(path, required=columns, text=columns, may_be_empty=True) for path in paths]
    return pd.concat([exclusion_table([]), *tables], ignore_index=True)[columns]


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
