"""FreeSurfer's volumes become a cohort; who or what is left out is named with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from written_volumes import ETIV as ETIV_LINE
from written_volumes import STRUCTURES, aseg_stats

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS, exclusion_table, write_exclusions
from neurospect.cohorts.cohort import Cohort, read_cohort, write_cohort
from neurospect.cohorts.freesurfer import (
    aseg_stats_file,
    freesurfer_cohort,
    load,
    places,
    raw_files,
)
from neurospect.errors import BadInputError

ETIV = "EstimatedTotalIntraCranialVol"
NAMES = ["Left-Thalamus", "Right-Thalamus", "CSF", "5th-Ventricle", ETIV]
PEOPLE = {
    "Caltech_0051456": ("patient", "30.5", "M"),
    "sub-02": ("control", "25", "F"),
    "003": ("patient", "n/a", "F"),
    "KKI_4": ("control", "11", "M"),
}
ROWS: dict[str, list[Any]] = {
    "KKI_4": [7000.5, 6900, 1000, 0, 1400000.25],
    "Caltech_0051456": [7100, 6950, 1100, 0, 1500000],
    "sub-02": [7200, 7000, 1200, 0, 1600000],
    "003": [7300, 7050, 1300, 0, 1697598.984182],
}


def put_people(folder: Path, people: dict[str, tuple[str, ...]] = PEOPLE) -> Path:
    path = folder / "participants.tsv"
    lines = ["participant_id\tdiagnosis\tage\tsex"]
    lines += ["\t".join([who, *cells]) for who, cells in people.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def put_table(folder: Path, rows: dict[str, list[Any]], names: list[str] = NAMES) -> Path:
    path = folder / "aseg.tsv"
    lines = ["\t".join(["Measure:volume", *names])]
    lines += ["\t".join([who, *map(str, cells)]) for who, cells in rows.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def put_subject(folder: Path, subject: str, scale: float = 1.0, **changes: Any) -> Path:
    path = aseg_stats_file(folder, subject)
    path.parent.mkdir(parents=True)
    structures = [(number, name, volume * scale) for number, name, volume in STRUCTURES]
    measures = [f"{ETIV_LINE}{1554002.5 * scale:f}, mm^3"]
    written = {"structures": structures, "measures": measures, "subject": subject, **changes}
    path.write_text(aseg_stats(**written))
    return path


def of_table(folder: Path, rows: dict[str, list[Any]] = ROWS, **settings: Any) -> Any:
    table = put_table(folder, rows, settings.pop("names", NAMES))
    return freesurfer_cohort(
        put_people(folder),
        table=table,
        **{"covariates": ["sex"], "most_missing_volumes": 0.5} | settings,
    )


def faults(exclusions: list[Any]) -> dict[str, str]:
    assert len({each.participant_id for each in exclusions}) == len(exclusions)
    return {each.participant_id: str(each.fault) for each in exclusions}


def test_rows_follow_the_participants_and_columns_are_named(tmp_path: Path) -> None:
    cohort, exclusions = of_table(tmp_path)
    assert not exclusions
    assert cohort.participants["participant_id"].to_list() == list(PEOPLE)
    assert cohort.participants["diagnosis_sex"].to_list() == [
        "patient male",
        "control female",
        "patient female",
        "control male",
    ]
    assert cohort.class_columns == ["diagnosis", "sex", "diagnosis_sex"]
    assert cohort.description["Features"] == ["Left-Thalamus", "Right-Thalamus", "CSF", ETIV]
    assert cohort.description["DroppedFeatures"] == {"5th-Ventricle": "the same in all"}
    expected = np.array([ROWS[who] for who in PEOPLE])[:, [0, 1, 2, 4]]
    assert cohort.array.dtype == np.float32
    np.testing.assert_allclose(cohort.array, expected, rtol=1e-7)


def test_a_folder_and_the_table_of_it_give_the_same_cohort(tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    rows = {}
    for scale, who in enumerate(PEOPLE, start=1):
        put_subject(subjects, who, float(scale))
        rows[who] = [volume * scale for _, _, volume in STRUCTURES] + [1554002.5 * scale]
    put_subject(subjects, "bert")
    (subjects / "fsaverage" / "label").mkdir(parents=True)
    people = put_people(tmp_path)
    cohort, exclusions = freesurfer_cohort(people, folder=subjects, covariates=["sex"])
    table = put_table(tmp_path, rows, [*(name for _, name, _ in STRUCTURES), ETIV])
    same, _ = freesurfer_cohort(people, table=table, covariates=["sex"])
    np.testing.assert_array_equal(cohort.array, same.array)
    assert cohort.description == same.description
    assert list(faults(exclusions)) == ["bert"]


def test_who_has_no_row_or_no_entry_is_left_out_once_with_the_reason(tmp_path: Path) -> None:
    rows = {who: cells for who, cells in ROWS.items() if who != "KKI_4"} | {"stranger": ROWS["003"]}
    cohort, exclusions = of_table(tmp_path, rows, covariates=["age", "sex"])
    assert cohort.participants["participant_id"].to_list() == ["Caltech_0051456", "sub-02"]
    said = faults(exclusions)
    assert set(said) == {"003", "KKI_4", "stranger"}
    assert "participants.tsv: age of 003: found nothing" in said["003"]
    assert "aseg.tsv: KKI_4: found no such row" in said["KKI_4"]
    assert "not in participants.tsv" in said["stranger"]


@pytest.mark.parametrize("cell", ["-1", "inf", "12O0"])
def test_who_has_a_volume_that_cannot_be_is_left_out(tmp_path: Path, cell: str) -> None:
    cohort, exclusions = of_table(tmp_path, ROWS | {"003": [7300, cell, 1300, 0, 1600000]})
    assert len(cohort.participants) == 3
    said = faults(exclusions)
    assert "aseg.tsv: 003, Right-Thalamus: found " in said["003"]


@pytest.mark.parametrize(("cell", "found"), [("n/a", f"no {ETIV}"), ("0", "0, expected a volume")])
def test_who_has_no_head_size_is_left_out(tmp_path: Path, cell: str, found: str) -> None:
    cohort, exclusions = of_table(tmp_path, ROWS | {"003": [7300, 7050, 1300, 0, cell]})
    assert len(cohort.participants) == 3
    assert found in faults(exclusions)["003"]


def test_a_volume_that_somebody_lacks_is_dropped_for_all_and_named(tmp_path: Path) -> None:
    cohort, exclusions = of_table(tmp_path, ROWS | {"003": [7300, "n/a", 1300, 5, 1600000]})
    assert not exclusions
    assert cohort.description["Features"] == ["Left-Thalamus", "CSF", "5th-Ventricle", ETIV]
    assert cohort.description["DroppedFeatures"] == {
        "Right-Thalamus": "missing in 1, the first 003"
    }


def test_head_size_stays_even_where_all_heads_are_alike(tmp_path: Path) -> None:
    cohort, _ = of_table(tmp_path, {who: [*cells[:4], 1.5e6] for who, cells in ROWS.items()})
    assert cohort.description["Features"][-1] == ETIV


def test_who_lacks_too_many_volumes_costs_nobody_else_a_volume(tmp_path: Path) -> None:
    rows = ROWS | {"003": [7300, "n/a", "n/a", "n/a", 1600000]}
    cohort, exclusions = of_table(tmp_path, rows)
    assert list(cohort.description["DroppedFeatures"]) == ["5th-Ventricle"]
    said = faults(exclusions)
    assert "003: found no Right-Thalamus, CSF, 5th-Ventricle, expected at most 2" in said["003"]


def test_a_file_cut_short_missing_or_negative_leaves_its_participant_out(tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    put_subject(subjects, "sub-02", 1.0)
    path = put_subject(subjects, "003", 1.1)
    path.write_text(path.read_text()[:-300])
    negative = [(4, "Left-Lateral-Ventricle", -7.0), *STRUCTURES[1:]]
    put_subject(subjects, "KKI_4", structures=negative)
    people = put_people(tmp_path, PEOPLE | {"05": ("patient", "30", "M")})
    put_subject(subjects, "05", 1.2)
    cohort, exclusions = freesurfer_cohort(people, folder=subjects, covariates=["sex"])
    assert cohort.participants["participant_id"].to_list() == ["sub-02", "05"]
    said = faults(exclusions)
    assert said["Caltech_0051456"].startswith(
        f"{subjects}/Caltech_0051456/stats/aseg.stats: file: found no such file"
    )
    assert "cut short" in said["003"]
    assert "Left-Lateral-Ventricle: found -7.0" in said["KKI_4"]


def test_structures_that_another_version_names_otherwise_are_named(tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    for scale, who in enumerate(PEOPLE, start=10):
        put_subject(subjects, who, scale / 10)
    older = [(10, "Left-Thalamus-Proper", 8000.0), *STRUCTURES[:1], *STRUCTURES[2:]]
    aseg_stats_file(subjects, "003").unlink()
    aseg_stats_file(subjects, "003").parent.rmdir()
    put_subject(subjects, "003", structures=older)
    cohort, exclusions = freesurfer_cohort(
        put_people(tmp_path), folder=subjects, covariates=["sex"], most_missing_volumes=0.2
    )
    assert not exclusions
    assert cohort.description["DroppedFeatures"] == {
        "Left-Thalamus-Proper": "in 1 of 4 participants only",
        "Left-Thalamus": "missing in 1, the first 003",
        "5th-Ventricle": "the same in all",
    }


def test_the_cohort_reads_back_as_it_was_written(tmp_path: Path) -> None:
    cohort, _ = of_table(tmp_path)
    assert isinstance(cohort, Cohort)
    paths = (tmp_path / "p.tsv", tmp_path / "a.npy", tmp_path / "d.json")
    write_cohort(cohort, *paths)
    back = read_cohort(*paths)
    np.testing.assert_array_equal(back.array, cohort.array)
    assert back.participants.equals(cohort.participants)
    assert back.description == cohort.description


def test_a_cohort_without_participants_or_volumes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"none of 4 .*Caltech_0051456.*; but of 1 others"):
        of_table(tmp_path, {"sub-KKI4": ROWS["003"]})
    same = {who: [1.0, 2.0, 3.0, 0.0, 1e6] for who in PEOPLE}
    with pytest.raises(BadInputError, match="volumes: found Left-Thalamus: the same in all"):
        of_table(tmp_path, same)
    with pytest.raises(BadInputError, match="folder: found no such folder"):
        freesurfer_cohort(put_people(tmp_path), folder=tmp_path / "nowhere")


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    people, table = put_people(tmp_path), put_table(tmp_path, ROWS)
    with pytest.raises(BadInputError, match="folder, table: found neither"):
        freesurfer_cohort(people)
    with pytest.raises(BadInputError, match="folder, table: found both"):
        freesurfer_cohort(people, folder=tmp_path, table=table)
    with pytest.raises(BadInputError, match="most_missing_volumes: found 10"):
        freesurfer_cohort(people, table=table, most_missing_volumes=10)
    with pytest.raises(BadInputError, match=r"participants\.tsv: columns: .*missing: IQ"):
        freesurfer_cohort(people, table=table, covariates=["age", "IQ"])


def test_a_name_that_leads_out_of_the_folder_is_nobody_in_it(tmp_path: Path) -> None:
    put_subject(tmp_path, "sub-02")
    put_subject(tmp_path / "subjects", "sub-02", 1.1)
    put_subject(tmp_path / "subjects", "003", 1.2)
    odd = ["../sub-02", "..", "x" * 300]
    people = put_people(tmp_path, PEOPLE | {who: ("patient", "30", "M") for who in odd})
    cohort, exclusions = freesurfer_cohort(people, folder=tmp_path / "subjects", covariates=["sex"])
    assert cohort.participants["participant_id"].to_list() == ["sub-02", "003"]
    assert all("expected letters, digits" in faults(exclusions)[who] for who in odd[:2])
    assert "no such file" in faults(exclusions)[odd[2]]


def test_a_folder_of_a_stranger_can_be_told_in_a_table_whatever_its_name(tmp_path: Path) -> None:
    for scale, who in enumerate([*PEOPLE, "tab\there"], start=1):
        put_subject(tmp_path / "subjects", who, float(scale))
    _, exclusions = freesurfer_cohort(
        put_people(tmp_path), folder=tmp_path / "subjects", covariates=["sex"]
    )
    assert list(faults(exclusions)) == [r"tab\there"]
    write_exclusions(tmp_path / "excluded.tsv", exclusion_table(exclusions))


def test_where_all_volumes_are_at_fault_the_first_fault_is_told(tmp_path: Path) -> None:
    for who in PEOPLE:
        path = put_subject(tmp_path / "subjects", who)
        path.write_text(path.read_text()[:-300])
    with pytest.raises(BadInputError, match=r"none of 4 .*Caltech_0051456 \(rows: "):
        freesurfer_cohort(put_people(tmp_path), folder=tmp_path / "subjects", covariates=["sex"])
    rows = {who: [*cells[:4], "n/a"] for who, cells in ROWS.items()}
    with pytest.raises(BadInputError, match=rf"none of 4 .*\(Caltech_0051456: no {ETIV}\)"):
        of_table(tmp_path, rows)


def test_settings_lead_to_the_same_cohort_with_who_was_left_out(tmp_path: Path) -> None:
    rows = {who: cells for who, cells in ROWS.items() if who != "KKI_4"} | {"stranger": ROWS["003"]}
    cohort, exclusions = of_table(tmp_path, rows)
    settings = {
        "participants": str(tmp_path / "participants.tsv"),
        "folder": None,
        "table": str(tmp_path / "aseg.tsv"),
        "diagnosis_column": "diagnosis",
        "head_size": "regress",
        "covariates": ["sex"],
        "categorical": [],
    }
    loaded = load(settings)
    np.testing.assert_array_equal(loaded.array, cohort.array)
    assert loaded.participants.equals(cohort.participants)
    excluded = loaded.description.pop("Excluded")
    assert loaded.description == cohort.description
    assert [each["participant_id"] for each in excluded] == ["KKI_4", "stranger"]
    assert all(list(each) == list(EXCLUSION_COLUMNS) for each in excluded)
    assert [each["remedy"] for each in excluded] == [each.fault.remedy for each in exclusions]
    assert raw_files(settings) == [tmp_path / "participants.tsv", tmp_path / "aseg.tsv"]


def test_a_cohort_that_was_moved_has_the_same_description(tmp_path: Path) -> None:
    subjects = tmp_path / "here" / "subjects"
    for scale, who in enumerate(["Caltech_0051456", "sub-02", "003", "bert"], start=1):
        put_subject(subjects, who, float(scale))
    put_subject(subjects, "6", structures=STRUCTURES[:2])
    people = put_people(
        tmp_path / "here", PEOPLE | {"5": ("n/a", "30", "M"), "6": PEOPLE["sub-02"]}
    )
    before = load({"participants": people, "folder": subjects, "covariates": ["age"]})
    (tmp_path / "here").rename(tmp_path / "there")
    there = tmp_path / "there"
    after = load(
        {
            "participants": there / "participants.tsv",
            "folder": there / "subjects",
            "covariates": ["age"],
        }
    )
    assert before.description == after.description
    assert {each["participant_id"]: each["where"] for each in after.description["Excluded"]} == {
        "5": "participants.tsv",
        "003": "participants.tsv",
        "KKI_4": "KKI_4/stats/aseg.stats",
        "6": "6/stats/aseg.stats",
        "bert": "bert/stats/aseg.stats",
    }


def test_raw_files_are_the_table_of_participants_and_every_aseg_stats(tmp_path: Path) -> None:
    subjects = tmp_path / "subjects"
    written = sorted(put_subject(subjects, who) for who in [*PEOPLE, "bert"])
    (subjects / "fsaverage" / "label").mkdir(parents=True)
    settings = {"participants": put_people(tmp_path), "folder": subjects}
    assert raw_files(settings) == [tmp_path / "participants.tsv", *written]
    with pytest.raises(BadInputError, match=r"folder: found nobody's stats/aseg\.stats"):
        raw_files({**settings, "folder": subjects / "fsaverage"})


def test_what_says_what_columns_hold_is_a_raw_file_where_it_is_there(tmp_path: Path) -> None:
    put_subject(tmp_path / "subjects", "sub-02")
    settings = {"participants": put_people(tmp_path), "folder": tmp_path / "subjects"}
    without, sidecar = raw_files(settings), tmp_path / "participants.json"
    sidecar.write_text('{"age": {"Description": "Years"}}')
    assert raw_files(settings) == [*without, sidecar]
    assert places(raw_files(settings)) == places(without)


@pytest.mark.parametrize("source", ["folder", "table"])
def test_the_places_of_raw_files_are_those_of_the_settings(tmp_path: Path, source: str) -> None:
    put_subject(tmp_path / "subjects", "sub-02")
    where = {"folder": tmp_path / "subjects", "table": put_table(tmp_path, ROWS)}[source]
    settings = {"participants": str(put_people(tmp_path)), source: str(where)}
    assert places(raw_files(settings)) == settings


@pytest.mark.parametrize("function", [raw_files, load])
def test_settings_of_the_cohort_are_checked_before_files(
    function: Callable[[dict[str, Any]], object],
) -> None:
    sound = {"participants": "p.tsv", "table": "aseg.tsv"}
    with pytest.raises(BadInputError, match=r"freesurfer: tabel: found unknown, expected .*table"):
        function({"participants": "p.tsv", "tabel": "aseg.tsv"})
    with pytest.raises(BadInputError, match="freesurfer: folder, table: found both"):
        function({**sound, "folder": "subjects"})
    with pytest.raises(BadInputError, match="freesurfer: folder, table: found neither"):
        function({"participants": "p.tsv", "folder": None, "table": None})
    with pytest.raises(BadInputError, match="freesurfer: participants: found nothing"):
        function({**sound, "participants": None})
