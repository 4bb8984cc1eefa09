"""ABIDE is read from where nilearn puts it."""

from pathlib import Path

import numpy as np
import pytest
from written_abide import (
    FILES,
    HEADER,
    PEOPLE,
    REGIONS,
    VOLUMES,
    put_abide,
    put_phenotypes,
    put_series,
    series,
)

from neurospect.cohorts.abide import abide_roi_cohort
from neurospect.cohorts.abide_layout import abide_roi_files, abide_runs
from neurospect.cohorts.abide_participants import PHENOTYPES, abide_participants
from neurospect.cohorts.cohort import read_cohort, write_cohort
from neurospect.cohorts.roi_series import read_roi_series
from neurospect.errors import BadInputError


@pytest.fixture
def abide(tmp_path: Path) -> Path:
    """A folder as nilearn leaves it: series of five participants, runs of four."""
    put_abide(tmp_path)
    return tmp_path


def roi_file(folder: Path, name: str) -> Path:
    return folder / "ABIDE_pcp" / "cpac" / "filt_noglobal" / f"{name}_rois_ho.1D"


# Participants


def test_codes_of_the_csv_become_words_and_what_is_unknown_is_missing(abide: Path) -> None:
    table, exclusions = abide_participants(abide)
    assert table["participant_id"].to_list() == [f"sub-{name[-7:]}" for name in FILES]
    assert table["diagnosis_sex"].to_list() == [
        "autism male",
        "control male",
        "autism female",
        "control female",
        "control male",
    ]
    assert table["site"].to_list() == ["PITT", "PITT", "NYU", "NYU", "NYU"]
    assert table["age"].fillna(-1).to_list() == [24.45, 25.12, 8.74, -1, 14.75]
    motion = table["mean_framewise_displacement"]
    assert motion.fillna(-1).to_list() == [0.3220915328, -1, 0.0325, -1, 0.08]
    (exclusion,) = exclusions
    assert (exclusion.participant_id, exclusion.stage) == ("sub-0050002", "participants")
    assert exclusion.fault.where == str(abide / "ABIDE_pcp" / PHENOTYPES)
    assert exclusion.fault.field == "FILE_ID of sub-0050002"


def test_the_folder_abide_pcp_itself_serves_as_well(abide: Path) -> None:
    table, _ = abide_participants(abide / "ABIDE_pcp")
    assert table.equals(abide_participants(abide)[0])


def test_only_the_sites_asked_for_are_read_and_an_unknown_site_is_refused(abide: Path) -> None:
    table, exclusions = abide_participants(abide, sites=["NYU"])
    assert len(table) == 3
    assert not exclusions
    for sites in (["NYU", "Pitt"], []):
        with pytest.raises(BadInputError, match="SITE_ID: found NYU, PITT, expected"):
            abide_participants(abide, sites=sites)


@pytest.mark.parametrize(
    ("column", "entry"), [("DX_GROUP", ""), ("DX_GROUP", "3"), ("SEX", "-9999"), ("SEX", "x")]
)
def test_who_has_no_diagnosis_or_sex_is_left_out(tmp_path: Path, column: str, entry: str) -> None:
    cells = PEOPLE[1].split(",")
    cells[HEADER.split(",").index(column)] = entry
    put_phenotypes(tmp_path, [",".join(cells), *PEOPLE[2:]])
    table, (exclusion,) = abide_participants(tmp_path)
    assert len(table) == 4
    assert exclusion.fault.field == f"{column} of sub-0050003"
    assert exclusion.fault.found == (entry or "nothing")


def test_an_age_that_is_no_number_leaves_the_participant_out(tmp_path: Path) -> None:
    put_phenotypes(tmp_path, [PEOPLE[1].replace("24.45", "old"), *PEOPLE[2:]])
    _, (exclusion,) = abide_participants(tmp_path)
    assert exclusion.fault.field == "AGE_AT_SCAN of sub-0050003"


def test_a_file_name_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    put_phenotypes(tmp_path, [PEOPLE[1].replace("Pitt_", "../../x_"), *PEOPLE[2:]])
    _, (exclusion,) = abide_participants(tmp_path)
    assert exclusion.fault.found == "../../x_0050003"


@pytest.mark.parametrize(
    ("people", "header", "message"),
    [
        ([*PEOPLE, PEOPLE[1]], HEADER, "SUB_ID in row 8: found '50003', a participant once more"),
        ([PEOPLE[1].replace("50003", "x")], HEADER, "SUB_ID in row 2: found 'x', no number"),
        ([PEOPLE[1].replace("PITT", "")], HEADER, "SUB_ID in row 2: .* without a site"),
        ([*PEOPLE, "6,7,50956"], HEADER, "row 8: found 3 cells, expected 20"),
        (PEOPLE, HEADER.replace("DX_GROUP", "DX"), "columns: found 20 columns, and no DX_GROUP"),
        ([], HEADER, "rows: found nobody"),
    ],
)
def test_a_damaged_csv_is_refused_by_row(
    tmp_path: Path, people: list[str], header: str, message: str
) -> None:
    path = put_phenotypes(tmp_path, people, header)
    with pytest.raises(BadInputError, match=message) as caught:
        abide_participants(tmp_path)
    assert caught.value.where == str(path)


