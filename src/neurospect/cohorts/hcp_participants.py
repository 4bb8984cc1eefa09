"""The HCP's two tables of subjects, unrestricted and restricted, as one participants table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurospect.arrays.csv_tables import read_csv_table
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.errors import BadInputError

FAMILY_COLUMNS = ("Mother_ID", "Father_ID", "Family_ID")
PARTICIPANT_COLUMNS = {
    PARTICIPANT: "Identifier of the participant: the HCP's number of the subject",
    "sex": "female or male",
    "age_band": "Age in years as the unrestricted data give it, such as 26-30",
    "age": "Age in years; restricted data",
    "Mother_ID": "Identifier of the mother; restricted data",
    "Father_ID": "Identifier of the father; restricted data",
    "Family_ID": "Identifier of the family; restricted data",
}
SEXES = {"F": "female", "M": "male", "": None}


def hcp_participants(
    unrestricted: str | Path, restricted: str | Path | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read the HCP's tables of subjects.

    Parameters
    ----------
    unrestricted
        CSV with Subject, Gender and Age.
    restricted
        CSV with Subject, Age_in_Yrs, Mother_ID, Father_ID and Family_ID. Without it there are
        no columns of families.

    Returns
    -------
    pandas.DataFrame
        One row per subject of the unrestricted CSV, in its order, with the columns of
        `PARTICIPANT_COLUMNS` (with no restricted CSV: the first three). Text, but for `age`
        (float64); blank entries are missing.
    list of str
        What a reader must know: whether families are known, who has none.

    Raises
    ------
    BadInputError
        If a file cannot be read, has no such column, holds a subject twice or one that is no
        number, or an entry of Gender or Age_in_Yrs that means nothing.
    """
    rows = _read(Path(unrestricted), ("Subject", "Gender", "Age"))
    table = pd.DataFrame(
        {
            PARTICIPANT: rows["Subject"],
            "sex": _sexes(Path(unrestricted), rows),
            "age_band": _blank_is_missing(rows["Age"]),
        }
    )
    if restricted is None:
        return table, ["No restricted CSV was given: families are not known."]
    kin = _read(Path(restricted), ("Subject", "Age_in_Yrs", *FAMILY_COLUMNS))
    kin["Age_in_Yrs"] = _years(Path(restricted), kin)
    for name in FAMILY_COLUMNS:
        kin[name] = _blank_is_missing(kin[name])
    renamed = kin.rename(columns={"Subject": PARTICIPANT, "Age_in_Yrs": "age"})
    columns = [PARTICIPANT, "age", *FAMILY_COLUMNS]
    joined = table.merge(renamed[columns], on=PARTICIPANT, how="left", validate="one_to_one")
    return joined, _notes(joined, set(kin["Subject"]))


def _notes(table: pd.DataFrame, in_restricted: set[str]) -> list[str]:
    ids = table[PARTICIPANT]
    listed = ids.isin(in_restricted)
    blank = listed & table[list(FAMILY_COLUMNS)].isna().all(axis=1)
    notes = [
        (ids[~listed].to_list(), "not in the restricted CSV, whose families are not known"),
        (ids[blank].to_list(), "without mother, father and family, who join nobody"),
        (sorted(in_restricted - set(ids)), "in the restricted CSV alone, who are left out"),
    ]
    return [f"Subjects {what}: {len(who)}, the first {who[0]}." for who, what in notes if who]


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of a CSV as text, stripped, and check the subjects."""
    remedy = "Give the CSV of the HCP's database, or fetch it again."
    table = read_csv_table(path, columns, remedy=remedy)[list(columns)]
    subjects = table["Subject"]
    # digits of other scripts are digits to Python, and no folder of the HCP's
    numbers = [subject.isascii() and subject.isdigit() for subject in subjects]
    no_number = subjects[[not is_number for is_number in numbers]]
    twice = subjects[subjects.duplicated()]
    if len(no_number) or len(twice):
        what = "more than once" if len(twice) else "no number"
        first = next(iter([*twice, *no_number]), "")
        raise BadInputError(
            path,
            "Subject",
            found=f"{first} {what}".strip() if first.isprintable() else f"{first!r} {what}",
            expected="every subject once, by number",
            remedy="Keep one row for each subject.",
        )
    return table


def _sexes(path: Path, rows: pd.DataFrame) -> pd.Series[str]:
    for subject, value in zip(rows["Subject"], rows["Gender"], strict=True):
        if value not in SEXES:
            raise BadInputError(
                path,
                f"Gender of subject {subject}",
                found=repr(value),
                expected="F, M or nothing",
                remedy="Correct the entry.",
            )
    return pd.Series([SEXES[value] for value in rows["Gender"]], dtype=str)


def _years(path: Path, rows: pd.DataFrame) -> pd.Series[float]:
    years = pd.to_numeric(rows["Age_in_Yrs"], errors="coerce")
    odd = rows[years.isna() & (rows["Age_in_Yrs"] != "")]
    if len(odd):
        raise BadInputError(
            path,
            f"Age_in_Yrs of subject {odd['Subject'].iloc[0]}",
            found=repr(odd["Age_in_Yrs"].iloc[0]),
            expected="a number of years, or nothing",
            remedy="Correct the entry.",
        )
    return years.astype("float64")


def _blank_is_missing(values: pd.Series[str]) -> pd.Series[str]:
    return pd.Series([value or None for value in values], dtype=str)
