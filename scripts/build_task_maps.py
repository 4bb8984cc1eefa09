"""Read the task maps of a batch of participants, each z-scored inside the mask."""

from pathlib import Path
from typing import Any

from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.cohorts.hcp_layout import cohort_folder
from neurospect.preprocess.task_map_batches import write_task_maps
from neurospect.preprocess.task_maps import build_task_maps, task_map_grid
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, params = snakemake.input, snakemake.params
    with recorded_job(snakemake):
        files = iter(map(Path, inputs.maps))
        examples = [
            TaskMapFiles(
                each["participant_id"],
                each["task"],
                each["contrast"],
                tuple(next(files) for _ in range(each["files"])),
                each["negated"],
            )
            for each in params.examples
        ]
        grid, _ = task_map_grid(inputs.get("mask"), inputs.maps)
        folder = cohort_folder(Path(inputs.maps[0]))
        batch = build_task_maps(examples, grid, dtype=params.dtype, folder=folder)
        write_task_maps(Path(snakemake.output.maps).parent, batch)


if "snakemake" in globals():
    main(globals()["snakemake"])
