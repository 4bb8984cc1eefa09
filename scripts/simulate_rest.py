"""Simulate resting-state runs as BIDS derivatives, with the truth beside them."""

from pathlib import Path
from typing import Any

from neurospect.cohorts.simulated_rest import simulate_rest
from neurospect.preprocess.neuromark import neuromark_components
from neurospect.preprocess.stand_in_template import stand_in_template
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    settings = dict(snakemake.params.settings)
    with recorded_job(snakemake):
        voxel_mm = settings.pop("voxel_mm")
        simulate_rest(
            Path(snakemake.output.record).parent,
            stand_in_template(voxel_mm=voxel_mm, fwhm_mm=snakemake.params.fwhm_mm),
            domains=neuromark_components()["domain"].to_list(),
            **settings,
        )


if "snakemake" in globals():
    main(globals()["snakemake"])
