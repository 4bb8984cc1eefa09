"""Simulate volumes of brain structures, in FreeSurfer's layout."""

from pathlib import Path
from typing import Any

from neurospect.cohorts.simulated_freesurfer import simulate_freesurfer
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    with recorded_job(snakemake):
        simulate_freesurfer(Path(snakemake.output.record).parent, **snakemake.params.settings)


if "snakemake" in globals():
    main(globals()["snakemake"])
