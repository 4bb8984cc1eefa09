"""Join the batches of components into a cohort, with quality and what was left out."""

from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS, write_exclusions
from neurospect.arrays.numpy_files import write_array
from neurospect.arrays.tables import write_table
from neurospect.arrays.voxel_grid import read_voxel_grid
from neurospect.cohorts.cohort import write_description
from neurospect.cohorts.rest import describe_rest, rest_participants
from neurospect.preprocess.extracted_components import QUALITY_COLUMNS, read_extracted
from neurospect.preprocess.gathered_components import gather_components
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    cohort = snakemake.wildcards.cohort
    with recorded_job(snakemake):
        grid = read_voxel_grid(inputs.mask)
        found = gather_components(
            read_extracted([Path(path).parent for path in inputs.maps]),
            grid,
            **params.time_courses,
        )
        participants, columns = rest_participants(
            cohort, inputs.participants, params.settings, found.runs
        )
        not_found = pd.DataFrame(params.not_found, columns=list(EXCLUSION_COLUMNS), dtype=str)
        write_table(output.participants, participants, columns)
        write_array(output.time_courses, found.time_courses)
        write_array(output.spatial_maps, found.spatial_maps)
        write_array(output.mean_maps, found.mean_maps)
        write_table(output.quality, found.quality, QUALITY_COLUMNS)
        write_exclusions(output.excluded, pd.concat([not_found, found.exclusions]))
        write_description(
            output.description,
            describe_rest(cohort, columns, grid, params.time_courses, inputs.sidecar),
        )


if "snakemake" in globals():
    main(globals()["snakemake"])
