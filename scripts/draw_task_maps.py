"""Draw the mean task maps of a cohort, and list what was left out."""

from typing import Any

from neurospect.arrays.atomic import write_text
from neurospect.arrays.exclusions import read_exclusions
from neurospect.arrays.numpy_files import open_array
from neurospect.arrays.tables import read_table
from neurospect.arrays.voxel_grid import read_voxel_grid
from neurospect.figures.quality_page import task_map_html
from neurospect.figures.saving import save_figure
from neurospect.figures.task_maps import task_map_figure
from neurospect.provenance.job import recorded_job

TEXT = ["participant_id", "task", "contrast"]


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    with recorded_job(snakemake) as job:
        examples = read_table(inputs.examples, required=TEXT, text=TEXT)
        figure = task_map_figure(
            open_array(inputs.mean_maps),
            read_voxel_grid(inputs.mask),
            sorted(set(examples["task"])),
            title=params.title,
        )
        files = [output.png, output.svg, output.pdf]
        save_figure(figure, files, job.recipe, all_colours=True)
        excluded = read_exclusions([inputs.excluded])
        write_text(output.page, task_map_html(examples, excluded, title=params.title))


if "snakemake" in globals():
    main(globals()["snakemake"])
