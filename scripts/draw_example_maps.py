"""Draw the maps of the first test example of each class, of all decoders."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.figures.example_maps import example_maps_figure
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        maps = map(read_datatree, inputs.maps)
        figure = example_maps_figure(
            dict(zip(params.decoders, maps, strict=True)), title=params.title
        )
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)


if "snakemake" in globals():
    main(globals()["snakemake"])
