"""Draw what decoders lose with the values that their maps rank high, or low."""

from typing import Any

import pandas as pd

from neurospect.arrays.tables import read_table
from neurospect.figures.removal_curves import removal_figure
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job
from neurospect.stats.over_seeds import with_standard_error

TEXT = ["decoder", "method", "mode", "removed"]


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        retrained = with_standard_error(read_table(inputs.retraining, text=TEXT), "accuracy")
        curves = with_standard_error(read_table(inputs.curves, text=TEXT), "probability")
        table = pd.concat(
            [
                curves.rename(columns={"mode": "curve"}),
                retrained.rename(columns={"removed": "curve"}),
            ],
            ignore_index=True,
        )
        figure = removal_figure(table, title=params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