def test_a_folder_without_abide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"Phenotypic.*: found no such file here or in ABIDE"):
        abide_participants(tmp_path)


# Runs


def test_runs_are_found_with_their_masks_and_who_has_none_is_named(abide: Path) -> None:
    found = abide_runs(abide)
    home = abide / "ABIDE_pcp" / "cpac" / "filt_noglobal"
    assert [run.participant_id[-5:] for run in found.runs] == ["50003", "50030", "50952", "50954"]
    assert found.runs[0].image == home / "Pitt_0050003_func_preproc.nii.gz"
    assert found.runs[0].mask == home / "Pitt_0050003_func_mask.nii.gz"
    without_file, without_mask = found.exclusions
    assert without_file.participant_id == "sub-0050002"
    assert without_mask.fault.where == str(home / "NYU_0050955_func_mask.nii.gz")


def test_derivatives_that_were_not_fetched_are_refused_with_those_there_are(abide: Path) -> None:
    message = "found cpac/filt_noglobal, expected ccs/nofilt_global"
    with pytest.raises(BadInputError, match=message):
        abide_runs(abide, pipeline="ccs", band_pass=False, global_signal=True)
    with pytest.raises(BadInputError, match="pipeline: found 'css', expected one of cpac, ccs"):
        abide_runs(abide, pipeline="css")  # type: ignore[arg-type]


# Series of regions


def test_a_series_is_read_with_the_labels_of_its_header(tmp_path: Path) -> None:
    values = series(12, 0)
    put_series(tmp_path / "a.1D", values)
    read = read_roi_series(tmp_path / "a.1D")
    assert read.regions == tuple(REGIONS)
    np.testing.assert_allclose(read.values, values, atol=1e-6)
    np.savetxt(tmp_path / "b.1D", values, delimiter="\t")
    assert read_roi_series(tmp_path / "b.1D").regions == ("1", "2", "3", "4")


def test_series_are_z_scored_padded_and_stay_with_their_participants(abide: Path) -> None:
    cohort, exclusions = abide_roi_cohort(abide)
    assert cohort.array.shape == (5, 50, 4)
    assert cohort.array.dtype == np.float32
    assert cohort.participants["length"].to_list() == VOLUMES
    for seed, (volumes, row) in enumerate(zip(VOLUMES, cohort.array, strict=True)):
        values = series(volumes, seed)
        expected = (values - values.mean(axis=0)) / values.std(axis=0)
        np.testing.assert_allclose(row[:volumes], expected, atol=1e-4)
        assert not row[volumes:].any()
    assert [each.participant_id for each in exclusions] == ["sub-0050002"]
    assert cohort.description["Features"] == REGIONS
    assert cohort.description["DroppedFeatures"] == {}
    assert cohort.class_columns == ["diagnosis", "sex", "diagnosis_sex", "site"]


def test_longer_series_are_cut_before_they_are_z_scored(abide: Path) -> None:
    cohort, _ = abide_roi_cohort(abide, length=35)
    assert cohort.array.shape == (5, 35, 4)
    assert cohort.participants["volumes"].to_list() == VOLUMES
    assert cohort.participants["length"].to_list() == [35, 30, 35, 35, 35]
    np.testing.assert_allclose(cohort.array[4].std(axis=0), 1, atol=1e-5)
    kept = series(50, 4)[:35]
    np.testing.assert_allclose(
        cohort.array[4], (kept - kept.mean(axis=0)) / kept.std(axis=0), atol=1e-4
    )


def test_a_region_that_is_bad_in_somebody_is_dropped_for_all_and_named(abide: Path) -> None:
    values = series(40, 2)
    values[:, 1] = 17.25
    put_series(roi_file(abide, "NYU_0050952"), values)
    other = series(40, 3)
    put_series(roi_file(abide, "NYU_0050954"), other[:, [0, 1, 3]], ["2001", "2002", "2102"])
    cohort, exclusions = abide_roi_cohort(abide, most_bad_regions=0.25)
    assert len(exclusions) == 1
    assert cohort.description["Features"] == ["2001", "2102"]
    assert cohort.description["DroppedFeatures"] == {
        "2002": "constant or missing in 1, the first sub-0050952",
        "2101": "constant or missing in 1, the first sub-0050954",
    }
    expected = (other - other.mean(axis=0)) / other.std(axis=0)
    np.testing.assert_allclose(cohort.array[3, :40], expected[:, [0, 3]], atol=1e-4)


