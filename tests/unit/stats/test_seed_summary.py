import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from neurospect.arrays.tables import write_table
from neurospect.errors import BadInputError
from neurospect.stats.seed_summary import SEED_COLUMNS, seed_summary

CELLS = [("0.weight", 0, 1), ("0.weight", 0, 2), ("0.weight", 7, 1), ("2.weight", 0, 1)]


def table(seed, effect=0.0, cells=CELLS, **facts):
    rng = np.random.default_rng(seed)
    weight, step, rank = zip(*cells, strict=True)
    columns = {
        "weight": weight,
        "step": step,
        "rank": rank,
        "group_a": "patients",
        "group_b": "controls",
        "log2_ratio": rng.normal(size=len(cells)) + effect,
        "tested": True,
        "z": 0.0,
        "p": rng.uniform(size=len(cells)),
        "threshold": 3.0,
        "alpha": 0.3,
        "relabelings": 99,
        "target": False,
    }
    return pd.DataFrame({**columns, **facts})


def test_each_cell_is_summarised_over_seeds():
    tables = [table(seed, effect=1.0) for seed in range(6)]
    summary = seed_summary(tables)
    assert list(summary.columns) == list(SEED_COLUMNS)
    assert list(zip(summary["weight"], summary["step"], summary["rank"], strict=True)) == CELLS
    for place, row in enumerate(summary.itertuples()):
        values = [each["log2_ratio"][place] for each in tables]
        expected = stats.ttest_1samp(values, 0)
        assert row.seeds == 6
        assert row.mean_log2_ratio == pytest.approx(np.mean(values))
        assert row.sd_log2_ratio == pytest.approx(np.std(values, ddof=1))
        assert (row.t, row.p) == pytest.approx((expected.statistic, expected.pvalue))
        assert row.significant_share == np.mean([each["p"][place] <= 0.3 for each in tables])
        positive = np.mean([value > 0 for value in values])
        assert row.sign_consistency == pytest.approx(max(positive, 1 - positive))
        correction = special.gamma(2.5) / (math.sqrt(2.5) * special.gamma(2))
        assert row.hedges_g == pytest.approx(np.mean(values) / np.std(values, ddof=1) * correction)
    np.testing.assert_allclose(summary["q"], stats.false_discovery_control(summary["p"]))
    assert (summary["q"] >= summary["p"]).all()


def test_hedges_g_is_an_unbiased_estimate_of_the_standardised_mean():
    """From 3 seeds only, for which mean over standard deviation alone is far too large."""
    many = [(f"{number}.weight", 0, 1) for number in range(20000)]
    tables = [table(seed, effect=0.5, cells=many) for seed in range(4)]
    summary = seed_summary(tables)
    plain = summary["mean_log2_ratio"] / summary["sd_log2_ratio"]
    assert plain.mean() > 0.6
    assert summary["hedges_g"].mean() == pytest.approx(0.5, abs=0.05)


def test_a_training_in_which_a_cell_was_not_tested_does_not_count_there():
    tables = [table(seed, tested=[True, seed > 1, seed > 3, seed > 4]) for seed in range(5)]
    for each in tables:
        each.loc[~each["tested"], "p"] = np.nan
    summary = seed_summary(tables)
    assert summary["seeds"].tolist() == [5, 3, 1, 0]
    values = [each["log2_ratio"][1] for each in tables[2:]]
    assert summary["mean_log2_ratio"][1] == pytest.approx(np.mean(values))
    assert summary["p"][1] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert summary["significant_share"][1] == np.mean([each["p"][1] <= 0.3 for each in tables[2:]])
    for column in ("sd_log2_ratio", "t", "p", "q", "hedges_g"):
        assert summary[column].isna().tolist() == [False, False, True, True]
    assert summary["mean_log2_ratio"].isna().tolist() == [False, False, False, True]
    without = seed_summary([each.iloc[:2] for each in tables])
    np.testing.assert_array_equal(summary["q"][:2], without["q"])


def test_trainings_that_do_not_differ_are_told_apart_no_more_often_than_asked_for():
    many = [(f"{number}.weight", 0, 1) for number in range(4000)]
    summary = seed_summary([table(seed, cells=many) for seed in range(5)])
    low, high = stats.binom.ppf([0.001, 0.999], 4000, 0.05)
    assert low <= (summary["p"] <= 0.05).sum() <= high
    assert (summary["q"] <= 0.05).sum() <= 2


def test_cells_without_any_difference_in_any_training_have_no_test():
    tables = [table(seed) for seed in range(3)]
    for each in tables:
        each.loc[0, "log2_ratio"] = 0.0
    summary = seed_summary(tables)
    assert summary["sign_consistency"][0] == 0.0
    assert summary[["t", "p", "q", "hedges_g"]].isna().iloc[0].all()
    assert summary["q"].notna().sum() == 3


@pytest.mark.parametrize(
    "ratios", [[0.7] * 4, [0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2], [1e-4, 1e-4 + 1e-16] * 2]
)
def test_ratios_that_are_the_same_in_every_training_have_no_test(ratios):
    tables = [table(seed) for seed in range(4)]
    others = seed_summary([each.iloc[1:] for each in tables])
    for each, ratio in zip(tables, ratios, strict=True):
        each.loc[0, "log2_ratio"] = ratio
    summary = seed_summary(tables)
    assert summary[["t", "p", "q", "hedges_g"]].isna().iloc[0].all()
    assert summary["mean_log2_ratio"][0] == pytest.approx(ratios[0])
    assert summary["sd_log2_ratio"][0] < 1e-15
    pd.testing.assert_frame_equal(summary[1:].reset_index(drop=True), others)


def test_every_column_is_described(tmp_path):
    write_table(tmp_path / "seeds.tsv", seed_summary([table(0), table(1)]), SEED_COLUMNS)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([table(0)], "tables: found 1, expected two or more"),
        ([table(0), table(1), table(2, cells=CELLS[:3])], "rows: found others in table 3"),
        ([table(0), table(1, step=[0, 0, 8, 0])], "step: found others in table 2 than in"),
        ([table(0), table(1, group_b="siblings")], "group_b: found others in table 2"),
        ([table(0), table(1, alpha=0.1)], "alpha: found others"),
        ([table(0, cells=CELLS + CELLS)] * 2, "repeated rows in the first table"),
    ],
)
def test_tables_that_are_not_of_one_experiment_are_refused(tables, words):
    with pytest.raises(BadInputError, match=words):
        seed_summary(tables)
