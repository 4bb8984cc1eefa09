"""Summarise the criteria of decoders that differ in their weight penalty."""

from typing import Any

from neurospect.arrays.tables import read_table, write_table
from neurospect.provenance.job import recorded_job
from neurospect.stats.criteria_tests import PENALTY_COLUMNS, criteria_by_penalty

TEXT = ["decoder", "seed", "class"]


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        criteria, accuracy = (
            [read_table(path, text=TEXT) for path in files]
            for files in (snakemake.input.criteria, snakemake.input.accuracy)
        )
        table = criteria_by_penalty(criteria, accuracy, snakemake.params.variants)
        write_table(snakemake.output.penalties, table, PENALTY_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
