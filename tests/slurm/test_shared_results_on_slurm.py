"""Results that copies of the repository share, through jobs of a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from submitted_workflow import run_on_slurm, submitted_job_ids

from checkout import SINUSOID, Sharing, copy_repository

TABLE = "results/sinusoid/prepared/participants.tsv"
RECORD = "results/sinusoid/prepared/prepare_cohort.record.json"


@pytest.mark.slurm
def test_a_submitted_job_obtains_what_another_copy_has_shared(slurm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    submitted = []
    for name in ("first", "second"):
        copy = Sharing(copy_repository(tmp_path / name).root, str(folder))
        run = run_on_slurm(copy, "--cache", "prepare_cohort", "--", TABLE, configs=(SINUSOID,))
        assert run.returncode == 0, run.stdout
        submitted += submitted_job_ids(run.stdout)
        assert (copy.root / TABLE).is_symlink()
    assert len(submitted) == 2
    record = json.loads((tmp_path / "second" / RECORD).read_text())
    assert record["run"]["slurm_job_id"] == submitted[0], "computed once, by the first copy's job"
