"""Draw how alike maps stay as what the decoder learned goes."""

from typing import Any

import pandas as pd

from neurospect.arrays.tables import read_table
from neurospect.figures.sanity_figure import MEASURE_WORDS, sanity_figure
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job
from neurospect.stats.over_seeds import with_standard_error

TEXT = ["decoder", "method", "check", "layer"]


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        table = read_table(inputs.checks, text=TEXT)
        table = table[table["check"] != "labels"].rename(columns={"check": "mode"})
        measures = [with_standard_error(table, name).assign(measure=name) for name in MEASURE_WORDS]
        figure = sanity_figure(pd.concat(measures, ignore_index=True), title=params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
