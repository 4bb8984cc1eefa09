"""Paired t-tests between all pairs of columns, against scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.paired_t_tests import PAIRED_COLUMNS, paired_t_tests


def values(rows=12, columns="wxyz", seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.normal(0.4 * k, size=rows) for k, name in enumerate(columns)})


def test_every_pair_is_scipys_paired_test_times_the_number_of_pairs():
    table = values()
    found = paired_t_tests(table)
    assert list(found.columns) == list(PAIRED_COLUMNS)
    assert list(zip(found["a"], found["b"], strict=True)) == [
        ("w", "x"), ("w", "y"), ("w", "z"), ("x", "y"), ("x", "z"), ("y", "z")
    ]  # fmt: skip
    for row in found.itertuples():
        expected = stats.ttest_rel(table[row.a], table[row.b])
        assert row.t == pytest.approx(expected.statistic)
        assert row.p == pytest.approx(expected.pvalue)
        assert row.p_bonferroni == pytest.approx(min(1, 6 * expected.pvalue))
        assert row.mean_difference == pytest.approx((table[row.a] - table[row.b]).mean())


def test_rows_count_only_where_both_have_a_value():
    table = values(columns="ab")
    table.loc[3, "a"] = table.loc[7, "b"] = np.nan
    found = paired_t_tests(table).iloc[0]
    both = table.dropna()
    assert found["observations"] == 10
    assert found["p"] == pytest.approx(stats.ttest_rel(both["a"], both["b"]).pvalue)


def test_without_any_relation_a_family_of_tests_is_rarely_significant():
    wrong = [
        (paired_t_tests(pd.DataFrame(np.random.default_rng(s).normal(size=(15, 4))))
         ["p_bonferroni"] < 0.05).any()
        for s in range(200)
    ]  # fmt: skip
    assert np.mean(wrong) < 0.09


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_observations_give_no_test(rows):
    found = paired_t_tests(values(rows=rows))
    assert found[["t", "p", "p_bonferroni"]].isna().all(axis=None)
    assert (found["observations"] == rows).all()


def test_columns_that_are_the_same_give_no_test():
    table = values(columns="a").assign(b=lambda frame: frame["a"])
    assert paired_t_tests(table)["p"].isna().all()


@pytest.mark.parametrize("shift", [0.1, -3.7, 1e-3, 1e6])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_that_differ_by_a_constant_give_no_test(shift, dtype):
    for seed in range(50):
        own = np.random.default_rng(seed).normal(size=9).astype(dtype)
        found = paired_t_tests(pd.DataFrame({"a": own, "b": own + dtype(shift)}))
        assert found[["t", "p", "p_bonferroni"]].isna().all(axis=None)
        assert found["mean_difference"].item() == pytest.approx(-shift, rel=1e-3)


def test_differences_that_are_small_against_the_values_are_still_tested():
    differences = np.random.default_rng(0).normal(size=9)
    base = 1000.0 * np.arange(9)
    table = pd.DataFrame({"a": base + 1e-6 * differences, "b": base})
    expected = stats.ttest_1samp(differences, 0.0)
    assert paired_t_tests(table)["t"].item() == pytest.approx(expected.statistic, rel=1e-3)


@pytest.mark.parametrize("dtype", [bool, "boolean", object, "Int64"])
def test_truth_values_are_tested_as_zeros_and_ones(dtype):
    table = pd.DataFrame({"a": [1, 1, 0, 1, 1, 0], "b": [0, 1, 0, 0, 0, 1]})
    found = paired_t_tests(table.astype(bool).astype(dtype)).iloc[0]
    assert found["p"] == pytest.approx(stats.ttest_rel(table["a"], table["b"]).pvalue)


@pytest.mark.parametrize(("dtype", "missing"), [("boolean", pd.NA), (object, None)])
def test_missing_truth_values_do_not_count(dtype, missing):
    table = pd.DataFrame({"a": [True, missing, False, True], "b": [False, True, True, False]})
    found = paired_t_tests(table.astype(dtype)).iloc[0]
    assert found["observations"] == 3
    assert found["t"] == pytest.approx(stats.ttest_1samp([1, -1, 1], 0).statistic)


def test_columns_without_numbers_are_refused():
    table = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    with pytest.raises(BadInputError, match="column b: found values of type"):
        paired_t_tests(table)


@pytest.mark.parametrize("names", [["a"], [], ["a", "a"]])
def test_columns_that_make_no_pair_are_refused(names):
    with pytest.raises(BadInputError, match="columns: found"):
        paired_t_tests(pd.DataFrame(np.zeros((3, len(names))), columns=names))
