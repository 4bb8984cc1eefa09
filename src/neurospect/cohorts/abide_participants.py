"""Who takes part in ABIDE I, as the Preprocessed Connectomes Project's phenotypic CSV says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurospect.arrays.csv_tables import read_csv_table
from neurospect.arrays.exclusions import Exclusion
from neurospect.cohorts.bids_participants import STAGE
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.errors import BadInputError

PHENOTYPES = "Phenotypic_V1_0b_preprocessed1.csv"
COLUMNS = {
    PARTICIPANT: "Identifier of the participant: sub- and ABIDE's number, with seven digits",
    "diagnosis": "autism or control",
    "sex": "female or male",
    "diagnosis_sex": "Diagnosis and sex, crossed",
    "site": "Site of the scan, as ABIDE calls it",
    "age": "Age in years",
    "mean_framewise_displacement": "Mean framewise displacement of the head, mm",
    "file_id": "What the names of the participant's files start with",
}
CLASSES = ("diagnosis", "sex", "diagnosis_sex", "site")
NEEDED = ("SUB_ID", "SITE_ID", "FILE_ID", "DX_GROUP", "AGE_AT_SCAN", "SEX")
FETCH_AGAIN = "Delete the phenotypic CSV and fetch it again."
MOTION = "func_mean_fd"
DIAGNOSES = {"1": "autism", "2": "control"}
SEXES = {"1": "male", "2": "female"}
MISSING = ("", "-9999")
NO_FILES = "no_filename"
FILE_ID = re.compile(r"[A-Za-z0-9_]+")


def abide_folder(folder: str | Path) -> Path:
    """Return the folder that holds the phenotypic CSV: `ABIDE_pcp` in a folder, or itself.

    Raises
    ------
    BadInputError
        If it lies in neither.
    """
    for each in (Path(folder) / "ABIDE_pcp", Path(folder)):
        if (each / PHENOTYPES).is_file():
            return each
    raise BadInputError(
        folder,
        PHENOTYPES,
        found="no such file here or in ABIDE_pcp",
        expected="the folder into which ABIDE was fetched",
        remedy="Fetch ABIDE into this folder first, or correct the folder in the settings.",
    )


def abide_participants(
    folder: str | Path, *, sites: Sequence[str] | None = None
) -> tuple[pd.DataFrame, list[Exclusion]]:
    """Read who takes part in ABIDE I.

    Parameters
    ----------
    folder
        As for `abide_folder`.
    sites
        Sites to keep, as the CSV calls them, such as `NYU`; None for all.

    Returns
    -------
    pandas.DataFrame
        One row per participant, in the order of the CSV, with the columns of `COLUMNS`: text,
        but for age and mean_framewise_displacement (float64), which may be missing.
    list of Exclusion
        Participants of these sites without preprocessed files, diagnosis or sex.

    Raises
    ------
    BadInputError
        If the CSV is missing or damaged, lacks a column, holds a participant twice or one
        without a number or a site, or there is no such site.
    """
    path = abide_folder(folder) / PHENOTYPES
    rows = _rows(path)
    people: list[dict[str, object]] = []
    exclusions: list[Exclusion] = []
    _check_sites(path, {row["SITE_ID"] for row in rows}, sites)
    for row in rows:
        if sites is not None and row["SITE_ID"] not in sites:
            continue
        try:
            people.append(_person(path, row))
        except BadInputError as fault:
            exclusions.append(Exclusion(row[PARTICIPANT], STAGE, fault))
    table = pd.DataFrame(people, columns=list(COLUMNS))
    numbers = {"age": "float64", "mean_framewise_displacement": "float64"}
    return table.astype({name: numbers.get(name, "str") for name in COLUMNS}), exclusions


def _person(path: Path, row: Mapping[str, str]) -> dict[str, object]:
    who = row[PARTICIPANT]
    file_id = row["FILE_ID"]
    if file_id == NO_FILES or not FILE_ID.fullmatch(file_id):
        remedy = "Nothing preprocessed was published; the participant stays out."
        raise _fault(path, "FILE_ID", who, file_id, "what names of files start with", remedy)
    diagnosis = _level(path, row, "DX_GROUP", DIAGNOSES)
    sex = _level(path, row, "SEX", SEXES)
    return {
        PARTICIPANT: who,
        "diagnosis": diagnosis,
        "sex": sex,
        "diagnosis_sex": f"{diagnosis} {sex}",
        "site": row["SITE_ID"],
        "age": _number(path, row, "AGE_AT_SCAN"),
        "mean_framewise_displacement": _number(path, row, MOTION),
        "file_id": file_id,
    }


def _level(path: Path, row: Mapping[str, str], column: str, levels: Mapping[str, str]) -> str:
    written = row[column].removesuffix(".0")
    if written not in levels:
        expected = " or ".join(f"{code} ({name})" for code, name in levels.items())
        remedy = "Complete the entry; else the participant stays out."
        raise _fault(path, column, row[PARTICIPANT], row[column], expected, remedy)
    return levels[written]


def _number(path: Path, row: Mapping[str, str], column: str) -> float | None:
    written = row.get(column, "")
    if written in MISSING:
        return None
    try:
        return float(written)
    except ValueError:
        remedy = "Correct the entry; else the participant stays out."
        raise _fault(
            path, column, row[PARTICIPANT], written, "a number, or nothing", remedy
        ) from None


def _rows(path: Path) -> list[dict[str, str]]:
    """Read the CSV, every cell as text, and give every row its participant_id."""
    table = read_csv_table(path, NEEDED, remedy=FETCH_AGAIN)
    rows = [dict(zip(table.columns, line, strict=True)) for line in table.to_numpy().tolist()]
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        subject = row["SUB_ID"]
        faults = {
            "no number": not (subject.isascii() and subject.isdigit()),
            "a participant without a site": row["SITE_ID"] in MISSING,
            "a participant once more": subject in seen,
        }
        what = next((name for name, there in faults.items() if there), None)
        if what:
            raise BadInputError(
                path,
                f"SUB_ID in row {number}",
                found=f"{subject!r}, {what}",
                expected="every participant once, by number, with a site",
                remedy=FETCH_AGAIN,
            )
        seen.add(subject)
        row[PARTICIPANT] = f"sub-{int(subject):07d}"
    return rows


def _check_sites(path: Path, known: set[str], sites: Sequence[str] | None) -> None:
    absent = [site for site in sites or () if site not in known]
    if absent or (sites is not None and not sites):
        raise BadInputError(
            path,
            "SITE_ID",
            found=", ".join(sorted(known)),
            expected=", ".join(absent) or "at least one site",
            remedy="Correct the sites in the settings of the cohort.",
        )


def _fault(
    path: Path, column: str, who: str, found: str, expected: str, remedy: str
) -> BadInputError:
    field = f"{column} of {who}"
    return BadInputError(path, field, found=found or "nothing", expected=expected, remedy=remedy)
