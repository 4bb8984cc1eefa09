"""A study in a folder of BIDS derivatives: everybody has a run, or is left out with a word."""

from pathlib import Path

import pytest
from bids_trees import put, put_run

from neurospect.arrays.exclusions import exclusion_table, read_exclusions, write_exclusions
from neurospect.cohorts.cobre import BidsCohort, read_bids_cohort
from neurospect.errors import BadInputError

TABLE = """participant_id\tSubject Type\tGender\tCurrent Age\tDiagnosis
0040000\tPatient\tFemale\t20\t295.3
0040001\tPatient\tMale\t27\t295.3
0040013\tControl\tMale\tn/a\tn/a
0040014\tControl\tFemale\t33\tn/a
0040050\tDisenrolled\tMale\t29\tn/a
0040051\tControl\tn/a\t29\tn/a
0040052\tPatient\tMale\t41\t295.3
"""
SETTINGS = {
    "diagnosis_column": "Subject Type",
    "diagnoses": {"Patient": "patient", "Control": "control"},
    "sex_column": "Gender",
    "age_column": "Current Age",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven people: two with unusable entries, two with unusable folders; and a stranger."""
    for number in ("0040000", "0040001", "0040013", "0040050", "0040051", "0040099"):
        put_run(tmp_path, f"sub-{number}", session="1")
    put_run(tmp_path, "sub-0040001", session="2")
    put_run(tmp_path, "sub-0040014")
    put(tmp_path, "dataset_description.json")
    (tmp_path / "participants.tsv").write_text(TABLE)
    return tmp_path


def read(folder: Path, **changes: str) -> BidsCohort:
    return read_bids_cohort(folder, **{**SETTINGS, **changes})


def test_participants_and_runs_belong_together_row_by_row(folder: Path) -> None:
    cohort = read(folder)
    ids = ["sub-0040000", "sub-0040013", "sub-0040014"]
    assert cohort.participants["participant_id"].to_list() == ids
    assert [run.participant_id for run in cohort.found.runs] == ids
    assert [run.session for run in cohort.found.runs] == ["1", "1", None]
    assert cohort.participants["diagnosis_sex"].to_list() == [
        "patient female",
        "control male",
        "control female",
    ]
    assert cohort.participants["age"].isna().to_list() == [False, True, False]
    assert set(cohort.columns) == set(cohort.participants)


def test_everybody_has_a_run_or_is_left_out_once_with_a_word(folder: Path) -> None:
    cohort = read(folder)
    left_out = {each.participant_id: each for each in cohort.found.exclusions}
    assert len(left_out) == len(cohort.found.exclusions)
    assert {who: each.stage for who, each in left_out.items()} == {
        "sub-0040050": "participants",
        "sub-0040051": "participants",
        "sub-0040001": "runs",
        "sub-0040052": "runs",
        "sub-0040099": "runs",
    }
    assert left_out["sub-0040050"].fault.found == "'Disenrolled'"
    assert left_out["sub-0040051"].fault.field == "Gender of sub-0040051"
    assert "Set session" in left_out["sub-0040001"].fault.remedy
    assert left_out["sub-0040052"].fault.found == "no such folder"
    assert "not in participants.tsv" in str(left_out["sub-0040099"].fault.found)


def test_who_was_left_out_can_be_written_and_read(folder: Path, tmp_path: Path) -> None:
    (folder / "sub-a;rm -rf\t\n").mkdir()
    written = exclusion_table(read(folder).found.exclusions)
    write_exclusions(tmp_path / "excluded.tsv", written)
    assert read_exclusions([tmp_path / "excluded.tsv"]).equals(written)
    assert len(written) == 6


def test_the_session_chooses_among_runs(folder: Path) -> None:
    cohort = read(folder, session="2")
    assert [run.participant_id for run in cohort.found.runs] == ["sub-0040001"]
    assert cohort.participants["participant_id"].to_list() == ["sub-0040001"]


def test_a_folder_without_its_table_or_with_another_is_refused(folder: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"participants\.tsv: columns: .*missing: age, diagnosis, sex"
    ):
        read_bids_cohort(folder)
    with pytest.raises(BadInputError, match=r"missing: age\."):
        read(folder, age_column="age")
    (folder / "participants.tsv").unlink()
    with pytest.raises(BadInputError, match=r"participants\.tsv: file: found No such file"):
        read(folder)
