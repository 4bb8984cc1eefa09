"""Simulated volumes: laid out as FreeSurfer does, read as those of scans are, true to the truth."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurospect.arrays.head_size import ETIV
from neurospect.cohorts.aseg_stats import read_aseg_stats
from neurospect.cohorts.freesurfer import aseg_stats_file, freesurfer_cohort
from neurospect.cohorts.simulated_freesurfer import (
    load,
    raw_files,
    simulate_freesurfer,
    simulated_freesurfer_files,
)
from neurospect.cohorts.simulated_volumes import STRUCTURES
from neurospect.errors import BadInputError

PARTICIPANTS = 480


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated-freesurfer")
    simulate_freesurfer(folder, participants=PARTICIPANTS, seed=1)
    return folder


@pytest.fixture(scope="module")
def people(simulated: Path) -> pd.DataFrame:
    return pd.read_csv(simulated / "participants.tsv", sep="\t")


@pytest.fixture(scope="module")
def volumes(simulated: Path, people: pd.DataFrame) -> pd.DataFrame:
    rows = [read_aseg_stats(aseg_stats_file(simulated, who)) for who in people["participant_id"]]
    return pd.DataFrame(rows).reset_index(drop=True)


@pytest.fixture(scope="module")
def truth(simulated: Path) -> dict:
    return json.loads((simulated / "truth" / "truth.json").read_text(encoding="utf-8"))


def test_the_files_are_those_that_were_foretold(simulated):
    written = {path for path in simulated.rglob("*") if path.is_file()}
    assert written == set(simulated_freesurfer_files(simulated, PARTICIPANTS))


def test_the_reader_of_real_volumes_leaves_nobody_out(simulated):
    cohort, exclusions = freesurfer_cohort(simulated / "participants.tsv", folder=simulated)
    assert not exclusions
    assert len(cohort.participants) == PARTICIPANTS
    assert {"Left-Hippocampus", "CC_Central", "lhCortexVol", ETIV} <= set(
        cohort.description["Features"]
    )
    made = load({"folder": simulated, "participants": PARTICIPANTS, "covariates": ["age"]})
    assert made.array.tobytes() == cohort.array.tobytes()
    assert "nobody was scanned" in made.description["Name"]


def test_rows_have_the_ten_columns_of_freesurfer(simulated):
    text = aseg_stats_file(simulated, "sub-0001").read_text(encoding="utf-8")
    header = [line[2:].split() for line in text.splitlines() if line.startswith("#")]
    names = next(cells[1:] for cells in header if cells[:1] == ["ColHeaders"])
    said = [cells[3] for cells in header if cells[:1] == ["TableCol"] and cells[2] == "ColHeader"]
    assert names == said
    rows = pd.read_csv(
        aseg_stats_file(simulated, "sub-0001"), sep=r"\s+", comment="#", names=names, header=None
    )
    assert len(rows) == 45
    assert rows["SegId"].is_monotonic_increasing
    assert np.allclose(rows["NVoxels"], rows["Volume_mm3"], atol=0.5)
    assert np.allclose(rows["normRange"], rows["normMax"] - rows["normMin"])
    assert (rows.query("NVoxels > 0")["normMean"] > 20).all()


def test_the_sums_of_the_header_are_sums_of_the_structures(volumes):
    def total(*names):
        return sum(volumes[f"{side}-{name}"] for side in ("Left", "Right") for name in names)

    assert np.allclose(volumes["CortexVol"], volumes["lhCortexVol"] + volumes["rhCortexVol"])
    grey = volumes["CortexVol"] + volumes["SubCortGrayVol"] + total("Cerebellum-Cortex")
    assert np.allclose(volumes["TotalGrayVol"], grey)
    assert np.allclose(
        volumes["BrainSegVol"] - volumes["SupraTentorialVol"],
        total("Cerebellum-Cortex", "Cerebellum-White-Matter")
        + volumes["Brain-Stem"]
        + volumes["4th-Ventricle"],
    )
    assert (volumes["BrainSegVol"] < volumes[ETIV]).all()


def test_volumes_depend_on_what_the_truth_says(people, volumes, truth):
    """An ordinary regression of the logarithms gives the truth back, within its own error."""
    design = np.column_stack(
        [
            np.ones(len(people)),
            people["diagnosis"] == "patient",
            np.log(volumes[ETIV] / truth["HeadReference"]),
            (people["age"] - truth["MiddleAge"]) / 10,
            people["site"] == "south",
            people["sex"] == "male",
        ]
    ).astype(float)
    spread = np.linalg.inv(design.T @ design)
    z_scores = []
    for each in STRUCTURES:
        said = truth["Structures"][each.name]
        if each.name not in volumes or each.volume < 40:
            continue
        found, residual, *_ = np.linalg.lstsq(design, np.log(volumes[each.name]), rcond=None)
        error = np.sqrt(residual[0] / (len(design) - design.shape[1]) * np.diag(spread))
        sites = said["Sites"]
        expected = [
            np.log(said["MedianVolume"]) + sites["north"],
            said["DifferenceOfPatients"] * said["Spread"],
            said["GrowthWithHead"],
            said["ChangePerDecade"],
            sites["south"] - sites["north"],
            0.0,
        ]
        z_scores.append((found - expected) / error)
    z_scores = np.array(z_scores)
    assert len(z_scores) > 30
    assert np.abs(z_scores).max() < 4.5
    assert 0.8 < np.sqrt(np.mean(z_scores**2)) < 1.2


def test_patients_have_the_smaller_hippocampus_and_men_the_larger_head(people, volumes, truth):
    patients, men = people["diagnosis"] == "patient", people["sex"] == "male"
    hippocampus = np.log(volumes["Left-Hippocampus"] / volumes[ETIV] ** 0.8)
    assert hippocampus[patients].mean() < hippocampus[~patients].mean()
    assert truth["Structures"]["Left-Hippocampus"]["DifferenceOfPatients"] == -0.46
    ratio = volumes[ETIV][men].median() / volumes[ETIV][~men].median()
    head = truth["Head"]["MedianVolume"]
    assert ratio == pytest.approx(head["male"] / head["female"], rel=0.03)


def test_diagnosis_sex_and_site_are_crossed(people):
    assert people.groupby(["diagnosis", "sex", "site"]).size().to_list() == [PARTICIPANTS // 8] * 8


def test_a_participant_is_the_same_whatever_the_number_of_others(simulated, tmp_path):
    simulate_freesurfer(tmp_path, participants=16, seed=1)
    for path in raw_files({"folder": tmp_path, "participants": 16})[1:-1]:
        assert path.read_bytes() == (simulated / path.relative_to(tmp_path)).read_bytes()


def test_another_seed_gives_other_volumes(simulated, tmp_path):
    simulate_freesurfer(tmp_path, participants=16, seed=2)
    path = aseg_stats_file("", "sub-0003")
    assert (tmp_path / path).read_bytes() != (simulated / path).read_bytes()


@pytest.mark.parametrize("participants", [15, 10_000])
def test_too_few_and_too_many_participants_are_refused(participants, tmp_path):
    with pytest.raises(BadInputError, match="participants"):
        simulate_freesurfer(tmp_path, participants=participants, seed=0)
    assert not list(tmp_path.iterdir())
