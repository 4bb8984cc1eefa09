"""Figure 1, from raw file to figure, made on a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from submitted_workflow import (
    clean_environment,
    copy_of_the_repository,
    run_workflow_on_slurm,
    submitted_job_ids,
)

CONFIGFILES = ["tests/workflow/tiny.yaml"]

# Too light for a job of its own: what snakemake runs where it runs itself.
LIGHT_RULES = {"trace_figure"}


@pytest.mark.slurm
@pytest.mark.slow
def test_figure_one_is_made_by_submitted_jobs_and_passes_its_audit(
    slurm: Path, tmp_path: Path
) -> None:
    repository = copy_of_the_repository(tmp_path / "neurospect")
    run = run_workflow_on_slurm(repository, configfiles=CONFIGFILES)
    assert run.returncode == 0, run.stdout

    records = [
        json.loads(path.read_text()) for path in (repository / "results").rglob("*.record.json")
    ]
    made = [output["path"] for record in records for output in record["outputs"]]
    assert any(path.endswith(".png") for path in made), made
    submitted = set(submitted_job_ids(run.stdout))
    elsewhere = {
        record["rule"] for record in records if record["run"]["slurm_job_id"] not in submitted
    }
    assert elsewhere <= LIGHT_RULES

    neurospect = Path(sys.executable).with_name("neurospect")
    audit = subprocess.run(
        [neurospect, "audit", "results"],
        cwd=repository,
        env=clean_environment(repository),
        capture_output=True,
        text=True,
        check=False,
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr
