"""Draw the quality of a cohort's components, and list every participant."""

from typing import Any

from neurospect.arrays.atomic import write_text
from neurospect.arrays.exclusions import read_exclusions
from neurospect.arrays.tables import read_table
from neurospect.figures.component_quality import component_quality
from neurospect.figures.quality_page import quality_html
from neurospect.figures.saving import save_figure
from neurospect.provenance.job import recorded_job

TEXT = ["participant_id", "domain", "label", "notes"]


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    with recorded_job(snakemake) as job:
        quality = read_table(inputs.quality, required=TEXT[:3], text=TEXT)
        participants = read_table(inputs.participants, required=TEXT[:1], text=TEXT)
        excluded = read_exclusions([inputs.excluded])
        said = {"title": params.title, "method": params.method}
        figure = component_quality(quality, participants, excluded, **said)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)
        write_text(output.page, quality_html(quality, participants, excluded, **said))


if "snakemake" in globals():
    main(globals()["snakemake"])
