"""Bring reference maps and mask to the grid of a cohort's analysis."""

from pathlib import Path
from typing import Any

from neurospect.preprocess.cohort_references import cohort_references, write_references
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs = snakemake.input
    with recorded_job(snakemake):
        references, components = cohort_references(
            inputs.runs,
            inputs.get("template"),
            inputs.get("labels"),
            inputs.get("mask"),
            grid=snakemake.params.grid,
        )
        write_references(Path(snakemake.output.sidecar).parent, references, components)


if "snakemake" in globals():
    main(globals()["snakemake"])
