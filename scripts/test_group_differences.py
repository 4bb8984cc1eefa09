"""Test the spectral differences between two groups."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.tables import write_table
from neurospect.provenance.job import recorded_job
from neurospect.stats.group_differences import (
    PERMUTATION_COLUMNS,
    T_TEST_COLUMNS,
    permutation_table,
    t_test_table,
)


def main(snakemake: Any) -> None:
    params = snakemake.params
    with recorded_job(snakemake):
        permutation_test = permutation_table(
            read_datatree(snakemake.input.differences),
            alpha=params.alpha,
            labels_are_target=params.labels_are_target,
        )
        t_tests = t_test_table(read_datatree(snakemake.input.spectra), params.groups)
        write_table(snakemake.output.permutation_test, permutation_test, PERMUTATION_COLUMNS)
        write_table(snakemake.output.t_tests, t_tests, T_TEST_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
