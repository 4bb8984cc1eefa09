"""Files beside the data that decide what a step makes are its inputs, and stand in its record."""

from __future__ import annotations

from pathlib import Path

from checkout import Checkout
from neurospect.provenance.record import read_record

SOURCE = "results/simulated-freesurfer/source"
PREPARED = "results/simulated-freesurfer/prepared"
BATCH = "results/simulated-hcp/task_maps/batch-0"
CONFIG = """
experiments: []
prepare: [simulated-freesurfer, simulated-hcp]
cohorts:
  simulated-freesurfer: {participants: 16, covariates: [age, sex, site]}
  simulated-hcp: {participants: 14, voxel_mm: 8.0}
"""


def test_what_columns_hold_and_lists_of_contrasts_are_inputs(fresh_checkout: Checkout):
    (fresh_checkout.root / "both.yaml").write_text(CONFIG)
    targets = f"{PREPARED}/array.npy", f"{BATCH}/maps.npy"
    run = fresh_checkout.snakemake("--", *targets, configs=("both.yaml",))
    assert run.returncode == 0, run.stdout
    volumes, maps = (
        [file.path for file in read_record(fresh_checkout.root / record).inputs]
        for record in (
            f"{PREPARED}/prepare_cohort.record.json",
            f"{BATCH}/build_task_maps.record.json",
        )
    )
    assert f"{SOURCE}/participants.json" in volumes
    lists = {Path(path).parent for path in maps if path.endswith("/Contrasts.txt")}
    assert lists == {Path(path).parents[2] for path in maps if path.endswith(".nii.gz")}
    assert len(lists) == 7 * 14
