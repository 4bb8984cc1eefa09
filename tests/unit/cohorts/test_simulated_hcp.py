"""The simulated HCP: files known beforehand, families that are alike, regions where it says."""

import json
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import center_of_mass

from neurospect.cohorts.hcp_contrasts import TASK_CONTRASTS
from neurospect.cohorts.hcp_layout import find_task_maps
from neurospect.cohorts.hcp_participants import hcp_participants
from neurospect.cohorts.simulated_families import restricted_table, simulate_families
from neurospect.cohorts.simulated_hcp import (
    simulate_hcp,
    simulated_hcp_files,
    simulated_task_maps,
)
from neurospect.cohorts.simulated_task_maps import (
    REGIONS,
    TaskMapModel,
    brain_grid,
    inherited_amplitudes,
    region_masks,
    smooth_noise,
)
from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components
from neurospect.preprocess.splits import assign_splits, check_splits

PARTICIPANTS = 13


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated-hcp")
    simulate_hcp(folder, participants=PARTICIPANTS, voxel_mm=8.0, seed=3)
    return folder


def volume(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def pairs(families: pd.DataFrame, relation: str) -> np.ndarray:
    """Return all pairs of rows of one relation, shape (2, pairs)."""
    one, two = np.triu_indices(len(families), k=1)
    zygote, mother, father = (
        families[name].to_numpy()[one] == families[name].to_numpy()[two]
        for name in ("zygote", "mother", "father")
    )
    chosen = {
        "identical twins": zygote,
        "full siblings": mother & father & ~zygote,
        "half-siblings": mother & ~father,
        "strangers": ~mother & ~father,
    }[relation]
    return np.stack([one[chosen], two[chosen]])


# Files


def test_the_files_are_those_that_were_named_before(simulated: Path) -> None:
    named = simulated_hcp_files(simulated, PARTICIPANTS)
    assert len(named) == len(set(named))
    assert set(named) == {path for path in simulated.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_maps(
    simulated: Path, tmp_path: Path
) -> None:
    simulate_hcp(tmp_path / "again", participants=PARTICIPANTS, voxel_mm=8.0, seed=3)
    simulate_hcp(tmp_path / "other", participants=PARTICIPANTS, voxel_mm=8.0, seed=4)
    for path in simulated_hcp_files(Path(), PARTICIPANTS):
        bytes_there = (simulated / path).read_bytes()
        assert bytes_there == (tmp_path / "again" / path).read_bytes(), path
        if path.name == "zstat1.nii.gz":
            assert bytes_there != (tmp_path / "other" / path).read_bytes(), path


def test_it_says_that_it_is_a_simulation(simulated: Path) -> None:
    description = json.loads((simulated / "dataset_description.json").read_text())
    assert "Simulated" in description["Name"]
    assert "No person was measured" in description["GeneratedBy"][0]["Description"]
    image = nibabel.load(simulated_hcp_files(simulated, PARTICIPANTS)[-1])
    assert b"Simulated" in bytes(image.header["descrip"])


def test_all_seven_tasks_of_everyone_are_found(simulated: Path) -> None:
    participants, _ = hcp_participants(simulated / "unrestricted.csv", simulated / "restricted.csv")
    examples, exclusions = find_task_maps(simulated, list(participants["participant_id"]))
    assert not exclusions
    assert Counter(each.task for each in examples) == dict.fromkeys(TASK_CONTRASTS, PARTICIPANTS)
    # every fourth has the language contrast the other way round, and no other task has
    negated = [each for each in examples if each.negated]
    assert {each.task for each in negated} == {"LANGUAGE"}
    assert [each.participant_id for each in negated] == list(participants["participant_id"][3::4])
    # and they are what was named before a file was there
    assert examples == simulated_task_maps(simulated, PARTICIPANTS)


def test_maps_are_float32_in_mni_space_and_zero_outside_the_brain(simulated: Path) -> None:
    grid = brain_grid(8.0)
    image = nibabel.load(simulated_hcp_files(simulated, PARTICIPANTS)[-1])
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.affine, grid.affine)
    values = np.asarray(image.dataobj)
    assert not values[~grid.mask].any()
    assert np.isfinite(values).all()
    assert values[grid.mask].std() > 0.5


def test_story_minus_math_is_math_minus_story_negated(simulated: Path) -> None:
    results = simulated / "100083" / "MNINonLinear" / "Results"
    (folder,) = (results / "tfMRI_LANGUAGE").iterdir()
    forth, back = (volume(folder / f"cope{n}.feat/stats/zstat1.nii.gz") for n in (3, 4))
    np.testing.assert_array_equal(forth, -back)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"participants": 11}, "participants"),
        ({"participants": 10_000}, "participants"),
        ({"participants": 12, "voxel_mm": 1.0}, "voxel_mm"),
        ({"participants": 12, "voxel_mm": 10.0}, "voxel_mm"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, float], field: str
) -> None:
    with pytest.raises(BadInputError) as caught:
        simulate_hcp(tmp_path / "made", **arguments)
    assert caught.value.field == field
    assert not (tmp_path / "made").exists()
    with pytest.raises(BadInputError, match="heritability"):
        TaskMapModel(heritability=1.5)


