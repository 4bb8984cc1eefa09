"""Prepare a cohort: participants table, array, description."""

from pathlib import Path
from typing import Any

from neurospect.cohorts.cohort import write_cohort
from neurospect.cohorts.registry import load_cohort
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        settings = dict(snakemake.params.settings)
        if snakemake.input:
            settings["folder"] = str(Path(snakemake.input.raw[0]).parent)
        write_cohort(
            load_cohort(snakemake.wildcards.cohort, settings),
            snakemake.output.participants,
            snakemake.output.array,
            snakemake.output.description,
        )


if "snakemake" in globals():
    main(globals()["snakemake"])
