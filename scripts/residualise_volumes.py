"""Take head size and covariates out of volumes, as the training split shows them."""

from typing import Any

from neurospect.arrays.numpy_files import write_array
from neurospect.arrays.tables import write_table
from neurospect.cohorts.cohort import read_cohort
from neurospect.preprocess.residualised_volumes import FEATURE_COLUMNS, residualised_volumes
from neurospect.preprocess.splits import read_splits
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    with recorded_job(snakemake):
        cohort = read_cohort(inputs.participants, inputs.array, inputs.description)
        values, features = residualised_volumes(
            cohort.participants,
            cohort.array,
            cohort.description["Features"],
            read_splits(inputs.splits, cohort.participants, cohort.family_columns),
            etiv=params.head_size,
            covariates=params.covariates,
            categorical=params.categorical,
        )
        write_array(output.array, values)
        write_table(output.features, features, FEATURE_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
