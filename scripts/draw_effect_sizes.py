"""Draw how large the spectral difference of two groups is, with its interval."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.figures.effect_size_figure import effect_size_figure
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job

TEXT = ["weight", "group_a", "group_b"]


def main(snakemake: Any) -> None:
    inputs, output = snakemake.input, snakemake.output
    with recorded_job(snakemake) as job:
        figure = effect_size_figure(
            read_table(inputs.effect_sizes, required=TEXT, text=TEXT),
            read_table(inputs.weights, required=TEXT, text=TEXT),
            title=snakemake.params.title,
        )
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
