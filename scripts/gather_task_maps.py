"""Join the batches of task maps into one array, with participants and what was left out."""

from pathlib import Path
from typing import Any

import pandas as pd

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS, write_exclusions
from neurospect.arrays.numpy_files import write_array
from neurospect.arrays.tables import write_table
from neurospect.cohorts.cohort import write_description
from neurospect.cohorts.hcp import describe_hcp
from neurospect.cohorts.hcp_participants import PARTICIPANT_COLUMNS, hcp_participants
from neurospect.preprocess.task_map_batches import (
    GATHERED_COLUMNS,
    gather_task_maps,
    mean_of_each_task,
    write_mask,
)
from neurospect.provenance.job import recorded_job


def main(snakemake: Any) -> None:
    inputs, output, params = snakemake.input, snakemake.output, snakemake.params
    with recorded_job(snakemake):
        known, notes = hcp_participants(inputs.unrestricted, inputs.get("restricted"))
        found = gather_task_maps([Path(path).parent for path in inputs.maps], output.task_maps)
        has_maps = known["participant_id"].isin(found.examples["participant_id"])
        participants = known[has_maps].reset_index(drop=True)
        not_found = pd.DataFrame(params.not_found, columns=list(EXCLUSION_COLUMNS), dtype=str)
        write_table(output.participants, participants, PARTICIPANT_COLUMNS)
        write_table(output.examples, found.examples, GATHERED_COLUMNS)
        write_exclusions(output.excluded, pd.concat([not_found, found.exclusions]))
        write_mask(output.mask, found.grid)
        write_array(output.mean_maps, mean_of_each_task(found))
        description = describe_hcp(
            snakemake.wildcards.cohort, participants, notes, found.grid, str(found.maps.dtype)
        )
        write_description(output.description, description)


if "snakemake" in globals():
    main(globals()["snakemake"])
