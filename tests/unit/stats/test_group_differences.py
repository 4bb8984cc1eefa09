import json

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError
from neurospect.stats.group_differences import (
    PERMUTATION_COLUMNS,
    T_TEST_COLUMNS,
    WEIGHT_COLUMNS,
    permutation_table,
    t_test_table,
    weight_table,
)
from neurospect.stats.max_statistic import max_statistic_test

STEPS = {"0.weight": [0, 3, 9], "2.weight": [0, 3, 9]}
RANKS = {"0.weight": 4, "2.weight": 2}
FACTS = {
    "groups": ["patients", "controls"],
    "blocks_per_group": 6,
    "blocks_never_exchanged": 2,
    "exchanged": "within each site",
    "labels_are_target": "in part",
    "retrained": 0,
}


def differences(seed=0, relabelings=39):
    rng = np.random.default_rng(seed)
    nodes = {"/": xr.Dataset(attrs=FACTS)}
    for name, steps in STEPS.items():
        shape = (len(steps), RANKS[name])
        permuted = rng.normal(size=(relabelings, *shape))
        tested = np.ones(shape, np.int8)
        tested[1, -1] = 0
        nodes[f"/{name}"] = xr.Dataset(
            {
                "difference": (("step", "rank"), rng.normal(size=shape)),
                "permuted": (("permutation", "step", "rank"), permuted),
                "tested": (("step", "rank"), tested),
            },
            coords={"step": steps, "rank": np.arange(1, shape[1] + 1)},
        )
    return xr.DataTree.from_dict(nodes)


def spectra(sizes=(9, 3, 6)):
    rng = np.random.default_rng(1)
    names = ["all", "patients", "controls"]
    nodes = {"/": xr.Dataset()}
    for name, steps in STEPS.items():
        nodes[f"/{name}"] = xr.Dataset(
            {
                "gradient": (
                    ("step", "group", "rank"),
                    rng.gamma(2.0, size=(len(steps), 3, RANKS[name])),
                )
            },
            coords={"step": steps, "group": names, "rank": np.arange(1, RANKS[name] + 1)},
            attrs={"group_names": names, "group_sizes": list(sizes)},
        )
    return xr.DataTree.from_dict(nodes)


def test_the_permutation_table_has_its_documented_columns_and_a_row_for_every_cell():
    table = permutation_table(differences(), alpha=0.05)
    assert list(table.columns) == list(PERMUTATION_COLUMNS)
    assert len(table) == 3 * 4 + 3 * 2
    cells = list(zip(table["weight"], table["step"], table["rank"], strict=True))
    assert cells == [
        (name, step, rank)
        for name in STEPS
        for step in STEPS[name]
        for rank in range(1, RANKS[name] + 1)
    ]


def test_the_permutation_table_tells_of_every_cell_what_was_found_there():
    tree = differences()
    table = permutation_table(tree, alpha=0.1)
    test = max_statistic_test(
        {name: tree[name]["difference"].values for name in STEPS},
        {name: tree[name]["permuted"].values for name in STEPS},
        {name: tree[name]["tested"].values == 1 for name in STEPS},
        alpha=0.1,
    )
    for row in table.itertuples():
        cell = STEPS[row.weight].index(row.step), row.rank - 1
        assert row.log2_ratio == tree[row.weight]["difference"].values[cell]
        np.testing.assert_equal(row.p, test.p[row.weight][cell])
        np.testing.assert_equal(row.z, test.z[row.weight][cell])
        assert row.tested == (tree[row.weight]["tested"].values[cell] == 1)
        assert np.isnan(row.p) == (not row.tested)
    assert (table["threshold"] == test.threshold).all()
    assert set(table["group_a"]) == {"patients"}
    assert set(table["group_b"]) == {"controls"}
    assert set(table["relabelings"]) == {39}
    assert set(table["alpha"]) == {0.1}
    assert set(table["target"]) == {"in part"}
    assert set(table["exchanged"]) == {"within each site"}
    assert set(table["retrained"]) == {False}
    assert set(table["blocks"]) == {12}
    assert set(table["never_exchanged"]) == {2}


def test_one_maximum_runs_over_all_weights():
    """The same cell is judged more strictly beside another weight than by itself."""
    tree = differences()
    smaller = tree.copy()
    del smaller["2.weight"]
    both = permutation_table(tree, alpha=0.05)
    single = permutation_table(smaller, alpha=0.05)
    shared = both["weight"] == "0.weight"
    judged, alone = both.loc[shared, "p"].dropna(), single["p"].dropna()
    assert (judged >= alone).all()
    assert (judged > alone).any()
    assert both["threshold"][0] >= single["threshold"][0]


