import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurospect.errors import BadInputError
from neurospect.stats.criteria_tests import (
    LETTER_COLUMNS,
    LETTERS,
    PENALTY_COLUMNS,
    SUMMARY_COLUMNS,
    TEST_COLUMNS,
    criteria_by_penalty,
    criteria_summary,
    criteria_tests,
    with_letters,
)
from neurospect.stats.over_seeds import columns_over_seeds, over_seeds, with_standard_error


def criteria(seeds=4, decoders=("net", "robust"), examples=30):
    """One table per decoder and seed; the robust decoder is better by .2 in every training."""
    rng = np.random.default_rng(0)
    tables = []
    for decoder in decoders:
        for seed in range(seeds):
            of_training = 0.05 * rng.normal() + 0.2 * (decoder == "robust")
            tables.append(
                pd.DataFrame(
                    {
                        "decoder": decoder,
                        "seed": str(seed),
                        "method": "gradient",
                        "criterion": "class_informative",
                        "example": np.arange(examples),
                        "correlation": 0.3 + of_training + 0.01 * rng.normal(size=examples),
                    }
                )
            )
    return tables


def test_means_and_deviations_are_over_seeds():
    tables = [
        pd.DataFrame(
            {"decoder": ["a", "b"], "seed": str(seed), "value": values, "good": values > 1}
        )
        for seed, values in enumerate(np.array([[1.0, 2.0], [3.0, np.nan]]))
    ]
    found = over_seeds(tables, ["decoder"], ["value", "good"]).set_index("decoder")
    assert list(found["value"]) == [2.0, 2.0]
    assert found.loc["a", "sd_value"] == pytest.approx(np.sqrt(2))
    assert np.isnan(found.loc["b", "sd_value"])
    assert list(found["seeds"]) == [2, 1]
    assert list(found["good"]) == [0.5, 0.5]
    described = columns_over_seeds(
        {"decoder": "d", "value": "v", "good": "g"}, ["decoder"], ["value"]
    )
    assert list(described) == ["decoder", "seeds", "value", "sd_value"]


def test_missing_truth_values_do_not_count():
    values = [[True, None], [True, False], [None, None]]
    tables = [
        pd.DataFrame({"class": ["a", "b"], "seed": seed, "found": pd.array(own, dtype="boolean")})
        for seed, own in enumerate(values)
    ]
    tables[2]["found"] = None
    found = over_seeds(tables, ["class"], ["found"])
    assert found["found"].tolist() == [1.0, 0.0]
    assert found["seeds"].tolist() == [2, 1]


def of_seeds(**values):
    """One table per seed of a single decoder."""
    columns = zip(*values.values(), strict=True)
    return [
        pd.DataFrame({"decoder": ["net"], "seed": str(seed), **dict(zip(values, own, strict=True))})
        for seed, own in enumerate(columns)
    ]


@pytest.mark.parametrize("own", [[1.0, 2.0, 4.0, np.nan], [3.0, 1.0, 5.0, 2.0], [np.nan, 1.0]])
def test_the_standard_error_is_that_of_the_seeds_that_have_a_value(own):
    found = with_standard_error(over_seeds(of_seeds(value=own), ["decoder"], ["value"]), "value")
    expected = stats.sem(own, nan_policy="omit") if np.isfinite(own).sum() > 1 else np.nan
    assert found["standard_error"].item() == pytest.approx(float(expected), nan_ok=True)
    assert found["seeds"].item() == np.isfinite(own).sum()


def test_seeds_are_the_fewest_that_have_a_value_and_values_that_none_has_do_not_count():
    tables = of_seeds(value=[1.0, 2.0, 4.0], other=[1.0, np.nan, 3.0], none=[np.nan] * 3)
    found = over_seeds(tables, ["decoder"], ["value", "other", "none"])
    assert found["seeds"].tolist() == [2]
    assert found["seeds"].dtype == np.int64
    assert over_seeds(tables, ["decoder"], ["value", "none"])["seeds"].tolist() == [3]
    assert over_seeds(tables, ["decoder"], ["none"])["seeds"].tolist() == [0]


def test_what_is_no_training_counts_as_none():
    baseline = pd.DataFrame({"decoder": ["chance"], "seed": None, "value": 0.5})
    found = over_seeds([*of_seeds(value=[0.8, 0.9]), baseline], ["decoder"], ["value"])
    assert found["seeds"].tolist() == [2, 0]
    assert found["value"].tolist() == pytest.approx([0.85, 0.5])


def test_two_rows_of_one_seed_and_missing_columns_are_refused():
    table = pd.DataFrame({"decoder": ["a", "a"], "seed": "0", "value": 1.0})
    with pytest.raises(BadInputError, match="one row for each seed"):
        over_seeds([table], ["decoder"], ["value"])
    with pytest.raises(BadInputError, match="no other"):
        over_seeds([table], ["decoder"], ["other"])
    with pytest.raises(BadInputError, match="no table"):
        over_seeds([], ["decoder"], ["value"])


def test_the_spread_of_a_criterion_is_that_of_trainings_not_of_examples():
    tables = criteria()
    summary = criteria_summary(tables).set_index("decoder")
    assert list(summary.reset_index().columns) == list(SUMMARY_COLUMNS)
    means = [table["correlation"].mean() for table in tables[:4]]
    assert summary.loc["net", "correlation"] == pytest.approx(np.mean(means))
    assert summary.loc["net", "sd_correlation"] == pytest.approx(np.std(means, ddof=1))
    assert summary.loc["net", "undefined"] == 0


