"""Volumes of a cohort as features: what the test split holds must not leak into the fit."""

import numpy as np
import pandas as pd
import pytest

from neurospect.errors import BadInputError
from neurospect.preprocess.residualised_volumes import residualised_volumes

NAMES = ["Left-Hippocampus", "EstimatedTotalIntraCranialVol", "CSF", "5th-Ventricle"]


def cohort(seed=0, count=60):
    generator = np.random.default_rng(seed)
    participants = pd.DataFrame(
        {
            "participant_id": [f"{number:03d}" for number in range(count)],
            "age": generator.uniform(20, 60, count),
            "sex": ["female", "male"] * (count // 2),
        }
    )
    head = generator.normal(1.5e6, 1e5, count)
    hippocampus = 0.003 * head - 20 * participants["age"] + generator.normal(0, 200, count)
    csf = 0.001 * head + generator.normal(0, 100, count)
    array = np.stack([hippocampus, head, csf, np.zeros(count)], axis=1).astype(np.float32)
    split = np.repeat(["training", "validation", "test"], [40, 10, 10])
    splits = pd.DataFrame({"participant_id": participants["participant_id"], "split": split})
    return participants, array, splits


def features(participants, array, splits, **changes):
    settings = {"etiv": "regress", "covariates": ["age", "sex"], **changes}
    return residualised_volumes(participants, array, NAMES, splits, **settings)


def test_features_owe_nothing_to_head_size_age_and_sex_over_the_training_split():
    participants, array, splits = cohort()
    values, _ = features(participants, array, splits)
    training = (splits["split"] == "training").to_numpy()
    taken_out = np.stack(
        [array[:, 1], participants["age"], participants["sex"] == "male"], axis=1
    ).astype(float)
    together = np.corrcoef(np.hstack([values, taken_out])[training].T)
    assert np.abs(together[:2, 2:]).max() < 1e-5
    np.testing.assert_allclose(values[training].std(axis=0), 1, rtol=1e-5)


def test_the_test_split_does_not_bear_on_the_fit():
    participants, array, splits = cohort()
    changed = array.copy()
    changed[50:] *= 3
    before, _ = features(participants, array, splits)
    after, _ = features(participants, changed, splits)
    assert np.array_equal(before[:50], after[:50])
    assert not np.allclose(before[50:], after[50:])


def test_the_table_says_which_volumes_are_no_features_and_why():
    _, table = features(*cohort())
    reasons = dict(zip(table["volume"], table["reason"], strict=True))
    assert reasons == {
        "Left-Hippocampus": "",
        "EstimatedTotalIntraCranialVol": "head size",
        "CSF": "",
        "5th-Ventricle": "constant",
    }
    assert table["used"].to_list() == [True, False, True, False]


def test_a_covariate_that_is_no_column_is_named():
    with pytest.raises(BadInputError, match="there is no site"):
        features(*cohort(), covariates=["age", "site"])