@pytest.mark.parametrize("seed", range(4))
def test_each_weight_is_judged_by_the_largest_z_within_it(seed):
    tree = differences(seed)
    options = {"alpha": 0.05}
    table = weight_table(tree, **options)
    cells = permutation_table(tree, **options)
    assert list(table.columns) == list(WEIGHT_COLUMNS)
    assert table["weight"].tolist() == list(STEPS)
    for row in table.itertuples():
        own = cells[cells["weight"] == row.weight]
        assert abs(row.z) == own["z"].abs().max()
        peak = own[(own["step"] == row.step) & (own["rank"] == row.rank)]
        assert peak["z"].item() == row.z
        alone = tree.copy()
        for other in set(STEPS) - {row.weight}:
            del alone[other]
        assert row.p == permutation_table(alone, **options)["p"].min()
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))


def test_a_weight_without_tested_cells_keeps_its_row_and_counts_for_nothing(tmp_path):
    tree = differences()
    expected = tree.copy()
    del expected["2.weight"]
    tree["2.weight"]["tested"][:] = 0
    options = {"alpha": 0.05}
    table = weight_table(tree, **options)
    assert table.loc[1, ["step", "rank", "z", "p", "q"]].isna().all()
    assert table.loc[0, "q"] == weight_table(expected, **options).loc[0, "q"]
    write_table(tmp_path / "weights.tsv", table, WEIGHT_COLUMNS)
    assert read_table(tmp_path / "weights.tsv")["weight"].tolist() == list(STEPS)


def test_the_t_test_table_has_its_documented_columns_and_a_row_for_every_test():
    table = t_test_table(spectra(), ["patients", "controls"])
    assert list(table.columns) == list(T_TEST_COLUMNS)
    assert len(table) == (3 + 4) + (3 + 2)
    per_step = table["test"] == "per step"
    assert table.loc[per_step, "step"].tolist() == STEPS["0.weight"] + STEPS["2.weight"]
    assert table.loc[~per_step, "rank"].tolist() == [1, 2, 3, 4, 1, 2]
    assert table.loc[per_step, "rank"].isna().all()
    assert table.loc[~per_step, "step"].isna().all()
    assert set(table.loc[~per_step, "test"]) == {"per singular value"}


def test_the_t_tests_are_at_mean_scale():
    tree = spectra(sizes=(9, 3, 6))
    table = t_test_table(tree, ["patients", "controls"])
    for name in STEPS:
        gradient = tree[name]["gradient"]
        a = gradient.sel(group="patients").values / 3
        b = gradient.sel(group="controls").values / 6
        own = table[table["weight"] == name].set_index("test")
        by_step, by_rank = stats.ttest_ind(a, b, axis=1), stats.ttest_ind(a, b, axis=0)
        np.testing.assert_allclose(own.loc["per step", "t"], by_step.statistic)
        np.testing.assert_allclose(own.loc["per singular value", "p"], by_rank.pvalue)


def test_both_tables_are_the_same_after_their_inputs_were_written_and_read(tmp_path):
    write_datatree(tmp_path / "differences.nc", differences())
    write_datatree(tmp_path / "spectra.nc", spectra())
    read = read_datatree(tmp_path / "differences.nc")
    options = {"alpha": 0.05}
    assert permutation_table(read, **options).equals(permutation_table(differences(), **options))
    groups = ["patients", "controls"]
    read = read_datatree(tmp_path / "spectra.nc")
    assert t_test_table(read, groups).equals(t_test_table(spectra(), groups))


@pytest.mark.parametrize("relabelings", [5, 39])
def test_both_tables_are_written_with_every_column_described(tmp_path, relabelings):
    permutation = permutation_table(differences(relabelings=relabelings), alpha=0.05)
    for name, table, columns in (
        ("permutation_test", permutation, PERMUTATION_COLUMNS),
        ("t_tests", t_test_table(spectra(), ["patients", "controls"]), T_TEST_COLUMNS),
    ):
        write_table(tmp_path / f"{name}.tsv", table, columns)
        sidecar = json.loads((tmp_path / f"{name}.json").read_text())
        assert {key: value["Description"] for key, value in sidecar.items()} == columns
        read = read_table(tmp_path / f"{name}.tsv")
        assert list(read.columns) == list(columns)
        np.testing.assert_array_equal(read["p"], table["p"])
        assert len(read) == len(table)


@pytest.mark.parametrize(
    ("tree", "groups", "words"),
    [
        (
            spectra(),
            ["patients", "siblings"],
            "found all, patients, controls, expected patients, si",
        ),
        (spectra(sizes=()), ["patients", "controls"], "sizes differ from step to step"),
    ],
)
def test_groups_without_one_size_throughout_are_refused(tree, groups, words):
    with pytest.raises(BadInputError, match=words):
        t_test_table(tree, groups)
