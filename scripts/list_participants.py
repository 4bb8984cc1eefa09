"""List how many participants there are of each class, and who was left out."""

from typing import Any

from neurospect.arrays.atomic import write_text
from neurospect.arrays.exclusions import read_exclusions
from neurospect.cohorts.cohort import read_participants
from neurospect.figures.quality_page import participants_html
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs = snakemake.input
    with recorded_job(snakemake):
        participants, description = read_participants(inputs.participants, inputs.description)
        page = participants_html(
            participants,
            read_exclusions([inputs.excluded]),
            classes=description["ClassColumns"],
            title=snakemake.params.title,
        )
        write_text(snakemake.output.page, page)


if "snakemake" in globals():
    main(globals()["snakemake"])