def test_undefined_correlations_do_not_count_and_are_told():
    tables = criteria(seeds=1)
    tables[0].loc[:5, "correlation"] = np.nan
    summary = criteria_summary(tables).set_index("decoder")
    assert (summary.loc["net", "undefined"], summary.loc["net", "examples"]) == (6, 30)
    assert summary.loc["net", "correlation"] == pytest.approx(tables[0]["correlation"][6:].mean())


def test_a_training_without_any_correlation_is_not_counted():
    tables = criteria()
    tables[2]["correlation"] = np.nan
    summary = criteria_summary(tables).set_index("decoder")
    assert summary["seeds"].tolist() == [3, 4]
    means = [tables[seed]["correlation"].mean() for seed in (0, 1, 3)]
    assert summary.loc["net", "correlation"] == pytest.approx(np.mean(means))
    assert summary.loc["net", "undefined"] == 30
    error = with_standard_error(summary.reset_index(), "correlation")["standard_error"]
    assert error[0] == pytest.approx(stats.sem(means))


def test_tests_over_seeds_and_over_examples_are_told_apart():
    tables = criteria()
    tested = criteria_tests(tables).set_index("observations_are")
    assert set(tested.reset_index().columns) == set(TEST_COLUMNS)
    net, robust = ([t["correlation"].mean() for t in part] for part in (tables[:4], tables[4:]))
    expected = stats.ttest_rel(net, robust)
    assert tested.loc["seeds", "t"] == pytest.approx(expected.statistic)
    assert tested.loc["seeds", "p"] == pytest.approx(expected.pvalue)
    assert tested.loc["seeds", "observations"] == 4
    expected = stats.ttest_rel(tables[0]["correlation"], tables[4]["correlation"])
    assert tested.loc["examples", "t"] == pytest.approx(expected.statistic)
    assert tested.loc["examples", "observations"] == 30
    assert tested.loc["examples", "seed"] == "0"


def test_one_seed_has_no_test_over_seeds_and_one_method_no_test_at_all():
    tested = criteria_tests(criteria(seeds=1)).set_index("observations_are")
    assert np.isnan(tested.loc["seeds", "p"])
    assert tested.loc["examples", "p"] < 0.001
    assert criteria_tests(criteria(decoders=("net",))).empty


def lettered(values):
    """Letters of decoders by their means over seeds, given one value for each seed."""
    tables = [
        pd.DataFrame(
            {
                "decoder": decoder,
                "seed": str(seed),
                "method": "gradient",
                "criterion": "class_informative",
                "example": range(2),
                "correlation": value,
            }
        )
        for decoder, own in values.items()
        for seed, value in enumerate(own)
    ]
    found = with_letters(criteria_summary(tables), criteria_tests(tables))
    return dict(zip(found["decoder"], found[LETTERS], strict=True))


def test_methods_share_a_letter_where_their_corrected_p_is_above_the_level():
    rng = np.random.default_rng(0)
    values = {
        name: mean + 0.02 * rng.normal(size=5)
        for name, mean in zip("wxyz", [0.2, 0.8, 0.21, 0.5], strict=True)
    }
    for a, b in [("w", "y"), ("w", "z"), ("x", "z"), ("y", "z")]:
        p = 6 * stats.ttest_rel(values[a], values[b]).pvalue
        assert (p <= 0.05) == ((a, b) != ("w", "y"))
    assert lettered(values) == {"w": "c", "x": "a", "y": "c", "z": "b"}


def test_letters_are_of_tests_over_seeds_and_not_over_examples():
    tables = criteria(seeds=3)
    tested = criteria_tests(tables)
    found = with_letters(
        criteria_summary(tables),
        tested.assign(p_bonferroni=np.where(tested["observations_are"] == "examples", 0.0, 1.0)),
    )
    assert list(found[LETTERS]) == ["a", "a"]
    assert set(found.columns) == {*SUMMARY_COLUMNS, *LETTER_COLUMNS}


def test_the_same_values_do_not_differ_and_undefined_ones_have_no_letter():
    same = [0.4, 0.5, 0.6]
    found = lettered({"net": same, "twin": same, "none": [np.nan] * 3})
    assert (found["net"], found["twin"], found["none"]) == ("a", "a", None)


@pytest.mark.parametrize("values", [{"net": [0.1, 0.2], "robust": [0.8, 0.9]}, {"net": [0.1] * 5}])
def test_two_seeds_and_a_single_method_have_no_letters(values):
    assert set(lettered(values).values()) == {None}


def test_a_sweep_is_in_the_order_of_its_penalties():
    tables = criteria(seeds=2, decoders=("net-penalty-0.1", "net-penalty-0"))
    accuracy = [
        pd.DataFrame(
            {
                "decoder": name,
                "seed": str(seed),
                "split": ["training", "test"],
                "accuracy": [1, own],
            }
        )
        for name, own in (("net-penalty-0.1", 0.8), ("net-penalty-0", 0.9))
        for seed in range(2)
    ]
    variants = {"net-penalty-0.1": ("net", 0.1), "net-penalty-0": ("net", 0.0)}
    table = criteria_by_penalty(tables, accuracy, variants)
    assert list(table.columns) == list(PENALTY_COLUMNS)
    assert list(table["weight_penalty"]) == [0.0, 0.1]
    assert list(table["test_accuracy"]) == [0.9, 0.8]
    assert set(table["decoder"]) == {"net"}
