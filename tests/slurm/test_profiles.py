"""What the two profiles promise, each kept by a real run."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from submitted_workflow import PROFILE, run_on_slurm, snakemake_on_slurm, submitted_job_ids
from waiting import comes_true

from checkout import REPOSITORY, SNAKEMAKE, Checkout

DEFAULT_PROFILE = "workflow/profiles/default"

# Every step adds a line: its name and, inside a job, the job's id and devices.
THREE_STEPS = """
ME = "${{SLURM_JOB_ID:-nowhere}} ${{CUDA_VISIBLE_DEVICES:-none}}"

rule report:
    input: "results/trained.txt"
    output: "results/report.txt"
    shell: "cp {input} {output}; echo report " + ME + " >> {output}; echo said by report"

rule train:
    input: "results/prepared.txt"
    output: "results/trained.txt"
    threads: 2
    shell: "cp {input} {output}; echo train " + ME + " >> {output}; echo said by train"

rule prepare:
    input: "raw.txt"
    output: "results/prepared.txt"
    shell: "wc -c < {input} > {output}; echo prepare " + ME + " >> {output}; echo said by prepare"
"""

# Holds 450 MB for long enough to be seen.
HUNGRY_STEP = f"""
rule hungry:
    output: "results/eaten.txt"
    resources: mem_mb=lambda wildcards, attempt: 400 * attempt
    shell: "{sys.executable} -c 'held = bytearray(450_000_000); import time; time.sleep(4)';"
           " touch {{output}}"
"""

FAILING_STEPS = """
rule mended:
    input: "results/first.txt"
    output: "results/second.txt"
    shell: "echo looking for $((6 * 7)) keys; cp key.txt {output}"

rule first:
    output: "results/first.txt"
    shell: "echo $SLURM_JOB_ID > {output}"
"""

# Each half asks for more than half of the node, so that one of them waits.
ENDLESS_STEPS = """
rule both:
    input: expand("results/{half}.txt", half=["one", "other"])

rule endless:
    output: "results/{half}.txt"
    resources: mem_mb=40000
    shell: "touch results/begun; sleep 600; touch {output}"
"""

TOGETHER = """
rule all:
    input: expand("results/{kind}-{part}.txt", kind=["drawn", "trained"], part=range(4))

rule draw_trajectories:
    output: "results/drawn-{part}.txt"
    shell: "echo $SLURM_JOB_ID > {output}"

rule train:
    output: "results/trained-{part}.txt"
    shell: "echo $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID > {output}; echo said by {wildcards.part}"
