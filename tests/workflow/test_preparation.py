"""From folders of images to arrays, figures and a list of who was left out; nobody is lost."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from checkout import Checkout, copy_repository

CONFIG = "tests/workflow/preparation.yaml"
REST, HCP = "results/simulated-rest", "results/simulated-hcp"


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = copy_repository(tmp_path_factory.mktemp("preparation") / "clone")
    run = checkout.snakemake(configs=(CONFIG,))
    assert run.returncode == 0, run.stdout
    return checkout


def copy_raw_data(source: Path, folder: Path) -> None:
    """Copy what a cohort's readers see, without what tells that it was simulated."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("truth", "*.record.json"))


def prepare(checkout: Checkout, config: str) -> str:
    """Prepare with a configuration of its own; return what was said."""
    (checkout.root / "own.yaml").write_text(config)
    run = checkout.snakemake(configs=("own.yaml",))
    assert "Traceback" not in run.stdout, run.stdout
    return run.stdout


def test_arrays_and_tables_of_the_runs_belong_together(prepared: Checkout):
    home = prepared.root / REST / "prepared"
    people = table(home / "participants.tsv")
    courses = np.load(home / "time_courses.npy")
    maps = np.load(home / "spatial_maps.npy")
    assert len(people) == len(courses) == len(maps) == 20
    assert courses.shape[1:] == (60, 53)
    np.testing.assert_allclose(courses.std(axis=1), 1, atol=1e-4)
    assert set(people["diagnosis_sex"]) == {
        f"{diagnosis} {sex}" for diagnosis in ("patient", "control") for sex in ("female", "male")
    }
    assert len(table(home / "quality.tsv")) == 20 * 53
    assert table(home / "excluded.tsv").empty


def test_the_time_courses_found_are_those_that_were_put_in(prepared: Checkout):
    home = prepared.root / REST
    people = table(home / "prepared" / "participants.tsv")["participant_id"]
    found = np.load(home / "prepared" / "time_courses.npy")
    for row, participant in enumerate(people):
        true = np.load(home / "source" / "truth" / f"{participant}_time_courses.npy")
        own = [np.corrcoef(a, b)[0, 1] for a, b in zip(found[row].T, true.T, strict=True)]
        assert np.mean(own) > 0.7, participant


def test_every_row_of_the_task_maps_is_z_scored_and_stands_in_the_table(prepared: Checkout):
    home = prepared.root / HCP / "prepared"
    examples, maps = table(home / "examples.tsv"), np.load(home / "task_maps.npy", mmap_mode="r")
    assert len(examples) == len(maps) == 14 * 7
    assert examples["row"].astype(int).tolist() == list(range(14 * 7))
    np.testing.assert_allclose(np.asarray(maps).std(axis=1), 1, atol=1e-5)
    assert (examples["negated"] == "true").sum() == 3
    mask = np.asarray(nibabel.load(home / "mask.nii.gz").dataobj)
    assert mask.sum() == maps.shape[1]


def test_no_family_crosses_the_splits(prepared: Checkout):
    splits = table(prepared.root / HCP / "splits" / "splits.tsv").set_index("participant_id")
    kin = pd.read_csv(prepared.root / HCP / "source" / "restricted.csv", dtype=str)
    for column in ("Mother_ID", "Father_ID", "Family_ID"):
        own = kin[kin[column].notna()]
        crossed = splits.loc[own["Subject"], "split"].groupby(own[column].to_numpy()).nunique()
        assert (crossed == 1).all()


def test_everything_audits_and_nothing_is_stale(prepared: Checkout):
    audit = prepared.neurospect("audit", "results")
    assert audit.returncode == 0, audit.stdout
    again = prepared.snakemake("--dry-run", configs=(CONFIG,))
    assert "Nothing to be done" in again.stdout


