"""Split participants into training, validation and test."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.preprocess.splits import assign_splits, write_splits
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    with recorded_job(snakemake) as job:
        stratify_by = snakemake.params.stratify_by
        columns = ["participant_id", stratify_by]
        participants = read_table(snakemake.input.participants, required=columns, text=columns)
        splits = assign_splits(
            participants,
            None,
            fractions={name: job.params[name] for name in ("training", "validation", "test")},
            seed=snakemake.params.seed,
            stratify_by=stratify_by,
        )
        write_splits(snakemake.output.splits, splits)


if "snakemake" in globals():
    main(globals()["snakemake"])
