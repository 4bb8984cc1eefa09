"""What computes: GPUs, as PyTorch sees them, and cores."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

from neurospect.doctor.findings import Finding, fault, ok, warning
from neurospect.doctor.profiles import Profile

GPU_RULES = (
    "train",
    "retrain",
    "train_decoder",
    "map_saliency",
    "scan_temperatures",
    "check_sanity",
    "remove_and_retrain",
)
"""Rules that take the setting `device`."""


def gpus_here(device: str) -> Iterator[Finding]:
    """Compute on each GPU of this machine, and hold that against the setting `device`."""
    import torch

    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    said = "; ".join(" ".join(str(each.message).split()) for each in complaints)
    if not available:
        found = f"none that PyTorch {torch.__version__} can use" + (f" ({said})" if said else "")
        if device == "cuda":
            remedy = "Load the driver, start where there is a GPU, or set device: auto."
            yield fault("GPU", found, "one, since the configuration says device: cuda", remedy)
        elif said:
            yield warning(
                "GPU", found, "a GPU, or no complaint", "Update the driver, or ignore it."
            )
        else:
            yield ok("GPU", f"{found}; models train on CPUs")
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found = f"{properties.name}, {properties.total_memory / 10**9:.0f} GB"
        try:
            total = float(torch.ones(8, device=f"cuda:{index}").sum())
        except RuntimeError as error:
            yield fault(
                f"GPU {index}",
                f"{found}: {str(error).splitlines()[0]}",
                "a GPU that PyTorch can compute on",
                "Install a build of PyTorch for it, or set device: cpu.",
            )
        else:
            unused = " (the configuration says device: cpu)" if device == "cpu" else ""
            yield ok(f"GPU {index}", f"{found}, sums 8 ones to {total:g}{unused}")


def gpus_of_jobs(device: str, profile: Profile) -> Iterator[Finding]:
    """Hold what a cluster's jobs ask for against the setting `device`."""
    asking = [rule for rule in GPU_RULES if asks_for_gpu(profile.resources(rule))]
    lacking = [rule for rule in GPU_RULES if rule not in asking]
    if device == "cuda" and lacking:
        yield fault(
            "GPU of jobs",
            f"no GPU asked for by {', '.join(lacking)}",
            "gres for each rule that trains, since the configuration says device: cuda",
            f"Give them gres and a partition with GPUs in {profile.path}, or set device: auto.",
        )
    elif device == "cpu" and asking:
        yield warning(
            "GPU of jobs",
            f"a GPU asked for by {', '.join(asking)}",
            "none, since the configuration says device: cpu",
            "Set device: auto, or take gres out of the profile.",
        )
    else:
        yield ok("GPU of jobs", f"asked for by {', '.join(asking)}" if asking else "none asked for")


def asks_for_gpu(resources: dict[str, object]) -> bool:
    """Tell whether a job asks Slurm for a GPU."""
    return "gpu" in str(resources.get("gres", "")) or bool(
        resources.get("gpu") or resources.get("gpu_model")
    )


def cores_here(threads: int, profile: Profile) -> Iterator[Finding]:
    """Hold the threads of a training against the cores that jobs may use here."""
    usable = len(os.sched_getaffinity(0))
    given = profile.options.get("cores", "all")
    cores = min(given, usable) if isinstance(given, int) else usable
    said = f"{threads} thread{'s' * (threads > 1)} of a training, {cores} of {usable} cores"
    if threads > cores:
        yield warning(
            "cores",
            said,
            f"at most {cores} threads, or Snakemake gives fewer and results differ in their bits",
            "Lower threads in the configuration, or take more cores.",
        )
    elif isinstance(given, int) and given > usable:
        yield warning(
            "cores", f"{given} in the profile, {usable} here", f"at most {usable}", "Lower cores."
        )
    else:
        yield ok("cores", said)
