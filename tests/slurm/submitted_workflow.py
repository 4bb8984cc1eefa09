"""Runs a workflow through sbatch, with the profile that the project ships."""

from __future__ import annotations

import re
import subprocess

from checkout import SNAKEMAKE, Checkout

PROFILE = "workflow/profiles/slurm"

# The tests' cluster keeps no accounts, so squeue is asked, and soon, since the jobs are short.
OVERRIDES = (
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=8",
    "--latency-wait=10",
)


def snakemake_on_slurm(*options: str, configs: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs a workflow with its own Slurm profile, every job by sbatch.

    Parameters
    ----------
    options
        Of snakemake; rules or files to make come last, after `--`.
    configs
        Configuration files, the later over the earlier.
    """
    files = ("--configfile", *configs) if configs else ()
    return [*SNAKEMAKE, "--workflow-profile", PROFILE, *OVERRIDES, *files, *options]


def run_on_slurm(
    checkout: Checkout, *options: str, configs: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a workflow through sbatch to its end; `stdout` holds all that snakemake said."""
    return checkout.run(snakemake_on_slurm(*options, configs=configs), timeout=1800)


def submitted_job_ids(said: str) -> list[str]:
    """Return the Slurm ids of the jobs that a run says it has submitted, in order."""
    return re.findall(r"submitted with SLURM jobid (\d+)", said)