def test_a_region_that_is_constant_over_what_is_kept_is_dropped(abide: Path) -> None:
    values = series(40, 2)
    values[:20, 0] = 5
    put_series(roi_file(abide, "NYU_0050952"), values)
    assert "2001" in abide_roi_cohort(abide, most_bad_regions=0.3)[0].description["Features"]
    cohort, _ = abide_roi_cohort(abide, most_bad_regions=0.3, length=20)
    assert list(cohort.description["DroppedFeatures"]) == ["2001"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_who_has_too_many_bad_regions_is_left_out_and_costs_nobody_a_region(
    abide: Path, value: float
) -> None:
    values = series(40, 2)
    values[:, :2] = value
    put_series(roi_file(abide, "NYU_0050952"), values)
    cohort, (_, exclusion) = abide_roi_cohort(abide, most_bad_regions=0.25)
    assert cohort.description["Features"] == REGIONS
    assert len(cohort.participants) == 4
    assert "sub-0050952" not in cohort.participants["participant_id"].to_list()
    assert (exclusion.participant_id, exclusion.stage) == ("sub-0050952", "region series")
    assert exclusion.fault.where == str(roi_file(abide, "NYU_0050952"))
    assert exclusion.fault.found == "2 of 4 constant or missing: 2001, 2002"


def test_a_file_of_another_atlas_costs_nobody_else_a_region(abide: Path) -> None:
    put_series(roi_file(abide, "NYU_0050952"), series(40, 2), ["a", "b", "c", "d"])
    cohort, (_, exclusion) = abide_roi_cohort(abide)
    assert exclusion.participant_id == "sub-0050952"
    assert cohort.description["Features"] == REGIONS
    assert cohort.description["DroppedFeatures"]["a"] == "in 1 of 5 participants only"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "no volumes"),
        ("#1\t#2\n", "no volumes"),
        ("#1\t#2\n" + "1.5\t2.5\n" * 9 + "1.5\n", "number of columns changed"),
        ("#1\t#2\n" + "1.5\tx\n" * 9, "could not convert"),
        ("#1\t#2\t#3\n" + "1.5\t2.5\n" * 9, "3 labels for 2 columns"),
        ("#1\t#1\n" + "1.5\t2.5\n" * 9, "1 labels for 2 columns"),
        ("#1\t#2\n" + "1.5\t2.5\n" * 7, "7 volumes"),
        (b"\x93NUMPY\x01\x00", "decode"),
    ],
)
def test_a_damaged_file_leaves_its_participant_out(
    abide: Path, content: str | bytes, found: str
) -> None:
    path = roi_file(abide, "NYU_0050952")
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    cohort, (_, exclusion) = abide_roi_cohort(abide)
    assert len(cohort.participants) == 4
    assert exclusion.participant_id == "sub-0050952"
    assert exclusion.fault.where == str(path)
    assert found in str(exclusion.fault.found)


def test_a_file_that_is_not_there_leaves_its_participant_out(abide: Path) -> None:
    roi_file(abide, "NYU_0050952").unlink()
    cohort, exclusions = abide_roi_cohort(abide)
    assert len(cohort.participants) == 4
    assert exclusions[1].fault.where == str(roi_file(abide, "NYU_0050952"))
    assert len(abide_roi_files(abide)) == 5
    assert abide_roi_files(abide)[0].name == PHENOTYPES


def test_a_cohort_of_which_nothing_is_left_is_refused(abide: Path) -> None:
    with pytest.raises(BadInputError, match=r"rois_aal: found no file .* of 5 participants"):
        abide_roi_cohort(abide, atlas="aal")
    with pytest.raises(BadInputError, match="atlas: found 'AAL', expected one of aal"):
        abide_roi_cohort(abide, atlas="AAL")  # type: ignore[arg-type]
    for seed, name in enumerate(FILES):
        values = series(40, seed)
        values[:, seed % 4] = 0
        put_series(roi_file(abide, name), values)
    for share, left_out in ((0.0, 5), (0.25, 0)):
        with pytest.raises(BadInputError, match=f"found {left_out} of 5 participants left out"):
            abide_roi_cohort(abide, most_bad_regions=share)


def test_settings_that_make_no_sense_are_refused(abide: Path) -> None:
    with pytest.raises(BadInputError, match="length: found 7, expected at least 8"):
        abide_roi_cohort(abide, length=7)
    with pytest.raises(BadInputError, match="most_bad_regions: found 10, expected a share"):
        abide_roi_cohort(abide, most_bad_regions=10)


def test_the_cohort_reads_back_as_it_was_written(abide: Path, tmp_path: Path) -> None:
    cohort, _ = abide_roi_cohort(abide)
    paths = (tmp_path / "p.tsv", tmp_path / "a.npy", tmp_path / "d.json")
    write_cohort(cohort, *paths)
    back = read_cohort(*paths)
    np.testing.assert_array_equal(back.array, cohort.array)
    assert back.participants.equals(cohort.participants)
