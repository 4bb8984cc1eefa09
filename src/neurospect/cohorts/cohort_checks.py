"""The conditions that a cohort must meet before anything reads it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.errors import BadInputError

PARTICIPANT = "participant_id"


def check_description(description: Mapping[str, Any]) -> None:
    """Refuse a description that lacks a key that every cohort has.

    Raises
    ------
    BadInputError
        Naming the key.
    """
    wanted: dict[str, type] = {
        "Name": str,
        "BIDSVersion": str,
        "DatasetType": str,
        "GeneratedBy": list,
        "SourceDatasets": list,
        "License": str,
        "Preparation": list,
        "ClassColumns": list,
        "Columns": dict,
    }
    for key, kind in wanted.items():
        if not isinstance(description.get(key), kind):
            found = repr(description[key]) if key in description else "nothing"
            expected = f"a {kind.__name__}"
            raise BadInputError(
                "description",
                key,
                found=found,
                expected=expected,
                remedy="Make it with cohorts.cohort.describe.",
            )
    if not description["ClassColumns"]:
        expected = "at least one column that holds classes"
        raise BadInputError(
            "description",
            "ClassColumns",
            found="none",
            expected=expected,
            remedy="Name the class column.",
        )


def check_settings(
    cohort: str, settings: Mapping[str, Any], needed: Collection[str], optional: str = ""
) -> None:
    """Refuse settings of a made cohort that lack something, or hold what is not known.

    Parameters
    ----------
    cohort
        Its name.
    settings
        As given.
    needed
        Keys that must be there.
    optional
        A key that may be.

    Raises
    ------
    BadInputError
        Naming the keys.
    """
    faulty = [key for key in needed if key not in settings]
    faulty += [key for key in settings if key not in (*needed, optional)]
    if faulty:
        raise BadInputError(
            f"settings of the cohort {cohort}",
            ", ".join(sorted(faulty)),
            found=", ".join(sorted(settings)) or "nothing",
            expected=", ".join(sorted(needed)) + (f", and perhaps {optional}" if optional else ""),
            remedy="Add what is missing and remove what is not known.",
        )


def check_participants(participants: pd.DataFrame, class_columns: Sequence[str]) -> None:
    """Refuse a table with ids or classes that are missing, no text, or (ids) not unique.

    Raises
    ------
    BadInputError
        Naming the column and the first row at fault.
    """
    for name in (PARTICIPANT, *class_columns):
        if name not in participants:
            found = ", ".join(map(str, participants.columns))
            raise BadInputError(
                "participants",
                "columns",
                found=found,
                expected=name,
                remedy=f"Add the column {name}.",
            )
        bad = [
            row
            for row, value in enumerate(participants[name])
            if not isinstance(value, str) or not value.strip()
        ]
        if bad:
            found = f"{participants[name].iloc[bad[0]]!r}, and {len(bad)} such rows in all"
            field = f"column {name}, row {bad[0]}"
            raise BadInputError(
                "participants",
                field,
                found=found,
                expected="text that is not empty",
                remedy="Complete the column.",
            )
    if participants.empty:
        raise BadInputError(
            "participants",
            "rows",
            found="none",
            expected="at least one participant",
            remedy="Check the source.",
        )
    twice = participants[PARTICIPANT][participants[PARTICIPANT].duplicated()]
    if len(twice):
        found = f"{twice.iloc[0]} twice, and {twice.nunique()} such ids in all"
        expected = "every participant once"
        raise BadInputError(
            "participants",
            PARTICIPANT,
            found=found,
            expected=expected,
            remedy="Remove or rename the duplicates.",
        )


def check_examples(
    examples: pd.DataFrame, class_columns: Sequence[str], participants: pd.DataFrame
) -> None:
    """Refuse a table of examples with a class missing or of somebody who is no participant.

    Raises
    ------
    BadInputError
        Naming the column and the first row at fault.
    """
    known = set(participants[PARTICIPANT])
    for name in (PARTICIPANT, *class_columns):
        if name not in examples:
            raise BadInputError(
                "examples",
                "columns",
                found=", ".join(map(str, examples.columns)),
                expected=name,
                remedy=f"Add the column {name}.",
            )
        bad = [
            row
            for row, value in enumerate(examples[name])
            if not isinstance(value, str)
            or not value.strip()
            or (name == PARTICIPANT and value not in known)
        ]
        if bad:
            raise BadInputError(
                "examples",
                f"column {name}, row {bad[0]}",
                found=f"{examples[name].iloc[bad[0]]!r}, and {len(bad)} such rows in all",
                expected="a participant of the table" if name == PARTICIPANT else "a class",
                remedy="Make table and examples in one step.",
            )


def check_array(array: NDArray[Any], participants: pd.DataFrame) -> None:
    """Refuse an array that is not float32 or float16, not finite, or not one row per table row.

    Raises
    ------
    BadInputError
        Naming the first participant at fault, and how many there are.
    """
    if array.dtype not in (np.float32, np.float16) or array.ndim < 2 or array[:1].size == 0:
        found = f"{array.dtype} of shape {array.shape}"
        expected = f"float32 or float16 of shape ({len(participants)}, ...)"
        raise BadInputError(
            "array",
            "dtype and shape",
            found=found,
            expected=expected,
            remedy="Convert the array to float32.",
        )
    if len(array) != len(participants):
        found = f"{len(array)} rows"
        expected = f"{len(participants)}, one for each row of the table"
        raise BadInputError(
            "array",
            "rows",
            found=found,
            expected=expected,
            remedy="Write table and array in one step.",
        )
    # in blocks of rows, so that a memory-mapped array is never in memory whole
    block = max(1, 2**24 // array[0].size)
    bad = np.concatenate(
        [
            start + np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))
            for start in range(0, len(array), block)
            for rows in [array[start : start + block]]
        ]
    )
    if len(bad):
        first = participants[PARTICIPANT].iloc[int(bad[0])]
        found = f"NaN or infinity in {len(bad)} participants, first {first}"
        raise BadInputError(
            "array",
            f"row {bad[0]}",
            found=found,
            expected="finite values",
            remedy="Leave out or mend these.",
        )
