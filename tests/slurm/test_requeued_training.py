"""A training that Slurm stops and starts again ends with the bits of one that was left alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from submitted_workflow import (
    clean_environment,
    copy_of_the_repository,
    snakemake_on_slurm,
    submitted_job_ids,
)

CONFIG = """\
experiments: [mnist_mlp]
prepare: []
cohorts: {mnist: {per_class: 100}}
overrides:
  mnist_mlp:
    training: {epochs: 500, checkpoint_every: 20}
    permutation: {permutations: 39, steps: 6, blocks_per_group: 6}
"""
PANEL = Path("results/mnist/mnist_mlp/A/seed-0")
MADE = ("model.pt", "history.tsv", "spectra.nc", "block_gradients.nc")


def _job_waits_or_runs() -> list[str]:
    said = subprocess.run(
        ["squeue", "--noheader", "--format=%A %T"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.1)


@pytest.mark.slurm
@pytest.mark.slow
def test_a_training_that_is_requeued_ends_with_the_same_bits(slurm: Path, tmp_path: Path) -> None:
    alone = copy_of_the_repository(tmp_path / "alone")
    (alone / "long.yaml").write_text(CONFIG)
    environment = {**clean_environment(alone), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--cores", "1"]
    subprocess.run(
        [*command, "--configfile", "long.yaml", "--", str(PANEL / "model.pt")],
        cwd=alone, env=environment, check=True, capture_output=True, timeout=300,
    )  # fmt: skip

    # The same prepared cohort and splits; only the training is left to do.
    disturbed = tmp_path / "disturbed"
    shutil.copytree(alone, disturbed, ignore=shutil.ignore_patterns(".snakemake"))
    shutil.rmtree(disturbed / PANEL)
    run = subprocess.Popen(
        snakemake_on_slurm(["long.yaml"], [str(PANEL / "model.pt")]),
        cwd=disturbed,
        env={**clean_environment(disturbed), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_for(disturbed / PANEL / "unfinished_training.pt")
        job, state = _job_waits_or_runs()
        assert state == "RUNNING"
        subprocess.run(["scontrol", "requeue", job], check=True)
        while _job_waits_or_runs()[1:] != ["PENDING"]:
            time.sleep(0.1)
        first_log = (disturbed / PANEL / "train.log").read_text()
        # Slurm lets a job that it put back wait for two minutes.
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
        said, _ = run.communicate(timeout=300)
    finally:
        run.kill()
    assert run.returncode == 0, said
    assert submitted_job_ids(said) == [job], said
    assert "done" not in first_log
    assert "going on from" in (disturbed / PANEL / "train.log").read_text()
    for name in MADE:
        assert (disturbed / PANEL / name).read_bytes() == (alone / PANEL / name).read_bytes(), name
    records = [
        json.loads((root / PANEL / "train.record.json").read_text()) for root in (alone, disturbed)
    ]
    assert records[0]["recipe"] == records[1]["recipe"]
    assert records[1]["run"]["slurm_job_id"] == job
    assert not os.path.lexists(disturbed / PANEL / "unfinished_training.pt")
