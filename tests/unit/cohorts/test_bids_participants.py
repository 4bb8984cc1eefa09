"""A participants.tsv is read as BIDS has it; who lacks what is needed of all is named."""

import json
from pathlib import Path

import pandas as pd
import pytest

from neurospect.cohorts.bids_participants import read_bids_participants
from neurospect.cohorts.diagnosed_participants import diagnosed_participants
from neurospect.errors import BadInputError

PEOPLE = """
participant_id dx gender years site
sub-01 Patient F 34.5 3
02 Control M n/a 3
sub-003 Patient female 89+ 4
sub-4 Control other 20 4
"""


def people(folder: Path, text: str = PEOPLE) -> Path:
    """Write a table whose cells are separated by blanks."""
    path = folder / "participants.tsv"
    lines = ["\t".join(line.split()) for line in text.strip().splitlines()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


COLUMNS = {"diagnosis_column": "dx", "sex_column": "gender", "age_column": "years"}


# Identifiers


def test_identifiers_are_given_with_their_prefix_and_keep_their_zeros(tmp_path: Path) -> None:
    read, exclusions = read_bids_participants(people(tmp_path))
    assert read["participant_id"].to_list() == ["sub-01", "sub-02", "sub-003", "sub-4"]
    assert not exclusions
    path = people(tmp_path, "participant_id age\n007 20\n0050952 21\n")
    read, _ = read_bids_participants(path)
    assert read["participant_id"].to_list() == ["sub-007", "sub-0050952"]


def test_identifiers_that_need_not_be_bids_labels_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\nCaltech_0051456\nsub-01\n007\n")
    read, _ = read_bids_participants(path, bids_labels=False)
    assert read["participant_id"].to_list() == ["Caltech_0051456", "sub-01", "007"]
    with pytest.raises(BadInputError, match="participant_id in line 2: found 'Caltech_0051456'"):
        read_bids_participants(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("sub-01\n01\n", "participant_id in line 3: found 01, after sub-01, expected .* once"),
        ("sub-01\nn/a\n", "participant_id in line 3: found nothing"),
        ("sub-a;rm -rf\n", "participant_id in line 2: found 'sub-a;rm -rf'"),
        ("sub-\n", "participant_id in line 2: found 'sub-'"),
        ("../01\n", "participant_id in line 2: found '../01'"),
        ("sub-é\n", "participant_id in line 2: found 'sub-é'"),
    ],
)
def test_identifiers_that_name_no_folder_or_stand_twice_are_refused(
    tmp_path: Path, rows: str, message: str
) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text(f"participant_id\n{rows}", encoding="utf-8")
    with pytest.raises(BadInputError, match=message) as caught:
        read_bids_participants(path)
    assert caught.value.where == str(path)


# Columns


def test_columns_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    path = people(tmp_path)
    for asked in ({"required": ["IQ"]}, {"complete": ["IQ"]}):
        with pytest.raises(BadInputError, match=r"participants\.tsv: columns: .*missing: IQ"):
            read_bids_participants(path, **asked)
    path.write_text("id\tdx\n01\tPatient\n")
    with pytest.raises(BadInputError, match="missing: participant_id"):
        read_bids_participants(path)


def test_who_lacks_an_entry_is_kept_unless_the_column_must_be_complete(tmp_path: Path) -> None:
    path = people(tmp_path)
    read, exclusions = read_bids_participants(path, required=["years"])
    assert len(read) == 4
    assert read["years"].isna().sum() == 1
    assert not exclusions
    read, (exclusion,) = read_bids_participants(path, complete=["dx", "years"])
    assert read["participant_id"].to_list() == ["sub-01", "sub-003", "sub-4"]
    assert read.index.to_list() == [0, 1, 2]
    assert (exclusion.participant_id, exclusion.stage) == ("sub-02", "participants")
    assert (exclusion.fault.where, exclusion.fault.field) == (str(path), "years of sub-02")


