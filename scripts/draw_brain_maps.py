"""Draw the mean maps of a decoder through the brain, and a page to look through them."""

from typing import Any

from neurospect.arrays.atomic import write_text
from neurospect.arrays.labelled import read_datatree
from neurospect.figures.mean_brain_maps import mean_brain_figure, mean_brain_page
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    output, title = snakemake.output, snakemake.params.title
    decoder = snakemake.wildcards.decoder
    with recorded_job(snakemake) as job:
        maps = read_datatree(snakemake.input.maps)
        figure = mean_brain_figure(maps, decoder, title=title)
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)
        write_text(output.page, mean_brain_page(maps, decoder, title=f"{title}: {decoder}"))


if "snakemake" in globals():
    main(globals()["snakemake"])
