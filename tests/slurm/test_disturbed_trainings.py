"""Trainings that Slurm stops and starts again end with the bits of ones that were left alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from local_cluster import lost_node
from submitted_workflow import PROFILE, snakemake_on_slurm, submitted_job_ids
from waiting import comes_true

from checkout import SNAKEMAKE, Checkout, copy_repository

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

CONFIG = """\
experiments: [mnist_mlp]
prepare: []
cohorts: {mnist: {per_class: 100}}
overrides:
  mnist_mlp:
    training: {epochs: 500, checkpoint_every: 10}
    permutation: {permutations: 39, steps: 6, blocks_per_group: 6}
"""
SETTINGS = "long.yaml"
FOLDERS = [Path(f"results/mnist/mnist_mlp/A/seed-{seed}") for seed in range(2)]
MADE = ("model.pt", "history.tsv", "spectra.nc", "block_gradients.nc")

# Snakemake asks after so many seconds how jobs have ended, then ever more rarely.
FIRST_QUESTION = "--slurm-init-seconds-before-status-checks=12"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Two finished trainings, made without Slurm."""
    checkout = copy_repository(tmp_path_factory.mktemp("undisturbed") / "neurospect")
    (checkout.root / SETTINGS).write_text(CONFIG)
    models = [str(folder / "model.pt") for folder in FOLDERS]
    run = checkout.run([*SNAKEMAKE, "--cores", "2", "--configfile", SETTINGS, "--", *models])
    assert run.returncode == 0, run.stdout
    return checkout


@pytest.fixture
def untrained(undisturbed: Checkout, tmp_path: Path) -> Checkout:
    """The same prepared cohort and splits; only the trainings are left to do."""
    root = tmp_path / "neurospect"
    shutil.copytree(undisturbed.root, root, ignore=shutil.ignore_patterns(".snakemake", "seed-*"))
    return Checkout(root)


def _start_training(checkout: Checkout, folders: list[Path]) -> subprocess.Popen[str]:
    """Start the workflow on Slurm; return once every training has left a checkpoint."""
    models = [str(folder / "model.pt") for folder in folders]
    command = snakemake_on_slurm(FIRST_QUESTION, "--", *models, configs=(SETTINGS,))
    run = checkout.start(command)
    unfinished = [checkout.root / folder / "unfinished_training.pt" for folder in folders]
    assert comes_true(lambda: all(file.exists() for file in unfinished)), run.poll()
    return run


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _jobs() -> dict[str, str]:
    """The node of each running job, and nothing for one that waits."""
    rows = [line.split() for line in _ask("squeue", "--noheader", "--format=%A %N").splitlines()]
    return {job: "".join(node) for job, *node in rows}


def _wait_until_back_in_the_queue(job: str) -> None:
    assert comes_true(lambda: not _jobs()[job])


def _start_now(*jobs: str) -> None:
    # Slurm lets a job that it put back wait for two minutes.
    for job in jobs:
        _ask("scontrol", "update", f"JobId={job}", "StartTime=now")


def _finish(run: subprocess.Popen[str], jobs: set[str]) -> None:
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    # None was given up and handed in anew: each went on under its own number.
    assert set(submitted_job_ids(said)) == jobs, said


def _went_on_to_the_same_bytes(checkout: Checkout, undisturbed: Checkout, folder: Path) -> None:
    here, there = checkout.root / folder, undisturbed.root / folder
    assert "going on from" in (here / "train.log").read_text()
    for name in MADE:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name
    assert {path.name for path in here.iterdir()} == {path.name for path in there.iterdir()}
    records = [json.loads((root / "train.record.json").read_text()) for root in (here, there)]
    assert records[0]["recipe"] == records[1]["recipe"]


def test_a_training_that_a_more_urgent_job_displaces_ends_with_the_same_bits(
    slurm: Path, untrained: Checkout, undisturbed: Checkout
) -> None:
    folder = FOLDERS[0]
    run = _start_training(untrained, [folder])
    try:
        (job,) = _jobs()
        seen = untrained.root / "seen"
        _ask(
            *("sbatch", "--partition=urgent", "--exclusive", f"--output={seen}"),
            f"--wrap=ls -A {untrained.root / folder}",
        )
        assert comes_true(lambda: seen.exists() and _jobs() == {job: ""})
        (slurm_log,) = untrained.root.rglob(f".snakemake/slurm_logs/**/{job}.log")
        assert "DUE TO PREEMPTION" in slurm_log.read_text()
        assert "done" not in (untrained.root / folder / "train.log").read_text()
        _start_now(job)
        _finish(run, {job})
    finally:
        run.kill()
    # When it was displaced, there was the checkpoint, and no output yet.
    assert "unfinished_training.pt" in seen.read_text().split()
    assert not set(MADE) & set(seen.read_text().split())
    _went_on_to_the_same_bytes(untrained, undisturbed, folder)


def test_trainings_on_two_nodes_end_with_the_same_bits_though_one_node_dies(
    slurm: Path, untrained: Checkout, undisturbed: Checkout
) -> None:
    profile = untrained.root / PROFILE / "config.yaml"
    spread, lines = re.subn(r'# (slurm_partition: )"short"', r'\1"both"', profile.read_text())
    assert lines == 1
    profile.write_text(spread)
    run = _start_training(untrained, FOLDERS)
    try:
        jobs = _jobs()
        assert sorted(jobs.values()) == ["one", "two"]
        (here,), (there,) = ([job for job in jobs if jobs[job] == node] for node in ("one", "two"))
        _ask("scontrol", "requeue", here)
        with lost_node(slurm, "two"):
            _wait_until_back_in_the_queue(there)
            _start_now(here, there)
            _finish(run, set(jobs))
    finally:
        run.kill()
    for folder in FOLDERS:
        _went_on_to_the_same_bytes(untrained, undisturbed, folder)
