"""Summarise the permutation tests of trainings that differ in their seed only."""

from typing import Any

from neurospect.arrays.tables import read_table, write_table
from neurospect.provenance.job import recorded_job
from neurospect.stats.seed_summary import SEED_COLUMNS, seed_summary

TEXT = ["weight", "group_a", "group_b"]


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        tables = [
            read_table(path, required=TEXT, text=TEXT) for path in snakemake.input.permutation_tests
        ]
        write_table(snakemake.output.summary, seed_summary(tables), SEED_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
