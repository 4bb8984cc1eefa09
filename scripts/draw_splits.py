"""Draw training, validation and test: sizes, families and classes."""

from typing import Any

from neurospect.cohorts.cohort import read_participants
from neurospect.figures.family_splits import family_split_figure
from neurospect.figures.saving import save_figure
from neurospect.preprocess.splits import read_splits
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, output = snakemake.input, snakemake.output
    with recorded_job(snakemake) as job:
        participants, description = read_participants(inputs.participants, inputs.description)
        families = description.get("FamilyColumns", [])
        splits = read_splits(inputs.splits, participants, families)
        figure = family_split_figure(splits, participants, title=snakemake.params.title)
        save_figure(figure, [output.png, output.svg, output.pdf], job.recipe)


if "snakemake" in globals():
    main(globals()["snakemake"])
