"""Draw where and when two groups' gradient spectra differ."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.figures.difference_figure import difference_figure
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job

TEXT = ["weight", "group_a", "group_b"]


def main(snakemake: Any) -> None:
    inputs, output = snakemake.input, snakemake.output
    with recorded_job(snakemake) as job:
        figure = difference_figure(
            read_table(inputs.permutation_test, required=TEXT, text=TEXT),
            read_table(inputs.t_tests, required=TEXT, text=TEXT),
            clusters=read_table(inputs.clusters, required=TEXT, text=TEXT, may_be_empty=True),
            cells=read_table(inputs.cluster_cells, required=TEXT, text=TEXT),
            weights=read_table(inputs.weights, required=TEXT, text=TEXT),
            title=snakemake.params.title,
        )
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)


if "snakemake" in globals():
    main(globals()["snakemake"])
