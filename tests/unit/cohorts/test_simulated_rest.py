"""A simulated cohort is laid out as fMRIPrep's derivatives are, and holds what its truth says."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.signal import welch
from scipy.stats import gamma

from neurospect.cohorts.rest_motion import framewise_displacement, head_motion
from neurospect.cohorts.rest_sources import (
    RestParameters,
    draw_effects,
    source_covariance,
    source_power,
)
from neurospect.cohorts.simulated_rest import (
    rest_truth,
    simulate_rest,
    simulated_participants,
    simulated_rest_files,
    simulated_runs,
    true_time_courses,
)
from neurospect.errors import BadInputError

DOMAINS = ["SM"] * 3 + ["VIS"] * 3 + ["DM"] * 4
SETTINGS: dict[str, Any] = {
    "domains": DOMAINS,
    "participants": 4,
    "volumes": 40,
    "repetition_time": 1.5,
    "seed": 3,
}
CLEAN: dict[str, Any] = {"contrast_to_noise": 1e6, "drift": 0.0, "motion_artefact": 0.0}


@pytest.fixture(scope="module")
def template() -> Any:
    """Ten blobs in a ball of 8 mm voxels, two of them on each axis."""
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = -56.0
    where = np.moveaxis(np.indices((15, 15, 15)), 0, -1) * 8.0 - 56.0
    ball = (where**2).sum(axis=-1) < 50**2
    centres = [30 * sign * axis for axis in np.eye(3) for sign in (-1, 1)]
    centres += [np.array([a, b, 20]) for a in (-20, 20) for b in (-20, 20)]
    blobs = [np.exp(-((where - centre) ** 2).sum(axis=-1) / 2 / 10**2) for centre in centres]
    maps = np.stack(blobs, axis=-1).astype(np.float32) * ball[..., None]
    return nibabel.Nifti1Image(maps, affine)


@pytest.fixture(scope="module")
def folder(template: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("simulated") / "rest"
    simulate_rest(made, template, **SETTINGS)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_files_announced_are_those_that_are_written(folder: Path) -> None:
    announced = simulated_rest_files(folder, 4)
    assert set(announced) == {path for path in folder.rglob("*") if path.is_file()}
    assert len(announced) == len(set(announced))
    name = "sub-001/func/sub-001_task-rest_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    assert folder / name in announced


def test_the_description_says_that_nobody_was_scanned(folder: Path) -> None:
    description = json.loads((folder / "dataset_description.json").read_text())
    assert "simulation" in description["Name"]
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "neurospect"


def test_participants_are_balanced_over_diagnosis_and_sex(folder: Path) -> None:
    table = pd.read_csv(folder / "participants.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-001", "sub-002", "sub-003", "sub-004"]
    described = json.loads((folder / "participants.json").read_text())
    assert list(described) == list(table.columns)
    many = simulated_participants(200, seed=0)
    assert (many.groupby(["diagnosis", "sex"]).size() == 50).all()
    ages = many.groupby("diagnosis")["age"]
    assert abs(ages.mean().diff().iloc[-1]) < 4 * many["age"].std() / np.sqrt(50)


def test_nibabel_reads_runs_and_masks_that_belong_together(folder: Path, template: Any) -> None:
    masks = []
    for run in simulated_runs(folder, 4):
        image, mask = nibabel.load(run.image), nibabel.load(run.mask)
        assert image.shape == (15, 15, 15, 40)
        assert image.header.get_zooms()[3] == 1.5
        assert image.header.get_xyzt_units() == ("mm", "sec")
        np.testing.assert_array_equal(image.affine, template.affine)
        np.testing.assert_array_equal(mask.affine, template.affine)
        sidecar = json.loads(Path(str(run.image).replace(".nii.gz", ".json")).read_text())
        assert (sidecar["RepetitionTime"], sidecar["TaskName"]) == (1.5, "rest")
        assert mask.get_data_dtype() == np.uint8
        inside = np.asarray(mask.dataobj) == 1
        values = np.asarray(image.dataobj)
        assert values[inside].min() > 0
        assert values[inside].std(axis=1).min() > 0
        assert not values[~inside].any()
        masks.append(inside)
    support = (np.asarray(template.dataobj) > 0).any(axis=3)
    for one, other in [*combinations(masks, 2), *((mask, support) for mask in masks)]:
        overlap = 2 * np.count_nonzero(one & other) / (one.sum() + other.sum())
        assert 0.75 < overlap < 1


def test_the_displacement_is_powers_of_the_six_parameters(folder: Path) -> None:
    for run in simulated_runs(folder, 4):
        assert run.confounds is not None
        table = pd.read_csv(run.confounds, sep="\t", na_values="n/a")
        assert len(table) == 40
        assert np.isnan(table["framewise_displacement"][0])
        for volume in range(1, 40):
            now, before = table.loc[volume], table.loc[volume - 1]
            moved = sum(abs(now[f"trans_{axis}"] - before[f"trans_{axis}"]) for axis in "xyz")
            turned = sum(abs(now[f"rot_{axis}"] - before[f"rot_{axis}"]) for axis in "xyz")
            assert now["framewise_displacement"] == pytest.approx(moved + 50 * turned, abs=2e-6)


def test_heads_move_as_far_as_heads_in_scanners_do() -> None:
    motion = [head_motion(np.random.default_rng(seed), 150) for seed in range(200)]
    means = [np.nanmean(framewise_displacement(each)) for each in motion]
    assert 0.1 < np.median(means) < 0.3
    assert np.percentile(means, 95) > 2 * np.median(means)


def test_a_participant_is_the_same_whatever_the_number_of_others(
    folder: Path, template: Any, tmp_path: Path
) -> None:
    simulate_rest(tmp_path / "again", template, **SETTINGS)
    assert contents(tmp_path / "again") == contents(folder)
    larger = {**SETTINGS, "participants": 9}
    simulate_rest(tmp_path / "larger", template, **larger, only=["sub-003"])
    written = contents(tmp_path / "larger")
    own = {name: data for name, data in written.items() if "sub-003" in name}
    assert len(own) == 7
    assert own.items() <= contents(folder).items()
    assert {name for name in written if "sub-" in name} == set(own)
    assert len(pd.read_csv(tmp_path / "larger" / "participants.tsv", sep="\t")) == 9


def test_another_seed_gives_other_runs(folder: Path, template: Any, tmp_path: Path) -> None:
    simulate_rest(tmp_path, template, **{**SETTINGS, "seed": 4}, only=["sub-001"])
    other, first = contents(tmp_path), contents(folder)
    same = {name for name in other if other[name] == first[name]}
    assert not {name for name in same if name.endswith((".npy", ".nii.gz", "timeseries.tsv"))}


def test_without_noise_the_run_is_time_courses_times_maps(template: Any, tmp_path: Path) -> None:
    simulate_rest(tmp_path, template, **SETTINGS, parameters=RestParameters(**CLEAN))
    for run in simulated_runs(tmp_path, 4):
        courses = np.load(tmp_path / "truth" / f"{run.participant_id}_time_courses.npy")
        maps = np.load(tmp_path / "truth" / f"{run.participant_id}_maps.npy")
        inside = np.asarray(nibabel.load(run.mask).dataobj) == 1
        assert (courses.shape, maps.shape) == ((40, 10), (10, np.count_nonzero(inside)))
        values = np.asarray(nibabel.load(run.image).dataobj)[inside].T.astype(np.float64)
        expected = 100 * courses.astype(np.float64) @ maps
        left = (values - values.mean(axis=0)) - (expected - expected.mean(axis=0))
        # whole numbers are stored, so up to half a unit is lost, and so it is in the mean
        assert np.abs(left).max() <= 1.01


def test_maps_are_those_of_the_template_shifted_and_unlike_between_participants(
    folder: Path, template: Any
) -> None:
    blobs = np.asarray(template.dataobj)
    found = []
    for run in simulated_runs(folder, 4):
        inside = np.asarray(nibabel.load(run.mask).dataobj) == 1
        whole = np.zeros((10, *inside.shape))
        whole[:, inside] = np.load(folder / "truth" / f"{run.participant_id}_maps.npy")
        found.append(whole.reshape(10, -1))
    for maps in found:
        matched = np.corrcoef(maps, blobs.reshape(-1, 10).T)[:10, 10:]
        assert (matched.argmax(axis=1) == np.arange(10)).all()
        assert 0.7 < np.diag(matched).mean() < 0.99
    assert np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1] < 0.99


def test_motion_disturbs_the_rim_more_than_the_core(template: Any, tmp_path: Path) -> None:
    still = RestParameters(**{**CLEAN, "signal": 1e-6, "motion_artefact": 0.05})
    simulate_rest(tmp_path, template, **SETTINGS, parameters=still)
    where = np.moveaxis(np.indices((15, 15, 15)), 0, -1) * 8.0 - 56.0
    distance = np.sqrt((where**2).sum(axis=-1))
    for run in simulated_runs(tmp_path, 4):
        inside = np.asarray(nibabel.load(run.mask).dataobj) == 1
        values = np.asarray(nibabel.load(run.image).dataobj)
        spread = values.std(axis=3)
        rim, core = inside & (distance > 42), distance < 20
        assert spread[rim].mean() > 3 * spread[core].mean()
        assert run.confounds is not None
        table = pd.read_csv(run.confounds, sep="\t", na_values="n/a").fillna(0.0)
        parameters = table.drop(columns="framewise_displacement").abs()
        away = parameters.iloc[:, :3].sum(axis=1) + 50 * parameters.iloc[:, 3:].sum(axis=1)
        design = np.column_stack([np.ones(40), table["framewise_displacement"], away])
        series = values[rim].T.astype(np.float64)
        residual = series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
        assert residual.var() < 0.02 * series.var(axis=0).mean()


def test_groups_differ_as_the_truth_says_and_nowhere_else(folder: Path) -> None:
    truth = json.loads((folder / "truth" / "truth.json").read_text())
    effects = draw_effects(DOMAINS, SETTINGS["seed"])
    assert truth == json.loads(json.dumps(rest_truth(DOMAINS, effects, RestParameters())))
    table = simulated_participants(240, SETTINGS["seed"])
    given = {**{name: SETTINGS[name] for name in ("domains", "repetition_time", "seed")}}
    courses = [true_time_courses(number, volumes=300, **given) for number in range(1, 241)]
    correlations = np.array([np.corrcoef(each.T) for each in courses])
    variances = np.array([each.var(axis=0) for each in courses])
    patients, males = (table["diagnosis"] == "patient"), (table["sex"] == "male")

    found = correlations[patients].mean(axis=0) - correlations[~patients].mean(axis=0)
    expected = np.zeros_like(found)
    for pair in truth["Connectivity"]:
        a, b = (each - 1 for each in pair["Components"])
        expected[a, b] = expected[b, a] = pair["ChangeInPatients"]
        controls = correlations[~patients, a, b].mean()
        assert controls == pytest.approx(pair["CorrelationInControls"], abs=0.05)
    assert len(truth["Connectivity"]) == 2
    np.testing.assert_allclose(found, expected, atol=0.06)

    for who, effect, factor in (
        (patients, truth["Amplitude"], "VarianceFactorInPatients"),
        (males, truth["AmplitudeOfSex"], "VarianceFactorInMales"),
    ):
        ratio = variances[who].mean(axis=0) / variances[~who].mean(axis=0)
        wanted = np.ones(10)
        wanted[np.array(effect["Components"]) - 1] = effect[factor]
        np.testing.assert_allclose(ratio, wanted, rtol=0.1)


def test_without_an_effect_the_groups_have_one_covariance() -> None:
    null = RestParameters(
        connectivity_change=0.0, patient_variance_factor=1.0, male_variance_factor=1.0
    )
    effects = draw_effects(DOMAINS, 0)
    groups = [(a, b) for a in ("control", "patient") for b in ("female", "male")]
    first, *others = (source_covariance(DOMAINS, effects, null, *group) for group in groups)
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("components", [6, 10, 53])
def test_no_component_takes_part_in_two_effects(components: int) -> None:
    domains = [f"domain {each % 5}" for each in range(components)]
    seen = set()
    for seed in range(20):
        effects = draw_effects(domains, seed)
        parts = [*effects.weaker_pairs, *effects.stronger_pairs, effects.louder_in_patients]
        used = [each for part in [*parts, effects.louder_in_males] for each in part]
        assert len(used) == len(set(used))
        assert all(domains[a] == domains[b] for a, b in effects.weaker_pairs)
        assert all(domains[a] != domains[b] for a, b in effects.stronger_pairs)
        seen.add(effects)
    assert len(seen) > 3


def test_time_courses_are_slow_as_bold_signals_are() -> None:
    given = {"domains": DOMAINS, "volumes": 512, "repetition_time": 2.0, "seed": 1}
    courses = np.hstack([true_time_courses(number, **given) for number in range(1, 9)])
    frequencies, power = welch(courses, 0.5, nperseg=128, axis=0)
    slow = (frequencies >= 0.01) & (frequencies <= 0.1)
    fast = frequencies > 0.1
    ratios = power[slow].sum(axis=0) / power[fast].sum(axis=0)
    assert ratios.min() > 1
    assert ratios.mean() > 2
    assert power[fast].mean() > 0.01 * power[slow].mean()


def test_sources_of_controls_have_variance_one_however_short_the_run() -> None:
    given = {"domains": DOMAINS, "repetition_time": 2.0, "seed": 1}
    controls = range(1, 1201, 4)  # females, so that nothing is louder
    for volumes in (20, 100):
        courses = [true_time_courses(number, volumes=volumes, **given) for number in controls]
        assert np.mean(np.square(courses)) == pytest.approx(1, rel=0.03)


def test_power_is_one_over_f_seen_through_the_haemodynamic_response() -> None:
    """The response's transform is taken by numbers here, by its formula there."""
    seconds = np.arange(0, 80, 0.01)
    response = gamma.pdf(seconds, 6) - gamma.pdf(seconds, 16) / 6
    frequencies = np.arange(0, 0.26, 0.01)
    turns = np.exp(-2j * np.pi * np.outer(frequencies, seconds))
    seen = np.abs(turns @ response * 0.01) ** 2
    expected = seen * frequencies / (frequencies**2 + 0.01**2)
    found = source_power(frequencies, 0.0)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-5)
    broad = source_power(frequencies, 0.3)
    flat = np.r_[0, np.full(25, 1 / 25)]
    np.testing.assert_allclose(broad, 0.7 * found + 0.3 * flat, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"participants": 0}, "participants"),
        ({"volumes": 19}, "volumes"),
        ({"repetition_time": 0.0}, "repetition_time"),
        ({"repetition_time": 2000.0}, "repetition_time"),
        ({"domains": DOMAINS[1:]}, "domains"),
        ({"domains": ["SM"] * 10}, "domains"),
        ({"domains": [str(each) for each in range(10)]}, "domains"),
        ({"only": ["sub-002", "sub-005"]}, "only"),
        ({"parameters": RestParameters(connectivity_change=0.9)}, "correlations"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_written(
    change: dict[str, Any], field: str, template: Any, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError) as caught:
        simulate_rest(tmp_path / "rest", template, **{**SETTINGS, **change})
    assert caught.value.field == field
    assert not (tmp_path / "rest").exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda maps: maps[..., 0], "shape"),
        (lambda maps: maps * (np.arange(10) != 4), "component 5"),
        (lambda maps: np.where(maps == maps[..., 7].max(), np.nan, maps), "component"),
    ],
)
def test_templates_that_hold_no_maps_are_refused(
    change: Any, field: str, template: Any, tmp_path: Path
) -> None:
    image = nibabel.Nifti1Image(change(np.asarray(template.dataobj)), template.affine)
    with pytest.raises(BadInputError) as caught:
        simulate_rest(tmp_path / "rest", image, **SETTINGS)
    assert caught.value.field.startswith(field)


@pytest.mark.parametrize(
    "change",
    [
        {"within_domain_correlation": 1.0},
        {"between_domain_correlation": -0.1},
        {"broadband_share": 1.0},
        {"contrast_to_noise": 0.0},
        {"signal": 0.0},
        {"patient_variance_factor": 0.0},
        {"shift_mm": -1.0},
        {"drift": float("nan")},
    ],
)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadInputError) as caught:
        RestParameters(**change)
    assert [caught.value.field] == list(change)
