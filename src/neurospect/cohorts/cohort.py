"""What every cohort yields: a participants table, one array, and a description of both."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurospect.arrays.atomic import write_text
from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.arrays.tables import read_table, write_table
from neurospect.cohorts.cohort_checks import (
    PARTICIPANT,
    check_array,
    check_description,
    check_examples,
    check_participants,
)
from neurospect.errors import BadInputError

BIDS_VERSION = "1.10.0"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Participants, what was measured on each, and where it comes from.

    Parameters
    ----------
    participants
        One row per participant (or image, or signal). `participant_id` is text, unique; the
        columns that `description["ClassColumns"]` names are text without missing values.
    array
        float32 or float16, shape (participants, ...) or (examples, ...), finite; row i belongs to
        row i of `participants`, or of `examples` where there are any.
    description
        What `dataset_description.json` holds; made by `describe`.
    examples
        Where a participant has several rows in the array: one row per row of the array, with the
        participant's `participant_id` and what tells the examples apart, such as the task.

    Raises
    ------
    BadInputError
        If any of this does not hold.
    """

    participants: pd.DataFrame
    array: NDArray[np.floating]
    description: dict[str, Any]
    examples: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "participants", self.participants.reset_index(drop=True))
        check_description(self.description)
        of_examples = [] if self.examples is None else list(self.examples.columns)
        own = [name for name in self.class_columns if name not in of_examples]
        check_participants(self.participants, own)
        if self.examples is not None:
            object.__setattr__(self, "examples", self.examples.reset_index(drop=True))
            named = [name for name in self.class_columns if name in of_examples]
            check_examples(self.examples, named, self.participants)
        check_array(self.array, self.rows)

    @property
    def class_columns(self) -> list[str]:
        """Columns of `participants` or `examples` that hold classes."""
        return list(self.description["ClassColumns"])

    @property
    def family_columns(self) -> list[str]:
        """Columns of `participants` with ids of mothers, fathers and families; may be none."""
        return list(self.description.get("FamilyColumns", []))

    @property
    def rows(self) -> pd.DataFrame:
        """One row per row of the array: the participants, or the examples with theirs."""
        if self.examples is None:
            return self.participants
        return self.examples.merge(
            self.participants, on=PARTICIPANT, how="left", validate="many_to_one"
        )


def describe(
    name: str,
    *,
    sources: Sequence[Mapping[str, str]],
    license_name: str,
    preparation: Sequence[str],
    columns: Mapping[str, str],
    class_columns: Sequence[str],
    **facts: object,
) -> dict[str, Any]:
    """Describe a cohort as BIDS describes a derivative dataset.

    Nothing in it depends on the day or the machine, so equal cohorts have equal descriptions.

    Parameters
    ----------
    name
        Name of the cohort.
    sources
        BIDS `SourceDatasets`: one mapping (URL, DOI, Version) per dataset used; none if made.
    license_name
        Under which licence the data may be used.
    preparation
        What was done to the data, one sentence a step, in order.
    columns
        What each column of the participants table holds.
    class_columns
        Those that hold classes.
    **facts
        Anything else worth keeping, under CamelCase keys as in BIDS.

    Returns
    -------
    dict
        Ready for `Cohort` and for `dataset_description.json`.
    """
    return {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "neurospect", "Version": version("neurospect")}],
        "SourceDatasets": [dict(source) for source in sources],
        "License": license_name,
        "Preparation": list(preparation),
        "ClassColumns": list(class_columns),
        "Columns": dict(columns),
        **facts,
    }


def write_cohort(
    cohort: Cohort,
    participants_path: str | Path,
    array_path: str | Path,
    description_path: str | Path,
) -> None:
    """Write a cohort without examples as three files, and the sidecar of the participants table.

    Raises
    ------
    BadInputError
        If a column of the participants table is not described.
    """
    write_table(participants_path, cohort.participants, cohort.description["Columns"])
    write_array(array_path, cohort.array)
    write_description(description_path, cohort.description)


