"""Summarise one kind of table of all decoders over seeds."""

from typing import Any

from neurospect.arrays.tables import read_table, write_table
from neurospect.provenance.job import recorded_job
from neurospect.saliency.summarised_tables import SUMMARISED
from neurospect.stats.over_seeds import columns_over_seeds, over_seeds

TEXT = ["decoder", "seed", "class", "layer"]


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        how = SUMMARISED[snakemake.wildcards.table]
        tables = [read_table(path, text=TEXT) for path in snakemake.input.tables]
        # Baselines stand beside the decoders; they have no seed and no loss.
        tables += [
            read_table(path, text=TEXT).assign(seed=None, loss=float("nan"))
            for path in snakemake.input.get("baselines", [])
        ]
        columns = columns_over_seeds(how.columns, how.by, how.values)
        write_table(snakemake.output.summary, over_seeds(tables, how.by, how.values), columns)


if "snakemake" in globals():
    main(globals()["snakemake"])
