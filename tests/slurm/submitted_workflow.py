"""Runs a workflow through sbatch, with the profile that the project ships."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PROFILE = "workflow/profiles/slurm"

# The tests' cluster keeps no accounts, so squeue is asked, and soon, since the jobs are short.
OVERRIDES = (
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=8",
    "--latency-wait=10",
)


def run_workflow_on_slurm(
    workdir: Path,
    configfiles: Iterable[Path | str] = (),
    targets: Iterable[str] = (),
    options: Iterable[str] = (),
    timeout: float = 1800,
) -> subprocess.CompletedProcess[str]:
    """Run the workflow in `workdir` with its own Slurm profile, every job through sbatch.

    Parameters
    ----------
    workdir
        Holds `workflow/Snakefile` and `workflow/profiles/slurm`. Where it also holds `src`, the
        jobs import the library from there.
    configfiles
        Configuration files, the later over the earlier, relative to `workdir` or absolute.
    targets
        Rules or files to make; none means the workflow's default.
    options
        Further options of snakemake.
    timeout
        Seconds until the run counts as stuck.

    Returns
    -------
    subprocess.CompletedProcess
        Exit status, and in `stdout` all that snakemake said.
    """
    return subprocess.run(
        snakemake_on_slurm(configfiles, targets, options),
        cwd=workdir,
        env=clean_environment(workdir),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def snakemake_on_slurm(
    configfiles: Iterable[Path | str] = (),
    targets: Iterable[str] = (),
    options: Iterable[str] = (),
) -> list[str]:
    """Return the command line that `run_workflow_on_slurm` runs."""
    files = [str(file) for file in configfiles]
    return [
        *(sys.executable, "-m", "snakemake", "--nocolor", "--workflow-profile", PROFILE),
        *OVERRIDES,
        *(["--configfile", *files] if files else []),
        *options,
        "--",
        *targets,
    ]


def clean_environment(workdir: Path) -> dict[str, str]:
    """Return the environment without a person's own Snakemake settings.

    The library is imported from `workdir` where that holds one.
    """
    environment = {name: value for name, value in os.environ.items() if "SNAKEMAKE" not in name}
    if (workdir / "src").is_dir():
        environment["PYTHONPATH"] = str(workdir / "src")
    return environment


def submitted_job_ids(said: str) -> list[str]:
    """Return the Slurm ids of the jobs that a run says it has submitted, in order."""
    return re.findall(r"submitted with SLURM jobid (\d+)", said)


def copy_of_the_repository(folder: Path) -> Path:
    """Copy what git tracks, as it stands in the working tree, into a new folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, folder / name)
    return folder
