"""A Slurm cluster, asked by its own programs; nothing is submitted.

`sbatch --test-only` has the controller say whether it would take a job, and where and when that
would start, without there being a job.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neurospect.doctor.computing import GPU_RULES, asks_for_gpu
from neurospect.doctor.findings import Finding, fault, ok, warning
from neurospect.doctor.profiles import Profile, amount
from neurospect.doctor.programs import ask, missing

PROGRAMS = ("sbatch", "squeue", "sinfo", "scontrol", "scancel")
STATUS_CHECK_SECONDS = 40
"""Of the executor's plugin, where the profile says nothing."""
# Resources of the plugin that are options of sbatch, as it passes them on.
_TEXTS = {
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "qos": "--qos",
    "constraint": "--constraint",
    "gres": "--gres",
}
_OF_ALL_JOBS = {"slurm-qos": "--qos", "slurm-reservation": "--reservation"}
_AMOUNTS = {"mem_mb": "--mem", "mem_mb_per_cpu": "--mem-per-cpu", "runtime": "--time"}


@dataclass(frozen=True)
class Partition:
    """A partition as sinfo tells it, for one kind of its nodes."""

    name: str
    is_default: bool
    is_up: bool
    longest: str
    cores: str
    memory_mb: str
    gres: str


def slurm(profile: Profile, threads: int) -> Iterator[Finding]:
    """Check a cluster against what a profile asks of it.

    Parameters
    ----------
    profile
        Whose executor is Slurm.
    threads
        Of a training.
    """
    lacking = missing(*PROGRAMS)
    if lacking:
        yield fault(
            "Slurm",
            f"no {', '.join(lacking)} on the PATH",
            "Slurm's commands",
            "Start on a login node of the cluster, or load its Slurm module.",
        )
        return
    version, answer = ask("sinfo", "--version"), ask("scontrol", "ping")
    if not version.good or not answer.good or " UP" not in answer.said:
        found = (answer if version.good else version).last_words
        remedy = "Try sinfo by hand; ask your administrators where it fails, too."
        yield fault("Slurm", found, "a controller that answers", remedy)
        return
    yield ok("Slurm", f"{version.said.strip()}; {answer.said.strip().splitlines()[0]}")
    config = _configuration()
    yield from _status_command(profile, config)
    partitions = _partitions()
    yield from _partition_names(profile, partitions)
    yield from _account(profile, config)
    yield from _requests(profile, threads)


def _configuration() -> dict[str, str]:
    lines = ask("scontrol", "show", "config").said.splitlines()
    pairs = [line.partition("=") for line in lines]
    return {name.strip(): value.strip() for name, mark, value in pairs if mark}


def _status_command(profile: Profile, config: Mapping[str, str]) -> Iterator[Finding]:
    """Tell whether the command works by which Snakemake learns how jobs end."""
    check = "status of jobs"
    has_sacct = not missing("sacct")
    chosen = profile.options.get("slurm-status-command") or ("sacct" if has_sacct else "squeue")
    if chosen == "sacct":
        answer = ask("sacct", "-X", "--noheader", "--parsable2", "--format=JobIdRaw,State")
        if answer.good:
            yield ok(check, "by sacct, which answers")
        else:
            yield fault(
                check,
                f"sacct: {answer.last_words}",
                "a command that tells how jobs ended",
                f"Set slurm-status-command: squeue in {profile.path}.",
            )
        return
    kept = re.match(r"\d+", config.get("MinJobAge", ""))
    first = profile.options.get("slurm-init-seconds-before-status-checks", STATUS_CHECK_SECONDS)
    needed = 3 * first if isinstance(first, int) else 3 * STATUS_CHECK_SECONDS
    if kept is None or int(kept[0]) >= needed:
        known = f", ended jobs stay known for {kept[0]} s" if kept else ""
        yield ok(check, f"by squeue{known}")
    else:
        yield warning(
            check,
            f"by squeue, which forgets ended jobs after {kept[0]} s",
            f"{needed} s or more, three times the wait before the first check",
            "Use sacct where there is one, or lower slurm-init-seconds-before-status-checks.",
        )


def _partitions() -> list[Partition]:
    said = ask("sinfo", "--noheader", "--all", "--format=%P|%a|%l|%c|%m|%G").said
    rows = [line.split("|") for line in said.splitlines()]
    return [
        Partition(name.rstrip("*"), name.endswith("*"), state == "up", *map(str.strip, others))
        for name, state, *others in rows
        if len(others) == 4
    ]


def _partition_names(profile: Profile, partitions: list[Partition]) -> Iterator[Finding]:
    """Tell whether the partitions that the profile names are there and take jobs."""
    places = ["", *profile.rules]
    asked = {str(profile.resources(rule).get("slurm_partition") or "") for rule in places}
    known = {each.name: each for each in partitions}
    for name in sorted(asked):
        chosen = known.get(name) if name else next((p for p in partitions if p.is_default), None)
        check = f"partition {name}" if name else "default partition"
        if chosen is None:
            yield fault(
                check,
                f"none of this name; there are {', '.join(known) or 'none'}"
                if name
                else "none, and the profile names none",
                "a partition of the cluster",
                f"Set slurm_partition in {profile.path} to one of {', '.join(known) or 'them'}.",
            )
        elif not chosen.is_up:
            remedy = "Ask your administrators, or name another partition."
            yield fault(
                check, f"{chosen.name} takes no jobs (down)", "a partition that is up", remedy
            )
        elif "CANCEL" in _preempt_mode(chosen.name):
            yield warning(
                check,
                f"{chosen.name} ends displaced jobs for good (PreemptMode=CANCEL)",
                "a partition that puts displaced jobs back into the queue",
                "Name another, or be ready to stop Snakemake, which would wait for such a job for "
                "ever, and to start it again.",
            )
        else:
            gres = "" if chosen.gres in ("", "(null)") else f", {chosen.gres}"
            yield ok(
                check,
                f"{chosen.name}: up, longest job {chosen.longest}; a node has {chosen.cores} "
                f"cores, {chosen.memory_mb} MB{gres}",
            )