"""


def _workflow(folder: Path, snakefile: str) -> Checkout:
    shutil.copytree(REPOSITORY / "workflow/profiles", folder / "workflow/profiles")
    (folder / "workflow/Snakefile").write_text(snakefile)
    # Over a megabyte: from there on Snakemake by itself goes by a file's time alone.
    (folder / "raw.txt").write_bytes(b"x" * 1_500_000)
    return Checkout(folder)


def _options(profile: Path) -> dict[str, object]:
    options = yaml.safe_load((profile / "config.yaml").read_text())
    assert isinstance(options, dict)
    return options


def _request(job: str) -> dict[str, str]:
    shown = subprocess.run(
        ["scontrol", "show", "job", "--oneliner", job], capture_output=True, text=True, check=True
    )
    return dict(field.split("=", 1) for field in shown.stdout.split() if "=" in field)


def _slurm_log(workdir: Path, job: str) -> str:
    (log,) = (workdir / ".snakemake/slurm_logs").rglob(f"{job}.log")
    return log.read_text()


@pytest.fixture
def run_here(tmp_path: Path) -> Callable[..., str]:
    """Run three steps on this machine with the default profile; return what snakemake said."""
    checkout = _workflow(tmp_path, THREE_STEPS)

    def run(*options: str) -> str:
        finished = checkout.run([*SNAKEMAKE, *options], timeout=120)
        assert finished.returncode == 0, finished.stdout
        return finished.stdout

    return run


def test_both_profiles_mean_the_same_by_stale() -> None:
    shared = _options(REPOSITORY / DEFAULT_PROFILE)
    del shared["cores"]
    on_slurm = _options(REPOSITORY / PROFILE)
    assert shared == {name: on_slurm.get(name) for name in shared}


def test_the_default_profile_is_found_by_itself_and_remakes_nothing_for_a_new_time_or_new_code(
    run_here: Callable[..., str], tmp_path: Path
) -> None:
    run_here()
    assert (tmp_path / "results/report.txt").exists()
    (tmp_path / "raw.txt").touch()
    snakefile = tmp_path / "workflow/Snakefile"
    snakefile.write_text(snakefile.read_text().replace("said by", "now said by"))
    assert "Nothing to be done" in run_here()
    assert "Nothing to be done" not in run_here("--dry-run", "--workflow-profile", "none")


def test_the_default_profile_remakes_what_new_bytes_make_stale(
    run_here: Callable[..., str], tmp_path: Path
) -> None:
    run_here()
    (tmp_path / "raw.txt").write_bytes(b"y" * 1_500_001)
    run_here()
    assert (tmp_path / "results/report.txt").read_text().splitlines()[0].strip() == "1500001"


@pytest.mark.slurm
def test_every_rule_runs_as_a_job_with_what_the_profile_asks_for(
    slurm: Path, tmp_path: Path
) -> None:
    run = run_on_slurm(_workflow(tmp_path, THREE_STEPS))
    assert run.returncode == 0, run.stdout
    jobs = submitted_job_ids(run.stdout)
    rows = [line.split() for line in (tmp_path / "results/report.txt").read_text().splitlines()]
    assert rows[1:] == [
        [rule, job, "none"] for rule, job in zip(("prepare", "train", "report"), jobs, strict=True)
    ]
    requests = [_request(job) for job in jobs]
    assert [request["MinMemoryNode"] for request in requests] == ["4000M", "8000M", "4000M"]
    assert [request["TimeLimit"] for request in requests] == ["02:00:00", "04:00:00", "02:00:00"]
    assert [request["NumCPUs"] for request in requests] == ["1", "2", "1"]
    assert [request["Requeue"] for request in requests] == ["1"] * 3
    for rule, job in zip(("prepare", "train", "report"), jobs, strict=True):
        assert f"said by {rule}" in _slurm_log(tmp_path, job)


@pytest.mark.slurm
def test_the_gpu_example_gives_a_device_to_train_alone(slurm: Path, tmp_path: Path) -> None:
    checkout = _workflow(tmp_path, THREE_STEPS)
    profile = tmp_path / PROFILE / "config.yaml"
    uncommented, lines = re.subn(r"(?m)^(    )# (?=\w+: )", r"\1", profile.read_text())
    assert lines == 2
    profile.write_text(uncommented)
    run = run_on_slurm(checkout, "--", "results/trained.txt")
    assert run.returncode == 0, run.stdout
    prepare, train = (
        line.split() for line in (tmp_path / "results/trained.txt").read_text().splitlines()[1:]
    )
    assert prepare[2] == "none"
    assert train[2] in {"0", "1"}
    assert _request(train[1])["Partition"] == "gpu"


@pytest.mark.slurm
def test_a_job_killed_for_memory_comes_back_asking_for_more(slurm: Path, tmp_path: Path) -> None:
    run = run_on_slurm(_workflow(tmp_path, HUNGRY_STEP))
    assert run.returncode == 0, run.stdout
    first, second = submitted_job_ids(run.stdout)
    assert "exceeded memory limit" in _slurm_log(tmp_path, first)
    requests = [_request(first), _request(second)]
    assert [request["MinMemoryNode"] for request in requests] == ["400M", "800M"]
    # The rule says nothing about time: that growth is the profile's own.
    assert [request["TimeLimit"] for request in requests] == ["02:00:00", "04:00:00"]


@pytest.mark.slurm
def test_a_failure_shows_its_log_and_the_next_run_makes_only_what_is_missing(
    slurm: Path, tmp_path: Path
) -> None:
    checkout = _workflow(tmp_path, FAILING_STEPS)
    failed = run_on_slurm(checkout, "--retries=0")
    assert failed.returncode != 0
    assert "looking for 42 keys" in failed.stdout
    (tmp_path / "key.txt").write_text("found")
    mended = run_on_slurm(checkout)
    assert mended.returncode == 0, mended.stdout
    assert len(submitted_job_ids(mended.stdout)) == 1
    assert (tmp_path / "results/second.txt").read_text() == "found"


@pytest.mark.slurm
def test_equal_steps_go_as_one_array_and_short_ones_as_one_job(slurm: Path, tmp_path: Path) -> None:
    checkout = _workflow(tmp_path, TOGETHER)
    profile = tmp_path / PROFILE / "config.yaml"
    examples = r"# (?=slurm-array-jobs:|groups:|group-components:|  draw)"
    uncommented, lines = re.subn(rf"(?m)^{examples}", "", profile.read_text())
    assert lines == 6
    profile.write_text(uncommented)
    run = run_on_slurm(checkout)
    assert run.returncode == 0, run.stdout
    drawn = {(tmp_path / f"results/drawn-{part}.txt").read_text() for part in range(4)}
    assert len(drawn) == 1, drawn
    trained = [(tmp_path / f"results/trained-{part}.txt").read_text().split() for part in range(4)]
    (array,) = {job for job, _ in trained}
    assert sorted(task for _, task in trained) == ["1", "2", "3", "4"]
    logs = {
        path.name: path.read_text() for path in tmp_path.rglob(".snakemake/slurm_logs/**/*.log")
    }
    for part, (_, task) in enumerate(trained):
        assert f"said by {part}" in logs[f"{array}_{task}.log"]


@pytest.mark.slurm
def test_interrupting_the_run_leaves_no_job_running_or_waiting(slurm: Path, tmp_path: Path) -> None:
    run = _workflow(tmp_path, ENDLESS_STEPS).start(snakemake_on_slurm())
    try:
        assert comes_true((tmp_path / "results/begun").exists)
        run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=120)
    finally:
        run.kill()
    jobs = submitted_job_ids(said)
    assert len(jobs) == 2, said
    assert [_request(job)["JobState"] for job in jobs] == ["CANCELLED"] * 2
    left = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True)
    assert left.stdout == ""
