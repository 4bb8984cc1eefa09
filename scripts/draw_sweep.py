"""Draw the criteria over weight penalties, or over temperatures."""

from typing import Any

from neurospect.arrays.tables import read_table
from neurospect.figures.penalty_sweep import penalty_sweep
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job
from neurospect.stats.over_seeds import with_standard_error

TEXT = ["decoder", "method", "criterion"]
SETTINGS = {"regularisation": "weight_penalty", "temperatures": "temperature"}


def main(snakemake: Any) -> None:
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    with recorded_job(snakemake) as job:
        table = read_table(inputs.table, text=TEXT)
        setting = SETTINGS[snakemake.wildcards.sweep]
        sweep = with_standard_error(table, "correlation").rename(columns={setting: "value"})
        if "method" not in sweep:
            sweep = sweep.assign(method="gradient")
        figure = penalty_sweep(sweep, setting=setting.removeprefix("weight_"), title=params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
