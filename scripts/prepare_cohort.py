"""Prepare a cohort: participants table, array, description, and who was left out."""

from dataclasses import replace
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS, write_exclusions
from neurospect.cohorts.cohort import write_cohort
from neurospect.cohorts.registry import load_cohort
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    output = snakemake.output
    with recorded_job(snakemake):
        cohort = load_cohort(
            snakemake.wildcards.cohort,
            snakemake.params.settings,
            snakemake.input.get("raw", []),
        )
        description = dict(cohort.description)
        excluded = pd.DataFrame(
            description.pop("Excluded", []), columns=list(EXCLUSION_COLUMNS), dtype=str
        )
        write_cohort(
            replace(cohort, description=description),
            output.participants,
            output.array,
            output.description,
        )
        write_exclusions(output.excluded, excluded)


if "snakemake" in globals():
    main(globals()["snakemake"])
