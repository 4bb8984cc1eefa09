"""Draw the gradient spectra of one training, and write the numbers drawn."""

from typing import Any

from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.tables import write_table
from neurospect.figures.saving import save_figure
from neurospect.figures.trajectories import trajectory_figure
from neurospect.figures.trajectory_table import TRAJECTORY_COLUMNS, trajectory_table
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    output = snakemake.output
    with recorded_job(snakemake) as job:
        spectra = read_datatree(snakemake.input.spectra)
        figure = trajectory_figure(spectra, title=snakemake.params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)
        write_table(output.table, trajectory_table(spectra), TRAJECTORY_COLUMNS)


if "snakemake" in globals():
    main(globals()["snakemake"])
