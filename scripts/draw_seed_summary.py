"""Draw what all seeds of a comparison say together."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.figures.saving import save_figure
from neurospect.figures.seed_summary_figure import seed_summary_figure
from neurospect.provenance.job import recorded_job

TEXT = ["weight", "group_a", "group_b"]


def main(snakemake: Any) -> None:
    inputs, output = snakemake.input, snakemake.output
    with recorded_job(snakemake) as job:
        figure = seed_summary_figure(
            read_table(inputs.summary, required=TEXT, text=TEXT),
            [read_table(path, required=TEXT, text=TEXT) for path in inputs.weights],
            title=snakemake.params.title,
        )
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)


if "snakemake" in globals():
    main(globals()["snakemake"])
