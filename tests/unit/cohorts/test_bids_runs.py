"""Runs of BIDS derivatives are found by their names; who has none, or several, is named."""

import os
from pathlib import Path

import pytest
from bids_trees import SPACE, put, put_run
from hypothesis import given
from hypothesis import strategies as st

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run
from neurospect.cohorts.bids_names import bids_file
from neurospect.cohorts.bids_runs import find_bids_runs
from neurospect.errors import BadInputError

BOLD = f"sub-01_task-rest_space-{SPACE}_res-2_desc-preproc_bold"


def only_run(folder: Path, **asked: str) -> Run:
    found = find_bids_runs(folder, **asked)
    assert not found.exclusions
    (run,) = found.runs
    return run


def only_exclusion(folder: Path, **asked: str) -> Exclusion:
    found = find_bids_runs(folder, **asked)
    assert not found.runs
    (exclusion,) = found.exclusions
    assert exclusion.stage == "runs"
    return exclusion


# Names


def test_a_name_is_taken_apart_whatever_the_order_of_its_entities() -> None:
    one = bids_file(Path("sub-01_ses-a_task-rest_run-02_desc-preproc_bold.nii.gz"))
    other = bids_file(Path("task-rest_desc-preproc_sub-01_run-02_ses-a_bold.nii.gz"))
    assert one is not None
    assert other is not None
    assert one.entities == other.entities
    assert one.entities["run"] == "02"
    assert (one.suffix, one.extension) == ("bold", ".nii.gz")


LABELS = st.text("abyzAZ019", min_size=1, max_size=6)


@given(st.dictionaries(LABELS, LABELS, min_size=1, max_size=6), LABELS)
def test_a_name_put_together_from_entities_gives_them_back(
    entities: dict[str, str], suffix: str
) -> None:
    stem = "_".join([*(f"{key}-{value}" for key, value in entities.items()), suffix])
    file = bids_file(Path(f"{stem}.tsv"))
    assert file is not None
    assert (file.entities, file.suffix, file.extension) == (entities, suffix, ".tsv")


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_sub-02_bold.nii.gz",
        "sub-01_rest_bold.nii.gz",
        "sub-01_task-_bold.nii.gz",
        "sub-01_task-re-st_bold.nii.gz",
        "sub-01_task-rest_.nii.gz",
        "sub-01__bold.nii.gz",
        ".nii.gz",
    ],
)
def test_a_name_that_does_not_follow_bids_is_none(name: str) -> None:
    assert bids_file(Path(name)) is None


# Runs


