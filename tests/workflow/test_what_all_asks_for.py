"""What `all` asks for, so that a run makes again whatever of it was lost."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from checkout import REPOSITORY

# Every rule has a job.
CONFIG = {
    "experiments": ["sinusoid_rnn", "freesurfer_mlp", "saliency_synthetic", "saliency_hcp"],
    "prepare": ["simulated-rest"],
    "seeds": [0, 1],
    "cohorts": {
        "simulated-rest": {"participants": 14},
        "simulated-freesurfer": {"participants": 16},
        "simulated-hcp": {"participants": 14},
    },
    "overrides": {
        "sinusoid_rnn": {"spectra": {"over_ties": True}, "permutation": {"retrainings": 39}},
        "freesurfer_mlp": {"cohort": "simulated-freesurfer"},
        "saliency_synthetic": {"criteria": {"temperatures": [1.0, 10.0]}},
        "saliency_hcp": {"cohort": "simulated-hcp"},
    },
}
# Users may want the room that these take, once all was gathered.
PARTS = {"extract_components", "build_task_maps", "retrain"}
RAW = {"simulate_rest", "simulate_freesurfer", "simulate_hcp"}


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The workflow with all its jobs, as Snakemake plans them."""
    file = tmp_path_factory.mktemp("planned") / "config.yaml"
    file.write_text(yaml.safe_dump({**CONFIG, "results": str(file.with_name("results"))}))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        planned = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=REPOSITORY / "workflow/Snakefile",
            workdir=REPOSITORY,
        )
        planned.dag().execute_workflow(executor="dryrun")
        return planned._workflow


def test_all_asks_for_all_that_is_made_but_for_raw_data_and_the_parts_of_what_was_gathered(
    workflow: Any,
):
    jobs = list(workflow.dag.jobs)
    asked = {str(file) for job in jobs if job.rule.name == "all" for file in job.input}
    not_asked = {job.rule.name for job in jobs if not asked.issuperset(map(str, job.output))}
    assert not_asked == PARTS | RAW


def test_the_plan_of_that_test_has_jobs_of_every_rule(workflow: Any):
    planned = {job.rule.name for job in workflow.dag.jobs}
    assert planned == {rule.name for rule in workflow.rules}


def test_all_asks_for_nothing_twice(workflow: Any):
    (everything,) = (job for job in workflow.dag.jobs if job.rule.name == "all")
    assert len(set(everything.input)) == len(everything.input)
