"""Draw the mean maps of a cohort's components, by domain."""

from typing import Any

from neurospect.arrays.numpy_files import open_array
from neurospect.arrays.tables import read_table
from neurospect.arrays.voxel_grid import read_voxel_grid
from neurospect.figures.component_mosaics import component_mosaics
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job

TEXT = ["domain", "label"]


def main(snakemake: Any) -> None:
    inputs, output = snakemake.input, snakemake.output
    with recorded_job(snakemake) as job:
        figure = component_mosaics(
            open_array(inputs.mean_maps),
            read_voxel_grid(inputs.mask),
            read_table(inputs.components, required=["component", *TEXT], text=TEXT),
            title=snakemake.params.title,
        )
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)


if "snakemake" in globals():
    main(globals()["snakemake"])
