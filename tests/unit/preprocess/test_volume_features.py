"""Volumes become features by what the training split shows, and by nothing else."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from neurospect.errors import BadInputError
from neurospect.preprocess.volume_features import fit_volume_features

ETIV = "EstimatedTotalIntraCranialVol"
NAMES = ["Left-Hippocampus", "Right-Hippocampus", "Left-Amygdala", "Brain-Stem"]
SETTINGS = ["divide", "regress", "none"]


def cohort(seed: int = 0, people: int = 60) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Draw volumes that depend on head size, age, sex and site; two thirds are training."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"sub-{number:03d}" for number in range(people)], name="participant_id")
    covariates = pd.DataFrame(
        {
            "age": rng.uniform(8, 60, people),
            "sex": np.where(np.arange(people) % 2, "F", "M"),
            "site": np.arange(people) % 3,
        },
        index=index,
    )
    heads = rng.normal(1.5e6, 1.2e5, people) + 5e4 * (covariates["sex"] == "M")
    shares = rng.uniform(0.001, 0.01, len(NAMES))
    values = heads.to_numpy()[:, None] * shares * rng.normal(1, 0.05, (people, len(NAMES)))
    values -= 4.0 * covariates[["age"]].to_numpy()
    volumes = pd.DataFrame(values, index=index, columns=NAMES)
    volumes[ETIV] = heads
    training = list(rng.permutation(index)[: 2 * people // 3])
    return volumes, covariates, training


def design_by_hand(volumes: pd.DataFrame, covariates: pd.DataFrame, etiv: str) -> np.ndarray:
    columns = [
        covariates["age"],
        covariates["sex"] == "M",
        covariates["site"] == 1,
        covariates["site"] == 2,
    ]
    if etiv == "regress":
        columns.append(volumes[ETIV] / 1e6)
    return np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)


@pytest.mark.parametrize("etiv", SETTINGS)
def test_features_are_those_of_an_ordinary_regression(etiv: Any) -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates, training, etiv=etiv, categorical=["site"])
    found = fit.transform(volumes, covariates)

    values = volumes[NAMES].to_numpy()
    if etiv == "divide":
        values = values / volumes[[ETIV]].to_numpy()
    design = design_by_hand(volumes, covariates, etiv)
    chosen = volumes.index.isin(training)
    model = LinearRegression().fit(design[chosen], values[chosen])
    residuals = values - model.predict(design)
    expected = StandardScaler().fit(residuals[chosen]).transform(residuals)
    assert found.columns.to_list() == NAMES
    assert found.index.equals(volumes.index)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), etiv=st.sampled_from(SETTINGS))
def test_training_features_are_standard_and_owe_nothing_to_covariates(seed: int, etiv: Any) -> None:
    volumes, covariates, training = cohort(seed)
    fit = fit_volume_features(volumes, covariates, training, etiv=etiv, categorical=["site"])
    features = fit.transform(volumes, covariates).loc[training].to_numpy()
    design = design_by_hand(volumes.loc[training], covariates.loc[training], etiv)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-9)
    centred = (design - design.mean(axis=0)) / design.std(axis=0)
    np.testing.assert_allclose(centred.T @ features / len(training), 0, atol=1e-9)


@pytest.mark.parametrize("etiv", SETTINGS)
def test_other_participants_change_neither_the_fit_nor_the_training_rows(etiv: Any) -> None:
    volumes, covariates, training = cohort()
    others = ~volumes.index.isin(training)
    changed, other_covariates = volumes.copy(), covariates.copy()
    changed.loc[others] *= np.random.default_rng(1).uniform(0.2, 5, (others.sum(), 1))
    other_covariates.loc[others, "age"] += 40
    first = fit_volume_features(volumes, covariates, training, etiv=etiv)
    second = fit_volume_features(changed, other_covariates, training, etiv=etiv)
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    np.testing.assert_array_equal(first.scale, second.scale)
    assert (first.columns, first.dropped, first.covariates) == (
        second.columns,
        second.dropped,
        second.covariates,
    )
    before = first.transform(volumes, covariates)
    after = second.transform(changed, other_covariates)
    pd.testing.assert_frame_equal(before.loc[training], after.loc[training], check_exact=True)
    assert (np.abs(before - after).loc[others] > 1e-3).all(axis=None)


def test_a_participant_gets_the_same_features_alone_as_with_all() -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates, training, etiv="regress", categorical=["site"])
    together = fit.transform(volumes, covariates)
    shuffled = covariates.sample(frac=1, random_state=0)
    one = fit.transform(volumes.iloc[[7]], shuffled)
    np.testing.assert_allclose(one, together.iloc[[7]], rtol=1e-9)


def test_head_size_decides_what_remains_of_a_bigger_head() -> None:
    volumes, covariates, training = cohort()
    bigger = volumes * 1.2
    for etiv, remains in (("divide", False), ("none", True)):
        fit = fit_volume_features(volumes, covariates, training, etiv=etiv)  # type: ignore[arg-type]
        same = np.allclose(
            fit.transform(volumes, covariates), fit.transform(bigger, covariates), atol=1e-9
        )
        assert same is not remains


def test_numbers_named_as_levels_are_levels() -> None:
    volumes, covariates, training = cohort()
    as_text = covariates.assign(site=covariates["site"].map({0: "a", 1: "b", 2: "c"}))
    numbered = fit_volume_features(
        volumes, covariates, training, etiv="none", categorical=["site"]
    ).transform(volumes, covariates)
    named = fit_volume_features(volumes, as_text, training, etiv="none").transform(volumes, as_text)
    np.testing.assert_allclose(numbered, named, rtol=1e-9)
    straight = fit_volume_features(volumes, covariates, training, etiv="none")
    assert not np.allclose(straight.transform(volumes, covariates), named, atol=1e-3)


def test_truth_values_and_categories_are_levels_like_texts() -> None:
    volumes, covariates, training = cohort()
    expected = fit_volume_features(volumes, covariates, training, etiv="divide").transform(
        volumes, covariates
    )
    for sex in (covariates["sex"] == "M", covariates["sex"].astype("category")):
        other = covariates.assign(sex=sex)
        fit = fit_volume_features(volumes, other, training, etiv="divide")
        np.testing.assert_allclose(fit.transform(volumes, other), expected, rtol=1e-9)


def test_columns_without_spread_are_dropped_by_name_and_reason() -> None:
    volumes, covariates, training = cohort()
    others = ~volumes.index.isin(training)
    volumes.insert(1, "5th-Ventricle", np.where(others, 12.0, 0.0))
    volumes.insert(2, "Left-vessel", np.where(others, 50.0, np.nan))
    volumes["twice-the-head"] = 2 * volumes[ETIV]
    fit = fit_volume_features(volumes, covariates, training, etiv="regress")
    assert fit.dropped == {
        "5th-Ventricle": "constant",
        "Left-vessel": "missing",
        "twice-the-head": "explained",
    }
    assert fit.columns == tuple(NAMES)
    without = fit_volume_features(volumes[[*NAMES, ETIV]], covariates, training, etiv="regress")
    np.testing.assert_allclose(fit.coefficients, without.coefficients, rtol=1e-9)
    assert fit.transform(volumes, covariates).columns.to_list() == NAMES


def test_no_covariates_leave_plain_z_scores() -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates[[]], training, etiv="none")
    chosen = volumes.loc[training, NAMES]
    expected = (volumes[NAMES] - chosen.mean()) / chosen.std(ddof=0)
    np.testing.assert_allclose(fit.transform(volumes, covariates[[]]), expected, rtol=1e-9)


def test_a_missing_cell_is_refused_by_participant_and_column() -> None:
    volumes, covariates, training = cohort()
    trained, other = training[3], volumes.index[~volumes.index.isin(training)][0]
    fit = fit_volume_features(volumes, covariates, training, etiv="divide")
    for who in (trained, other):
        holed = volumes.copy()
        holed.loc[who, "Brain-Stem"] = np.nan
        with pytest.raises(BadInputError, match=f"{who}, Brain-Stem: found nothing"):
            fit.transform(holed, covariates)
        nameless = covariates.copy()
        nameless.loc[who, "age"] = np.nan
        with pytest.raises(BadInputError, match=f"{who}, age"):
            fit.transform(volumes, nameless)
    holed.loc[trained, "Left-Amygdala"] = np.nan
    with pytest.raises(BadInputError, match=f"{trained}, Left-Amygdala"):
        fit_volume_features(holed, covariates, training, etiv="none")
    sexless = covariates.copy()
    sexless.loc[trained, "sex"] = None
    with pytest.raises(BadInputError, match=f"{trained}, sex"):
        fit_volume_features(volumes, sexless, training, etiv="none")


@pytest.mark.parametrize("etiv", ["divide", "regress"])
def test_head_size_is_refused_where_it_is_missing_or_zero(etiv: Any) -> None:
    volumes, covariates, training = cohort()
    for value in (np.nan, 0.0):
        headless = volumes.copy()
        headless.loc[training[0], ETIV] = value
        with pytest.raises(BadInputError, match=f"{training[0]}, {ETIV}"):
            fit_volume_features(headless, covariates, training, etiv=etiv)
    with pytest.raises(BadInputError, match=f"no {ETIV}"):
        fit_volume_features(volumes[NAMES], covariates, training, etiv=etiv)


def test_a_level_that_training_does_not_have_is_refused() -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates, training, etiv="divide")
    stranger = covariates.copy()
    other = volumes.index[~volumes.index.isin(training)][0]
    stranger.loc[other, "sex"] = "X"
    with pytest.raises(BadInputError, match=f"{other}, sex: found X, expected .* F, M"):
        fit.transform(volumes, stranger)


def test_covariates_that_cannot_be_told_apart_are_refused() -> None:
    volumes, covariates, training = cohort()
    for name, values in (("months", 12 * covariates["age"]), ("scanner", 3.0)):
        doubled = covariates.assign(**{name: values})
        with pytest.raises(BadInputError, match=f"{name}: found nothing"):
            fit_volume_features(volumes, doubled, training, etiv="divide")


def test_a_training_split_too_small_for_its_covariates_is_refused() -> None:
    volumes, covariates, training = cohort()
    with pytest.raises(BadInputError, match="more than 4"):
        fit_volume_features(volumes, covariates, training[:4], etiv="divide")


def test_participants_that_are_absent_or_stand_twice_are_refused() -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates, training, etiv="divide")
    with pytest.raises(BadInputError, match=f"no row for {training[0]}"):
        fit_volume_features(volumes.drop(training[0]), covariates, training, etiv="divide")
    with pytest.raises(BadInputError, match="covariates: participants: found no row"):
        fit.transform(volumes, covariates.drop(training[0]))
    doubled = pd.concat([volumes, volumes.iloc[:1]])
    with pytest.raises(BadInputError, match="sub-000 more than once"):
        fit.transform(doubled, covariates)
    for unusable in ([], [*training, training[0]]):
        with pytest.raises(BadInputError, match="training"):
            fit_volume_features(volumes, covariates, unusable, etiv="divide")


def test_columns_of_the_fit_must_be_there_again() -> None:
    volumes, covariates, training = cohort()
    fit = fit_volume_features(volumes, covariates, training, etiv="divide")
    with pytest.raises(BadInputError, match="no Brain-Stem"):
        fit.transform(volumes.drop(columns="Brain-Stem"), covariates)
    with pytest.raises(BadInputError, match="no age"):
        fit.transform(volumes, covariates.drop(columns="age"))
    with pytest.raises(BadInputError, match="no scanner"):
        fit_volume_features(volumes, covariates, training, etiv="none", categorical=["scanner"])


def test_settings_and_tables_without_sense_are_refused() -> None:
    volumes, covariates, training = cohort()
    with pytest.raises(BadInputError, match="divide or regress or none"):
        fit_volume_features(volumes, covariates, training, etiv="ratio")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="among the volumes only"):
        fit_volume_features(volumes, volumes[[ETIV]], training, etiv="regress")
    with pytest.raises(BadInputError, match="volume beside"):
        fit_volume_features(volumes[[ETIV]], covariates, training, etiv="divide")
    flat = volumes.assign(**{name: 1.0 for name in NAMES})
    with pytest.raises(BadInputError, match="Brain-Stem: constant"):
        fit_volume_features(flat, covariates, training, etiv="none")
