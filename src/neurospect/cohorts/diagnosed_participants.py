"""Who of a participants.tsv has which diagnosis, sex and age, under the names that models use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.cohorts.bids_participants import left_out, read_bids_participants
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.errors import BadInputError

COLUMNS = {
    PARTICIPANT: "Identifier of the participant",
    "diagnosis": "Diagnosis",
    "sex": "Sex",
    "age": "Age in years; BIDS writes 89+ for everybody above, which is 89 here",
    "diagnosis_sex": "Diagnosis and sex, crossed",
}
CLASSES = ("diagnosis", "sex", "diagnosis_sex")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def diagnosed_participants(
    path: str | Path,
    *,
    diagnosis_column: str = "diagnosis",
    diagnoses: Mapping[str, str] | None = None,
    sex_column: str | None = "sex",
    age_column: str | None = "age",
    keep: Sequence[str] = (),
    complete: Sequence[str] = (),
    bids_labels: bool = True,
) -> tuple[pd.DataFrame, dict[str, str], list[Exclusion]]:
    """Read diagnosis, sex and age of participants.

    Parameters
    ----------
    path
        `participants.tsv`.
    diagnosis_column, sex_column, age_column
        Its columns; None where there is none for sex or age.
    diagnoses
        Entry of the diagnosis column: name of the group, such as `{"Patient": "patient"}`. Who
        has another entry is left out. None, or no entry at all, keeps all as they stand.
    keep
        Further columns of the file to keep, under their own names; what they hold is said as in
        the JSON file beside it (`sidecar_of`), where that says it.
    complete
        Columns of the file without which a participant is left out, beside diagnosis and sex.
    bids_labels
        As for `read_bids_participants`.

    Returns
    -------
    pandas.DataFrame
        participant_id; diagnosis, text; sex, text (`female` and `male`, also where the file
        says F, f, Female and so on; other entries stay as they are); age in years, float64,
        may be missing; diagnosis_sex, text, such as `patient female`; then `keep`.
    dict
        What each column holds.
    list of Exclusion
        Who was left out.

    Raises
    ------
    BadInputError
        If the file cannot be used (see `read_bids_participants`), an age is no number of years,
        or nobody is left.
    """
    final = Path(path)
    classes = [diagnosis_column, *([] if sex_column is None else [sex_column])]
    ages = [] if age_column is None else [age_column]
    table, exclusions = read_bids_participants(
        final,
        required=[*ages, *keep],
        complete=list(dict.fromkeys([*classes, *complete])),
        text=[*classes, *ages],
        bids_labels=bids_labels,
    )
    if diagnoses:
        table, others = _of_groups(final, table, diagnosis_column, diagnoses)
        exclusions += others
    if table.empty:
        raise BadInputError(
            final,
            "rows",
            found="nobody with an entry in each of " + ", ".join([*classes, *complete]),
            expected="at least one participant",
            remedy="Complete the table.",
        )
    own: dict[str, pd.Series] = {"diagnosis": table[diagnosis_column]}
    if sex_column is not None:
        sexes = table[sex_column]
        own["sex"] = sexes.str.lower().map(SEXES).fillna(sexes)
    if age_column is not None:
        own["age"] = _years(final, table[PARTICIPANT], table[age_column])
    if sex_column is not None:
        own["diagnosis_sex"] = own["diagnosis"] + " " + own["sex"]
    others_kept = {name: table[name] for name in keep if name not in COLUMNS}
    made = pd.DataFrame({PARTICIPANT: table[PARTICIPANT], **own, **others_kept})
    said = {**_descriptions(final, list(others_kept)), **COLUMNS}
    return made, {name: said[name] for name in made.columns}, exclusions


def sidecar_of(path: str | Path) -> Path:
    """Return where the JSON file lies that may describe the columns of a table."""
    return Path(path).with_suffix(".json")


def _of_groups(
    path: Path, table: pd.DataFrame, column: str, groups: Mapping[str, str]
) -> tuple[pd.DataFrame, list[Exclusion]]:
    """Name the groups, and leave out who is in none of them."""
    entries = table[column]
    known = entries.isin(list(groups))
    expected = f"one of {', '.join(groups)}"
    if not known.any():
        raise BadInputError(
            path,
            column,
            found=", ".join(sorted(entries.unique())) or "nothing",
            expected=expected,
            remedy="Name the entries of this column in the setting diagnoses, letter by letter.",
        )
    exclusions = [
        left_out(path, participant, column, repr(entry), expected)
        for participant, entry in zip(table[PARTICIPANT][~known], entries[~known], strict=True)
    ]
    kept = table[known].reset_index(drop=True)
    return kept.assign(**{column: kept[column].map(dict(groups))}), exclusions


def _years(path: Path, participants: pd.Series[str], ages: pd.Series[str]) -> pd.Series[float]:
    years = pd.to_numeric(ages.str.removesuffix("+"), errors="coerce").astype("float64")
    wrong = ages.notna() & ~years.between(0, 150)
    if wrong.any():
        raise BadInputError(
            path,
            f"{ages.name} of {participants[wrong].iloc[0]}",
            found=repr(ages[wrong].iloc[0]),
            expected="years, from 0 to 150, or n/a",
            remedy="Correct the entry.",
        )
    return years


def _descriptions(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Say what columns hold, in the words of participants.json where it has any."""
    plain = {name: f"Column {name} of {path.name}" for name in names}
    try:
        sidecar = json.loads(sidecar_of(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return plain
    said = {name: sidecar.get(name) for name in names} if isinstance(sidecar, dict) else {}
    texts = {name: each.get("Description") for name, each in said.items() if isinstance(each, dict)}
    return plain | {name: text for name, text in texts.items() if isinstance(text, str) and text}
