"""Split participants into training, validation and test."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.preprocess.splits import assign_splits, write_splits
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    params = snakemake.params
    with recorded_job(snakemake):
        stratify_by = params.stratify_by
        columns = ["participant_id", stratify_by]
        participants = read_table(snakemake.input.participants, required=columns, text=columns)
        splits = assign_splits(
            participants,
            None,
            fractions={name: params[name] for name in ("training", "validation", "test")},
            seed=params.seed,
            stratify_by=stratify_by,
        )
        write_splits(snakemake.output.splits, splits)


if "snakemake" in globals():
    main(globals()["snakemake"])