# Regions


def test_every_task_has_one_region_of_its_own_and_shares_two() -> None:
    for task in TASK_CONTRASTS:
        kinds = Counter(region.kind for region in REGIONS if task in region.tasks)
        assert kinds == {"specific": 1, "pairwise": 2, "common": 3}


@pytest.mark.parametrize("voxel_mm", [4.0, 8.0])
def test_regions_lie_in_the_brain_at_their_coordinates_and_do_not_overlap(voxel_mm: float) -> None:
    grid = brain_grid(voxel_mm)
    together = np.zeros(grid.mask.shape, dtype=int)
    for kind in ("specific", "pairwise", "common"):
        masks = region_masks(grid, kind, TaskMapModel())
        centres = [region.centre for region in REGIONS if region.kind == kind]
        assert len(masks) == len(centres)
        for mask, centre in zip(masks, centres, strict=True):
            assert mask.any()
            found = grid.affine @ [*center_of_mass(mask), 1]
            assert np.linalg.norm(found[:3] - centre) < voxel_mm
            together += mask
    assert together.max() == 1
    assert not together[~grid.mask].any()


def test_the_truth_on_disk_is_that_of_the_regions(simulated: Path) -> None:
    truth = json.loads((simulated / "truth" / "truth.json").read_text())
    amplitudes = np.load(simulated / "truth" / "amplitudes.npy")
    assert amplitudes.shape == (PARTICIPANTS, len(truth["Regions"])) == (13, 17)
    for kind in ("specific", "pairwise", "common"):
        masks = np.load(simulated / "truth" / f"{kind}.npy")
        np.testing.assert_array_equal(masks, region_masks(brain_grid(8.0), kind, TaskMapModel()))