def test_columns_of_text_keep_their_zeros_and_lose_white_space_around(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text("participant_id\tgroup\tcode\n01\t Patient \t01\n02\t  \t02\n")
    read, _ = read_bids_participants(path, text=["group", "code", "absent"])
    assert read["code"].to_list() == ["01", "02"]
    assert read["group"].iloc[0] == "Patient"
    assert pd.isna(read["group"].iloc[1])


# Diagnosis, sex and age


def test_diagnosis_sex_and_age_get_the_names_that_models_use(tmp_path: Path) -> None:
    read, columns, exclusions = diagnosed_participants(people(tmp_path), **COLUMNS)
    assert not exclusions
    assert list(read) == ["participant_id", "diagnosis", "sex", "age", "diagnosis_sex"]
    assert list(columns) == list(read)
    assert read["sex"].to_list() == ["female", "male", "female", "other"]
    assert read["age"].fillna(-1).to_list() == [34.5, -1, 89, 20]
    assert read["diagnosis_sex"].to_list() == [
        "Patient female",
        "Control male",
        "Patient female",
        "Control other",
    ]


def test_entries_of_the_diagnosis_become_groups_and_other_entries_are_left_out(
    tmp_path: Path,
) -> None:
    path = people(tmp_path, PEOPLE + "05 Disenrolled F 30 4\n06 Schizophrenia F 30 4\n")
    groups = {"Patient": "patient", "Schizophrenia": "patient", "Control": "control"}
    read, _, (exclusion,) = diagnosed_participants(path, diagnoses=groups, **COLUMNS)
    assert read["diagnosis"].to_list() == ["patient", "control"] * 2 + ["patient"]
    assert exclusion.participant_id == "sub-05"
    assert exclusion.fault.found == "'Disenrolled'"
    assert exclusion.fault.expected == "one of Patient, Schizophrenia, Control"


def test_a_diagnosis_in_numbers_is_text(tmp_path: Path) -> None:
    path = people(tmp_path, "participant_id dx gender years\n01 1 F 30\n02 2 M 31\n")
    read, _, _ = diagnosed_participants(path, diagnoses={"1": "patient", "2": "control"}, **COLUMNS)
    assert read["diagnosis_sex"].to_list() == ["patient female", "control male"]


def test_groups_that_nobody_is_in_are_refused_with_the_entries_there_are(tmp_path: Path) -> None:
    message = "dx: found Control, Patient, expected one of patient, control"
    with pytest.raises(BadInputError, match=message):
        diagnosed_participants(
            people(tmp_path), diagnoses={"patient": "patient", "control": "control"}, **COLUMNS
        )


def test_who_has_no_diagnosis_or_sex_is_left_out(tmp_path: Path) -> None:
    path = people(tmp_path, PEOPLE + "05 n/a F 30 4\n06 Patient n/a 30 4\n07 n/a n/a n/a 3\n")
    read, _, exclusions = diagnosed_participants(path, **COLUMNS)
    assert len(read) == 4
    assert [each.fault.field for each in exclusions] == [
        "dx of sub-05",
        "gender of sub-06",
        "dx of sub-07",
    ]


def test_a_table_in_which_nobody_is_complete_is_refused(tmp_path: Path) -> None:
    path = people(tmp_path, "participant_id dx gender years\n01 n/a F 30\n02 Patient n/a 31\n")
    with pytest.raises(BadInputError, match="rows: found nobody with an entry in each of dx"):
        diagnosed_participants(path, **COLUMNS)


@pytest.mark.parametrize("age", ["old", "-3", "nan5", "1934-05-06"])
def test_an_age_that_is_no_number_of_years_is_refused(tmp_path: Path, age: str) -> None:
    path = people(tmp_path, PEOPLE + f"05 Patient F {age} 4\n")
    with pytest.raises(BadInputError, match=f"years of sub-05: found '{age}'"):
        diagnosed_participants(path, **COLUMNS)


def test_cohorts_without_sex_or_age_have_no_such_columns(tmp_path: Path) -> None:
    path = people(tmp_path)
    read, _, _ = diagnosed_participants(
        path, diagnosis_column="dx", sex_column=None, age_column=None
    )
    assert list(read) == ["participant_id", "diagnosis"]


def test_further_columns_are_kept_and_described_as_their_sidecar_says(tmp_path: Path) -> None:
    path = people(tmp_path)
    sidecar = {"site": {"Description": "Scanner"}, "gender": {"Levels": {}}}
    path.with_suffix(".json").write_text(json.dumps(sidecar))
    read, columns, _ = diagnosed_participants(path, keep=["site", "gender"], **COLUMNS)
    assert read["site"].to_list() == [3, 3, 4, 4]
    assert columns["site"] == "Scanner"
    assert columns["gender"] == "Column gender of participants.tsv"
    path.with_suffix(".json").write_text("[")
    _, columns, _ = diagnosed_participants(path, keep=["site"], **COLUMNS)
    assert columns["site"] == "Column site of participants.tsv"
