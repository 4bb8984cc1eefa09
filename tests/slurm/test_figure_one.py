"""Figure 1, from raw file to figure, made on a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from submitted_workflow import run_on_slurm, submitted_job_ids

from checkout import Checkout

# Too light for a job of its own: what snakemake runs where it runs itself.
LIGHT_RULES = {"trace_figure"}


@pytest.mark.slurm
@pytest.mark.slow
def test_figure_one_is_made_by_submitted_jobs_and_passes_its_audit(
    slurm: Path, fresh_checkout: Checkout
) -> None:
    run = run_on_slurm(fresh_checkout, configs=("tests/workflow/tiny.yaml",))
    assert run.returncode == 0, run.stdout

    records = [
        json.loads(path.read_text())
        for path in (fresh_checkout.root / "results").rglob("*.record.json")
    ]
    made = [output["path"] for record in records for output in record["outputs"]]
    assert any(path.endswith(".png") for path in made), made
    submitted = set(submitted_job_ids(run.stdout))
    elsewhere = {
        record["rule"] for record in records if record["run"]["slurm_job_id"] not in submitted
    }
    assert elsewhere <= LIGHT_RULES

    audit = fresh_checkout.neurospect("audit", "results")
    assert audit.returncode == 0, audit.stdout + audit.stderr
