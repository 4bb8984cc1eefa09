"""Simulate task maps of families, in the layout of HCP1200."""

from pathlib import Path
from typing import Any

from neurospect.cohorts.simulated_hcp import simulate_hcp
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        simulate_hcp(Path(snakemake.output.record).parent, **snakemake.params.settings)


if "snakemake" in globals():
    main(globals()["snakemake"])