def _preempt_mode(partition: str) -> str:
    said = ask("scontrol", "--oneliner", "show", "partition", partition).said
    found = re.search(r"\bPreemptMode=(\S+)", said)
    return found[1] if found else ""


def _account(profile: Profile, config: Mapping[str, str]) -> Iterator[Finding]:
    """Tell whether the accounts that the profile names are the user's own."""
    places = ["", *profile.rules]
    asked = {str(profile.resources(rule).get("slurm_account") or "") for rule in places} - {""}
    is_enforced = "associations" in config.get("AccountingStorageEnforce", "").lower()
    answer = ask(
        *("sacctmgr", "--noheader", "--parsable2", "show", "associations"),
        *("where", f"user={getpass.getuser()}", "format=account"),
    )
    known = sorted(set(answer.said.split())) if answer.good else []
    if not known:
        said = ", ".join(sorted(asked)) or "none named in the profile"
        note = "" if is_enforced else "; this cluster does not insist on one"
        yield ok("account", f"{said}{note}; sacctmgr does not tell which are yours")
        return
    strangers = sorted(name for name in asked if name.lower() not in map(str.lower, known))
    if strangers:
        yield fault(
            "account",
            ", ".join(strangers),
            f"one of yours: {', '.join(known)}",
            f"Mend slurm_account in {profile.path}.",
        )
    elif not asked and is_enforced:
        yield warning(
            "account",
            "none named in the profile",
            f"one of yours: {', '.join(known)}",
            f"Set slurm_account in {profile.path}, rather than have it guessed.",
        )
    else:
        yield ok(
            "account", f"{', '.join(sorted(asked)) or 'none named'}; yours: {', '.join(known)}"
        )


def _requests(profile: Profile, threads: int) -> Iterator[Finding]:
    """Have Slurm say of each kind of job, at its first and its last attempt, if it would start."""
    shared = [
        f"{option}={profile.options[name]}"
        for name, option in _OF_ALL_JOBS.items()
        if profile.options.get(name)
    ]
    kinds: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for rule in ["", *profile.rules]:
        cores = profile.threads(rule, threads if rule in GPU_RULES else 1)
        first, last = (
            request(profile.resources(rule), cores, attempt) for attempt in (1, 1 + profile.retries)
        )
        kinds.setdefault((first, last), []).append(rule)
    for (first, last), rules in kinds.items():
        others = f" and {len(rules) - 1} more" if len(rules) > 1 and rules[0] else ""
        check = f"a job of {rules[0]}{others}" if rules[0] else "a job"
        answer = ask("sbatch", "--test-only", *shared, *first, "--wrap", "true")
        if not answer.good:
            yield fault(
                check,
                f"{' '.join(first)}: {answer.last_words}",
                "a job that Slurm would take",
                f"Mend the resources in {profile.path}; sinfo shows what the cluster has.",
            )
            continue
        later = ask("sbatch", "--test-only", *shared, *last, "--wrap", "true")
        if later.good:
            yield ok(check, f"{' '.join(first)}: Slurm would take it")
        else:
            yield warning(
                check,
                f"at attempt {1 + profile.retries}, {' '.join(last)}: {later.last_words}",
                "a job that Slurm would take at every attempt",
                f"Lower retries or the resources in {profile.path}, or name another partition.",
            )


def request(resources: Mapping[str, Any], cores: int, attempt: int) -> tuple[str, ...]:
    """Write what a job asks for as options of sbatch, as the executor's plugin does.

    What only Snakemake can compute is left out.
    """
    asked = [
        f"{option}={resources[name]}" for name, option in _TEXTS.items() if resources.get(name)
    ]
    amounts = {name: amount(resources.get(name), attempt) for name in _AMOUNTS}
    if amounts["mem_mb_per_cpu"]:
        amounts["mem_mb"] = None
    asked += [f"{_AMOUNTS[name]}={value}" for name, value in amounts.items() if value]
    if resources.get("gpu") or resources.get("gpu_model"):
        kind = f"{resources['gpu_model']}:" if resources.get("gpu_model") else ""
        asked.append(f"--gpus={kind}{resources.get('gpu') or 1}")
    cores = amount(resources.get("cpus_per_task"), attempt) or cores
    if asks_for_gpu(dict(resources)):
        cores = amount(resources.get("cpus_per_gpu"), attempt) or cores
    else:
        asked.append("--ntasks=1")
    # a number below zero is the plugin's way to ask for none
    return tuple([*asked, f"--cpus-per-task={cores}"] if cores > 0 else asked)