def read_participants(
    participants_path: str | Path, description_path: str | Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read who takes part, and the description, without the array.

    Returns
    -------
    pandas.DataFrame, dict
        The participants table, ids, classes and family ids as text; the description.

    Raises
    ------
    BadInputError
        If a file is missing or damaged.
    """
    description = read_description(Path(description_path))
    text = [PARTICIPANT, *description["ClassColumns"], *description.get("FamilyColumns", [])]
    return read_table(participants_path, required=[PARTICIPANT], text=text), description


def read_cohort(
    participants_path: str | Path,
    array_path: str | Path,
    description_path: str | Path,
    examples_path: str | Path | None = None,
    *,
    mmap: bool = True,
) -> Cohort:
    """Read a cohort that `write_cohort` wrote, and check it again.

    Parameters
    ----------
    participants_path, array_path, description_path
        The three files.
    examples_path
        The table of examples, where the cohort has one.
    mmap
        Map the array read-only into memory instead of reading it.

    Raises
    ------
    BadInputError
        If a file is missing or damaged, or the three do not belong together.
    """
    participants, description = read_participants(participants_path, description_path)
    examples = None
    if examples_path is not None:
        text = [PARTICIPANT, *description["ClassColumns"]]
        examples = read_table(examples_path, required=[PARTICIPANT], text=text)
    array = open_array(array_path, mmap=mmap)
    try:
        return Cohort(participants, array, description, examples)
    except BadInputError as fault:
        files = {
            "participants": participants_path,
            "array": array_path,
            "examples": examples_path or "examples",
        }
        raise BadInputError(
            files.get(fault.where, fault.where),
            fault.field,
            found=fault.found,
            expected=fault.expected,
            remedy=fault.remedy,
        ) from None


def select(
    cohort: Cohort,
    column: str,
    levels: Iterable[str] | None = None,
    per_level: int | None = None,
    seed: int = 0,
) -> Cohort:
    """Keep some levels of a column, and at most so many rows of each; no cohort with examples.

    The rows kept stay in their order. Which rows of a level are kept depends on the seed and
    the level alone: adding a level, or asking for more rows, keeps those already chosen.

    Parameters
    ----------
    cohort
        The cohort; it is left as it is.
    column
        A text column of its participants table.
    levels
        The levels to keep; None keeps all.
    per_level
        Largest number of rows of each level; None keeps all.
    seed
        Seed of the choice.

    Raises
    ------
    BadInputError
        If the column does not exist, a level has no row, or `per_level` is below one.
    """
    if column not in cohort.participants:
        found = ", ".join(cohort.participants.columns)
        raise BadInputError(
            "participants",
            "column",
            found=found,
            expected=column,
            remedy="Select by a column that exists.",
        )
    values = cohort.participants[column]
    known = sorted({str(value) for value in values.dropna()})
    wanted = known if levels is None else list(dict.fromkeys(levels))
    absent = [level for level in wanted if level not in known]
    if absent or not wanted:
        found = f"no row with {', '.join(map(repr, absent))}" if absent else "no levels"
        expected = f"levels among {', '.join(known)}"
        raise BadInputError(
            "participants",
            f"column {column}",
            found=found,
            expected=expected,
            remedy="Ask for levels that exist.",
        )
    if per_level is not None and per_level < 1:
        raise BadInputError(
            "select",
            "per_level",
            found=per_level,
            expected="at least 1",
            remedy="Ask for at least one row.",
        )
    rows = {level: np.flatnonzero(values == level) for level in wanted}
    if per_level is not None:
        rows = {
            level: np.random.default_rng([seed, zlib.crc32(level.encode())]).permutation(own)
            for level, own in rows.items()
        }
    kept = np.sort(np.concatenate([own[:per_level] for own in rows.values()]))
    return replace(
        cohort,
        participants=cohort.participants.iloc[kept],
        array=cohort.array[kept],
        description=_with_selection(cohort.description, column, wanted, per_level, seed),
    )


def _with_selection(
    description: dict[str, Any], column: str, levels: list[str], per_level: int | None, seed: int
) -> dict[str, Any]:
    step = f"Kept the rows whose {column} is one of {', '.join(levels)}"
    if per_level is not None:
        step += f", at most {per_level} of each, drawn with seed {seed}"
    return {**description, "Preparation": [*description["Preparation"], f"{step}."]}


def write_description(path: str | Path, description: Mapping[str, Any]) -> None:
    """Write a description as `dataset_description.json`."""
    write_text(path, json.dumps(description, indent=2, ensure_ascii=False) + "\n")


def read_description(path: Path) -> dict[str, Any]:
    """Read and check a `dataset_description.json`.

    Raises
    ------
    BadInputError
        If it is missing, damaged, or lacks a key that every cohort has.
    """
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = error.strerror or str(error)
        raise BadInputError(
            path,
            "file",
            found=found,
            expected="a dataset_description.json",
            remedy="Make the cohort first.",
        ) from None
    except ValueError as error:
        raise BadInputError(
            path,
            "content",
            found=str(error),
            expected="one JSON object",
            remedy="Make the cohort again.",
        ) from None
    if not isinstance(description, dict):
        found = type(description).__name__
        raise BadInputError(
            path,
            "content",
            found=found,
            expected="one JSON object",
            remedy="Make the cohort again.",
        )
    try:
        check_description(description)
    except BadInputError as fault:
        raise BadInputError(
            path, fault.field, found=fault.found, expected=fault.expected, remedy=fault.remedy
        ) from None
    return description
