"""Split participants into training, validation and test, families whole."""

from typing import Any

from neurospect.arrays.tables import write_table
from neurospect.cohorts.cohort import read_participants
from neurospect.preprocess.cohort_splits import split_cohort
from neurospect.preprocess.splits import SUMMARY_COLUMNS, write_splits
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, params = snakemake.input, snakemake.params
    with recorded_job(snakemake):
        participants, description = read_participants(inputs.participants, inputs.description)
        own = [name for name in description["ClassColumns"] if name in participants]
        splits, summary = split_cohort(
            participants,
            family_columns=description.get("FamilyColumns", []),
            assume_unrelated=params.assume_unrelated,
            shares={name: params[name] for name in ("training", "validation", "test")},
            sizes=params.sizes,
            seed=params.seed,
            stratify_by=own[:1] if params.stratify_by is None else params.stratify_by,
            where=inputs.participants,
        )
        write_splits(snakemake.output.splits, splits)
        write_table(snakemake.output.summary, summary, SUMMARY_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