def test_without_noise_a_map_is_its_regions_alone(tmp_path: Path) -> None:
    still = TaskMapModel(amplitude_sd=0, shift_mm=0, noise_fwhm_mm=0, height=90.0)
    simulate_hcp(tmp_path, participants=12, voxel_mm=8.0, seed=1, model=still)
    grid = brain_grid(8.0)
    places = np.argwhere(grid.mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    active = [region.centre for region in REGIONS if "WM" in region.tasks]
    expected = sum(
        90 * 0.5 ** (4 * ((places - centre) ** 2).sum(axis=1) / 18**2) for centre in active
    )
    examples, _ = find_task_maps(tmp_path, ["100083"])
    # noise of standard deviation one is left
    residual = volume(examples[0].files[0])[grid.mask] - expected
    assert abs(residual.std() - 1) < 0.05
    assert abs(np.corrcoef(residual, expected)[0, 1]) < 0.1


@pytest.mark.parametrize(("voxel_mm", "fwhm_mm"), [(4.0, 10.0), (6.0, 12.0), (8.0, 0.0)])
def test_noise_has_the_spread_and_the_smoothness_asked_for(voxel_mm: float, fwhm_mm: float) -> None:
    grid = brain_grid(voxel_mm)
    generator = np.random.default_rng(0)
    draws = grid.whole(np.stack([smooth_noise(grid, fwhm_mm, generator) for _ in range(20)]))
    assert abs(draws[:, grid.mask].std() - 1) < 0.03
    both = grid.mask[1:] & grid.mask[:-1]
    neighbours = np.corrcoef(draws[:, 1:][:, both].ravel(), draws[:, :-1][:, both].ravel())[0, 1]
    # the autocorrelation of smoothed noise is a Gaussian, too, and sqrt(2) times as wide
    expected = 0.25 ** ((voxel_mm / fwhm_mm) ** 2) if fwhm_mm else 0.0
    assert abs(neighbours - expected) < 0.03


# Families


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_cohort_has_every_kind_of_relatives(seed: int) -> None:
    families = simulate_families(12, seed)
    assert pairs(families, "identical twins").shape[1] == 1
    assert pairs(families, "half-siblings").shape[1] == 2
    assert (families["zygosity"] == "DZ").sum() == 2
    alone = families.groupby("mother")["mother"].transform("size") == 1
    assert alone.sum() == 2
    assert (~families["parents_known"]).sum() == 1
    assert alone[~families["parents_known"]].all()


def test_identical_twins_have_one_sex_and_twins_one_age_and_parents() -> None:
    families = simulate_families(400, 0)
    for one, two in pairs(families, "identical twins").T:
        for column in ("sex", "age", "mother", "father", "zygosity"):
            assert families[column].iloc[one] == families[column].iloc[two]
    fraternal = families[families["zygosity"] == "DZ"].groupby("mother")
    assert (fraternal["age"].nunique() == 1).all()
    assert families["age"].between(22, 36).all()
    assert families["participant_id"].is_unique


def test_amplitudes_of_relatives_correlate_as_heritability_says() -> None:
    families = simulate_families(600, 1)
    model = TaskMapModel(heritability=0.6)
    amplitudes = inherited_amplitudes(families, model, seed=1)
    assert abs(amplitudes.mean() - 1) < 0.03
    assert abs(amplitudes.std() - model.amplitude_sd) < 0.02
    standard = (amplitudes - 1) / model.amplitude_sd
    expected = {"identical twins": 0.6, "full siblings": 0.3, "half-siblings": 0.15, "strangers": 0}
    for relation, correlation in expected.items():
        one, two = pairs(families, relation)
        assert abs((standard[one] * standard[two]).mean() - correlation) < 0.07, relation


def test_the_tables_tell_the_families_that_were_simulated(simulated: Path) -> None:
    participants, notes = hcp_participants(
        simulated / "unrestricted.csv", simulated / "restricted.csv"
    )
    families = simulate_families(PARTICIPANTS, 3)
    component = family_components(participants).to_numpy()
    mother = families["mother"].to_numpy()
    # half-siblings have one mother here, so families are mothers
    np.testing.assert_array_equal(
        component[:, None] == component[None], mother[:, None] == mother[None]
    )
    assert participants["Mother_ID"].isna().sum() == (~families["parents_known"]).sum() > 0
    assert len(notes) == 1
    assert set(participants["sex"]) == {"female", "male"}


def test_not_everyone_was_genotyped() -> None:
    table = restricted_table(simulate_families(200, 0))
    twins = table[table["ZygositySR"] != "NotTwin"]
    assert set(twins["ZygosityGT"]) == {"MZ", "DZ", ""}
    assert set(twins["ZygositySR"]) == {"MZ", "NotMZ"}
    assert set(table["ZygosityGT"][table["ZygositySR"] == "NotTwin"]) == {""}


@pytest.mark.parametrize("seed", range(3))
def test_the_splits_of_975_cross_no_family_and_have_the_sizes_of_the_paper(
    tmp_path: Path, seed: int
) -> None:
    table = restricted_table(simulate_families(975, seed))
    table.to_csv(tmp_path / "restricted.csv", index=False)
    both = table.assign(Gender="F", Age="26-30")
    both.to_csv(tmp_path / "unrestricted.csv", index=False)
    participants, _ = hcp_participants(tmp_path / "unrestricted.csv", tmp_path / "restricted.csv")
    sizes = {"training": 788, "validation": 92, "test": 95}
    splits = assign_splits(participants, family_components(participants), sizes=sizes, seed=seed)
    assert splits["split"].value_counts().to_dict() == sizes
    check_splits(splits)
    joined = participants.merge(splits, on="participant_id").dropna(subset="Mother_ID")
    for parent in ("Mother_ID", "Father_ID", "Family_ID"):
        assert (joined.groupby(parent)["split"].nunique() == 1).all()
