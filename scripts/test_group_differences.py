"""Test the spectral differences between two groups."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.tables import write_table
from neurospect.provenance.job import recorded_job
from neurospect.stats.cluster_differences import (
    CLUSTER_CELL_COLUMNS,
    CLUSTER_COLUMNS,
    cluster_tables,
)
from neurospect.stats.effect_sizes import EFFECT_COLUMNS, effect_sizes
from neurospect.stats.group_differences import (
    PERMUTATION_COLUMNS,
    T_TEST_COLUMNS,
    WEIGHT_COLUMNS,
    permutation_table,
    t_test_table,
    weight_table,
)


def main(snakemake: Any) -> None:
    params, output = snakemake.params, snakemake.output
    with recorded_job(snakemake):
        differences = read_datatree(snakemake.input.differences)
        clusters, cells = cluster_tables(differences, forming=params.forming, alpha=params.alpha)
        t_tests = t_test_table(read_datatree(snakemake.input.spectra), params.groups)
        permutation_test = permutation_table(differences, alpha=params.alpha)
        write_table(output.permutation_test, permutation_test, PERMUTATION_COLUMNS)
        weights = weight_table(differences, alpha=params.alpha)
        write_table(output.weights, weights, WEIGHT_COLUMNS)
        write_table(output.clusters, clusters, CLUSTER_COLUMNS)
        write_table(output.cluster_cells, cells, CLUSTER_CELL_COLUMNS)
        write_table(output.effect_sizes, effect_sizes(differences), EFFECT_COLUMNS)
        write_table(output.t_tests, t_tests, T_TEST_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
