import numpy as np
import pytest
import xarray as xr

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.arrays.tables import read_table, write_table
from neurospect.stats.cluster_differences import (
    CLUSTER_CELL_COLUMNS,
    CLUSTER_COLUMNS,
    cluster_tables,
)
from neurospect.stats.cluster_mass import cluster_mass_test
from neurospect.stats.group_differences import permutation_table

SHAPES = {"0.weight": (6, 4), "2.weight": (6, 2)}
STEPS = np.array([0, 1, 4, 9, 20, 50])
FACTS = {
    "groups": ["patients", "controls"],
    "blocks_per_group": 6,
    "blocks_never_exchanged": 2,
    "exchanged": "within each site",
    "labels_are_target": "in part",
    "retrained": 0,
}
OPTIONS = {"alpha": 0.05}


def differences(seed=0, relabelings=59):
    rng = np.random.default_rng(seed)
    nodes = {"/": xr.Dataset(attrs=FACTS)}
    for name, shape in SHAPES.items():
        every = rng.normal(size=(1 + relabelings, *shape)).cumsum(axis=1)
        tested = np.ones(shape, np.int8)
        tested[2, -1] = 0
        nodes[f"/{name}"] = xr.Dataset(
            {
                "difference": (("step", "rank"), every[0]),
                "permuted": (("permutation", "step", "rank"), every[1:]),
                "tested": (("step", "rank"), tested),
            },
            coords={"step": STEPS, "rank": np.arange(1, shape[1] + 1)},
        )
    return xr.DataTree.from_dict(nodes)


@pytest.mark.parametrize("seed", range(3))
def test_both_tables_say_what_the_test_found(seed):
    tree = differences(seed)
    clusters, cells = cluster_tables(tree, forming=0.7, **OPTIONS)
    assert list(clusters.columns) == list(CLUSTER_COLUMNS)
    assert list(cells.columns) == list(CLUSTER_CELL_COLUMNS)
    expected = cluster_mass_test(
        {name: tree[name]["difference"].values for name in SHAPES},
        {name: tree[name]["permuted"].values for name in SHAPES},
        {name: tree[name]["tested"].values == 1 for name in SHAPES},
        forming=0.7,
        alpha=0.05,
    )
    assert len(clusters) == len(expected.mass) > 2
    np.testing.assert_array_equal(clusters["mass"], expected.mass)
    np.testing.assert_array_equal(clusters["p"], expected.p)
    assert (clusters["threshold"] == expected.threshold).all()
    for row in cells.itertuples():
        cell = np.flatnonzero(row.step == STEPS)[0], row.rank - 1
        number = expected.cluster[row.weight][cell]
        assert row.cluster == number
        np.testing.assert_equal(row.p, expected.p[number - 1] if number else np.nan)


def test_a_cluster_is_described_by_its_own_cells():
    clusters, cells = cluster_tables(differences(1), forming=0.7, **OPTIONS)
    for row in clusters.itertuples():
        own = cells[cells["cluster"] == row.cluster]
        assert set(own["weight"]) == {row.weight}
        assert len(own) == row.cells
        assert row.mass == pytest.approx(own["z"].abs().sum())
        assert (row.first_step, row.last_step) == (own["step"].min(), own["step"].max())
        assert (row.first_rank, row.last_rank) == (own["rank"].min(), own["rank"].max())
        peak = own[(own["step"] == row.peak_step) & (own["rank"] == row.peak_rank)]["z"].item()
        assert peak == row.peak_z
        assert abs(peak) == own["z"].abs().max()
        larger = own["log2_ratio"] > 0
        assert larger.all() if row.larger_group == "patients" else not larger.any()
    assert set(clusters["larger_group"]) == {"patients", "controls"}


def test_both_tests_judge_the_same_values():
    cells = cluster_tables(differences(), forming=1.0, **OPTIONS)[1]
    single = permutation_table(differences(), **OPTIONS)
    shared = ["weight", "step", "rank", "log2_ratio", "tested", "z"]
    assert cells[shared].equals(single[shared])


def test_both_tables_are_the_same_after_their_input_was_written_and_are_described(tmp_path):
    write_datatree(tmp_path / "differences.nc", differences())
    read = read_datatree(tmp_path / "differences.nc")
    for name, table, again, columns in zip(
        ("clusters", "cells"),
        cluster_tables(differences(), forming=1.0, **OPTIONS),
        cluster_tables(read, forming=1.0, **OPTIONS),
        (CLUSTER_COLUMNS, CLUSTER_CELL_COLUMNS),
        strict=True,
    ):
        assert table.equals(again)
        write_table(tmp_path / f"{name}.tsv", table, columns)
        assert len(read_table(tmp_path / f"{name}.tsv")) == len(table)


def test_a_table_without_clusters_is_a_table_too(tmp_path):
    clusters, cells = cluster_tables(differences(), forming=50.0, **OPTIONS)
    assert len(clusters) == 0
    assert (cells["cluster"] == 0).all()
    assert cells["p"].isna().all()
    write_table(tmp_path / "clusters.tsv", clusters, CLUSTER_COLUMNS)
    read = read_table(tmp_path / "clusters.tsv", may_be_empty=True)
    assert list(read.columns) == list(CLUSTER_COLUMNS)
