"""Draw gradients over time steps, tokens or kernel positions, and write the numbers drawn."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.tables import write_table
from neurospect.figures.saving import save_figure
from neurospect.figures.tie_figure import TIE_COLUMNS, tie_figure, tie_table
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    output = snakemake.output
    with recorded_job(snakemake) as job:
        spectra = read_datatree(snakemake.input.spectra)
        figure = tie_figure(spectra, title=snakemake.params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)
        write_table(output.table, tie_table(spectra), TIE_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