def test_a_run_is_found_with_mask_confounds_and_sidecar(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    assert only_run(tmp_path) == Run(
        "sub-01",
        func / f"{BOLD}.nii.gz",
        func / f"sub-01_task-rest_space-{SPACE}_res-2_desc-brain_mask.nii.gz",
        func / "sub-01_task-rest_desc-confounds_timeseries.tsv",
        None,
        func / f"{BOLD}.json",
    )


def test_a_run_of_a_session_has_the_files_of_that_session(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01", session="before")
    run = only_run(tmp_path)
    assert run.session == "before"
    files = [run.image, run.mask, run.confounds, run.sidecar]
    assert all(each is not None and each.parent == func for each in files)


def test_order_of_entities_and_compression_do_not_matter(tmp_path: Path) -> None:
    put(
        tmp_path / "sub-01" / "func",
        "sub-01_desc-preproc_space-MNI_task-rest_bold.nii",
        "sub-01_task-rest_space-MNI_desc-brain_mask.nii",
    )
    run = only_run(tmp_path)
    assert run.image.name == "sub-01_desc-preproc_space-MNI_task-rest_bold.nii"
    assert run.mask.name == "sub-01_task-rest_space-MNI_desc-brain_mask.nii"
    assert (run.confounds, run.sidecar) == (None, None)


def test_a_mask_without_res_serves_where_there_is_none_with_it(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    coarse = f"sub-01_task-rest_space-{SPACE}_desc-brain_mask.nii.gz"
    put(func, coarse)
    assert only_run(tmp_path).mask.name == f"{BOLD.replace('preproc_bold', 'brain_mask')}.nii.gz"
    only_run(tmp_path).mask.unlink()
    assert only_run(tmp_path).mask.name == coarse


def test_confounds_of_older_fmriprep_serve_where_there_are_no_newer_ones(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    older = "sub-01_task-rest_desc-confounds_regressors.tsv"
    put(func, older)
    newer = only_run(tmp_path).confounds
    assert newer is not None
    assert newer.name.endswith("timeseries.tsv")
    newer.unlink()
    assert only_run(tmp_path).confounds == func / older


def test_confounds_and_masks_of_another_run_do_not_serve(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01", "task-rest_run-1")
    for name in ("confounds_timeseries.tsv", "confounds_timeseries.json"):
        (func / f"sub-01_task-rest_run-1_desc-{name}").unlink()
    put(func, "sub-01_task-rest_run-2_desc-confounds_timeseries.tsv")
    run = only_run(tmp_path)
    assert run.confounds is None
    run.mask.rename(str(run.mask).replace("run-1", "run-2"))
    assert only_exclusion(tmp_path).fault.field == "mask"


def test_task_space_session_run_and_description_choose(tmp_path: Path) -> None:
    spaces = (f"space-{SPACE}_res-2", "space-T1w")
    for session in ("1", "2"):
        for entities in ("task-rest_run-1", "task-rest_run-2", "task-nback_run-1"):
            func = put_run(tmp_path, "sub-01", entities, spaces=spaces, session=session)
    start = "sub-01_ses-2_task-nback_run-1_space-T1w"
    put(func, f"{start}_desc-smoothed_bold.nii.gz")
    asked = {"task": "nback", "space": "T1w", "session": "2", "description": "smoothed"}
    run = only_run(tmp_path, **asked)
    assert run.image.name == f"{start}_desc-smoothed_bold.nii.gz"
    assert run.mask.name == f"{start}_desc-brain_mask.nii.gz"
    assert run.confounds == func / "sub-01_ses-2_task-nback_run-1_desc-confounds_timeseries.tsv"
    run = only_run(tmp_path, space=SPACE, session="1", run="2")
    assert run.image.name.startswith("sub-01_ses-1_task-rest_run-2_space-MNI")


@pytest.mark.parametrize(
    ("runs", "settings"),
    [
        ([{"session": "1"}, {"session": "2"}], "session"),
        ([{"entities": "task-rest_run-1"}, {"entities": "task-rest_run-2"}], "run"),
        ([{"spaces": ("space-MNI", "space-T1w")}], "space"),
        ([{}, {"session": "1", "spaces": ("space-T1w",)}], "space and session"),
    ],
)
def test_of_two_runs_neither_is_taken_and_the_setting_that_tells_them_apart_is_named(
    tmp_path: Path, runs: list[dict[str, str]], settings: str
) -> None:
    for run in runs:
        put_run(tmp_path, "sub-01", **run)
    fault = only_exclusion(tmp_path).fault
    assert fault.where == str(tmp_path / "sub-01")
    assert str(fault.found).count("_bold.nii.gz") == 2
    assert f"Set {settings} in the settings" in fault.remedy


def test_two_runs_that_no_setting_tells_apart_are_named(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    put(func, f"{BOLD}.nii")
    fault = only_exclusion(tmp_path).fault
    assert fault.found == f"func/{BOLD}.nii, func/{BOLD}.nii.gz"
    assert "differ in nothing" in fault.remedy
    (func / f"{BOLD}.nii").unlink()
    put(func, BOLD.replace("res-2", "res-1") + ".nii.gz")
    assert "differ in res" in only_exclusion(tmp_path).fault.remedy


def test_a_participant_without_the_run_is_told_what_there_is_instead(tmp_path: Path) -> None:
    put_run(tmp_path, "sub-01", "task-Rest")
    exclusion = only_exclusion(tmp_path)
    assert exclusion.participant_id == "sub-01"
    assert exclusion.fault.found == f"func/{BOLD.replace('rest', 'Rest')}.nii.gz"
    assert "sub-01_task-rest_desc-preproc" in exclusion.fault.expected


@pytest.mark.parametrize("name", ["sub-01/func", "sub-01/ses-1", "sub-01/anat"])
def test_a_participant_without_any_run_is_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert only_exclusion(tmp_path).fault.found == "no file *_bold.nii.gz in func"


def test_a_run_of_somebody_else_in_the_folder_is_not_taken(tmp_path: Path) -> None:
    put_run(tmp_path, "sub-02").parent.rename(tmp_path / "sub-01")
    assert "sub-02_task-rest" in str(only_exclusion(tmp_path).fault.found)


def test_a_run_without_mask_is_left_out_and_the_mask_named(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    only_run(tmp_path).mask.unlink()
    fault = only_exclusion(tmp_path).fault
    assert (fault.where, fault.field) == (str(func / f"{BOLD}.nii.gz"), "mask")
    assert fault.expected == f"sub-01_task-rest_space-{SPACE}_res-2_desc-brain_mask.nii.gz"


def test_the_mask_of_another_session_does_not_serve(tmp_path: Path) -> None:
    for session in ("1", "2"):
        put_run(tmp_path, "sub-01", session=session)
    only_run(tmp_path, session="1").mask.unlink()
    fault = only_exclusion(tmp_path, session="1").fault
    assert fault.found == "no file *_mask.nii.gz beside it"


def test_links_are_followed_and_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    func = put_run(tmp_path / "elsewhere", "sub-01")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "sub-01").symlink_to(func.parent)
    assert only_run(tmp_path / "cohort").image == tmp_path / f"cohort/sub-01/func/{BOLD}.nii.gz"
    for name in (f"{BOLD}.nii.gz", "sub-01_task-rest_desc-confounds_timeseries.tsv"):
        (func / name).unlink()
        (func / name).symlink_to("../.git/annex/objects/absent")
        fault = only_exclusion(tmp_path / "cohort").fault
        assert fault.where == str(tmp_path / "cohort" / "sub-01" / "func" / name)
        assert fault.found == "a link to nothing"
        (func / name).unlink()
        put(func, name)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every folder")
def test_a_folder_that_may_not_be_read_leaves_out_its_participant_alone(tmp_path: Path) -> None:
    func = put_run(tmp_path, "sub-01")
    put_run(tmp_path, "sub-02")
    func.chmod(0)
    found = find_bids_runs(tmp_path)
    func.chmod(0o700)
    assert [run.participant_id for run in found.runs] == ["sub-02"]
    (exclusion,) = found.exclusions
    assert exclusion.participant_id == "sub-01"
    assert (exclusion.fault.where, exclusion.fault.found) == (str(func), "Permission denied")


# Participants


def test_table_and_folders_are_compared_both_ways(tmp_path: Path) -> None:
    for participant in ("sub-03", "sub-01", "sub-04"):
        put_run(tmp_path, participant)
    put(tmp_path, "sub-05.html", "dataset_description.json", "logs/sub-06.log")
    found = find_bids_runs(tmp_path, participants=["sub-03", "sub-02", "sub-01"])
    assert [run.participant_id for run in found.runs] == ["sub-03", "sub-01"]
    absent, stranger = found.exclusions
    assert (absent.participant_id, absent.fault.where) == ("sub-02", str(tmp_path / "sub-02"))
    assert absent.fault.found == "no such folder"
    assert (stranger.participant_id, stranger.fault.where) == ("sub-04", str(tmp_path / "sub-04"))
    assert "not in participants.tsv" in str(stranger.fault.found)


def test_without_a_table_every_folder_is_a_participant_in_the_order_of_names(
    tmp_path: Path,
) -> None:
    for participant in ("sub-B", "sub-10", "sub-a"):
        put_run(tmp_path, participant)
    found = find_bids_runs(tmp_path)
    assert [run.participant_id for run in found.runs] == ["sub-10", "sub-B", "sub-a"]


@pytest.mark.parametrize("name", ["sub-a;rm -rf", "sub-", "sub-a_b", "sub-a\tb\n"])
def test_a_folder_whose_label_is_not_bids_is_left_out_by_name(tmp_path: Path, name: str) -> None:
    put_run(tmp_path, "sub-01")
    (tmp_path / name).mkdir()
    found = find_bids_runs(tmp_path)
    assert [run.participant_id for run in found.runs] == ["sub-01"]
    (exclusion,) = found.exclusions
    assert exclusion.fault.found == repr(name)
    # it can be written into a table
    assert not set("\t\n") & set(exclusion.participant_id + exclusion.fault.where)


def test_a_participant_whose_label_is_not_bids_is_refused_before_the_folder_is_searched(
    tmp_path: Path,
) -> None:
    put_run(tmp_path, "sub-01")
    for name in ("sub-a;rm -rf", "sub-../sub-01", "01", ""):
        with pytest.raises(BadInputError, match=r"participant_id: found .* letters and digits"):
            find_bids_runs(tmp_path, participants=["sub-01", name])


def test_a_folder_that_is_missing_or_holds_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nowhere: folder: found no such folder"):
        find_bids_runs(tmp_path / "nowhere")
    put_run(tmp_path / "derivatives" / "fmriprep", "sub-01")
    with pytest.raises(BadInputError, match=r"no folder .* starts with sub-.*derivatives/fmriprep"):
        find_bids_runs(tmp_path)
