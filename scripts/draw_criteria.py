"""Draw the criteria of all decoders and methods, over seeds."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.figures.criteria_bars import criteria_bars
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job
from neurospect.stats.criteria_tests import LETTERS, LETTERS_MEAN
from neurospect.stats.over_seeds import with_standard_error

TEXT = ["decoder", "method", "criterion", "seed", "split", LETTERS]


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        summary = read_table(inputs.summary, text=TEXT)
        scores = read_table(inputs.scores, text=TEXT)
        accuracy = read_table(inputs.accuracy, text=TEXT)
        figure = criteria_bars(
            with_standard_error(summary, "correlation"),
            scores.rename(columns={"correlation": "value"}),
            accuracy[accuracy["split"] == "test"],
            letters_mean=LETTERS_MEAN,
            title=params.title,
        )
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