@pytest.fixture(scope="module")
def damaged_cobre(prepared: Checkout) -> Checkout:
    """A folder in COBRE's layout, with one fault of each kind, taken through the workflow."""
    folder = prepared.root / "data" / "cobre"
    copy_raw_data(prepared.root / REST / "source", folder)

    def image(number: int) -> Path:
        (path,) = (folder / f"sub-{number:03d}" / "func").glob("*_bold.nii.gz")
        return path

    path = image(2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    whole = nibabel.load(image(3))
    nibabel.save(whole.slicer[..., 0], image(3))
    values = nibabel.load(image(4)).get_fdata(dtype=np.float32)
    values[tuple(size // 2 for size in values.shape[:3])] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, whole.affine), image(4))
    next(image(5).parent.glob("*_mask.nii.gz")).unlink()
    shutil.copy2(image(6), str(image(6)).replace("_task-", "_run-2_task-"))
    far = nibabel.Nifti1Image(np.asarray(nibabel.load(image(7)).dataobj), whole.affine.copy())
    far.affine[:3, 3] += 500
    nibabel.save(nibabel.Nifti1Image(np.asarray(far.dataobj), far.affine), image(7))
    nibabel.save(nibabel.load(image(8)).slicer[..., :30], image(8))
    shutil.rmtree(folder / "sub-009")
    said = prepare(
        prepared,
        "experiments: []\nprepare: [cobre]\ncohorts: {cobre: {folder: data/cobre}}\n",
    )
    assert "100%" in said
    return prepared


@pytest.mark.parametrize(
    ("participant", "where", "words"),
    [
        ("sub-002", "sub-002_task-rest", "29 whole volumes|ended before"),
        ("sub-003", "sub-003_task-rest", "3-D"),
        ("sub-004", "sub-004_task-rest", "NaN"),
        ("sub-005", "sub-005_task-rest", "_mask.nii.gz"),
        ("sub-006", "sub-006", "run-2"),
        ("sub-007", "sub-007_task-rest", "mm"),
        ("sub-008", "sub-008_task-rest", "30"),
        ("sub-009", "sub-009", "no such folder"),
    ],
)
def test_a_participant_who_cannot_be_used_is_listed_with_file_and_reason(
    damaged_cobre: Checkout, participant: str, where: str, words: str
):
    home = damaged_cobre.root / "results" / "cobre" / "prepared"
    excluded = table(home / "excluded.tsv").set_index("participant_id")
    row = excluded.loc[participant]
    assert where in row["where"]
    assert pd.Series(row["found"] + row["expected"]).str.contains(words).all(), row.to_dict()
    assert row["remedy"]
    assert participant in (home / "participants.html").read_text()


def test_the_other_participants_go_on(damaged_cobre: Checkout):
    home = damaged_cobre.root / "results" / "cobre" / "prepared"
    people = table(home / "participants.tsv")["participant_id"].tolist()
    assert people == ["sub-001", *(f"sub-{number:03d}" for number in range(10, 21))]
    assert len(table(home / "excluded.tsv")) == 8
    assert np.load(home / "time_courses.npy").shape == (12, 60, 53)


@pytest.fixture(scope="module")
def hcp_folder(prepared: Checkout) -> Path:
    """A folder in HCP1200's layout that lacks a task, and holds a map that is cut short."""
    folder = prepared.root / "data" / "hcp"
    copy_raw_data(prepared.root / HCP / "source", folder)
    subjects = sorted(path.name for path in folder.iterdir() if path.name.isdigit())
    results = folder / subjects[0] / "MNINonLinear" / "Results"
    shutil.rmtree(results / "tfMRI_MOTOR")
    path = next((folder / subjects[1]).glob("**/tfMRI_SOCIAL_*/cope*.feat/stats/zstat1.nii.gz"))
    path.write_bytes(path.read_bytes()[:500])
    return folder


def test_task_maps_without_family_data_are_not_split(prepared: Checkout, hcp_folder: Path):
    said = prepare(
        prepared,
        "experiments: []\nprepare: [hcp]\n"
        "cohorts: {hcp: {folder: data/hcp, unrestricted: data/hcp/unrestricted.csv}}\n",
    )
    assert "found no column of mothers, fathers or families" in said
    assert "splits.assume_unrelated" in said


def test_a_missing_task_and_a_broken_map_are_listed(prepared: Checkout, hcp_folder: Path):
    said = prepare(
        prepared,
        "experiments: []\nprepare: [hcp]\n"
        "cohorts: {hcp: {folder: data/hcp, unrestricted: data/hcp/unrestricted.csv, "
        "restricted: data/hcp/restricted.csv}}\n",
    )
    assert "100%" in said
    home = prepared.root / "results" / "hcp" / "prepared"
    excluded = table(home / "excluded.tsv")
    assert sorted(excluded["what"]) == ["task MOTOR", "task SOCIAL"]
    assert excluded["where"].str.contains("tfMRI_MOTOR|zstat1.nii.gz").all()
    assert len(table(home / "examples.tsv")) == 14 * 7 - 2
    assert "task MOTOR" in (home / "participants.html").read_text()


def test_a_thousand_runs_are_forty_jobs(fresh_checkout: Checkout):
    folder = fresh_checkout.root / "data" / "many"
    rows = ["participant_id\tdiagnosis\tsex\tage"]
    for number in range(1000):
        name = f"sub-{number:04d}"
        home = folder / name / "func"
        home.mkdir(parents=True)
        for kind in ("preproc_bold", "brain_mask"):
            (home / f"{name}_task-rest_desc-{kind}.nii.gz").touch()
        rows.append(f"{name}\t{('patient', 'control')[number % 2]}\tfemale\t30")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    (fresh_checkout.root / "many.yaml").write_text(
        "experiments: []\nprepare: [bids]\ncohorts: {bids: {folder: data/many}}\n"
    )
    run = fresh_checkout.snakemake("--dry-run", "--quiet", "rules", configs=("many.yaml",))
    counts = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE))
    assert counts["extract_components"] == "40", run.stdout
    assert int(counts["total"]) < 60
