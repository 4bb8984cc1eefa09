"""Run a script as a job that leaves a record beside its outputs."""

from __future__ import annotations

import errno
import logging
import os
import platform
import resource
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from neurospect.arrays.atomic import remove_left_behind
from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.content import Json, absolute, file_sha256, shared_copy_too
from neurospect.provenance.declared import by_hand as by_hand
from neurospect.provenance.declared import named_files, named_params
from neurospect.provenance.record import (
    SUFFIX,
    InputFile,
    OutputFile,
    Record,
    Run,
    checksum,
    producer,
    recipe_id,
    results_folder,
    write_record,
)
from neurospect.provenance.shared import PARAM
from neurospect.provenance.source import modules_digest, source_modules

LOG = logging.getLogger(__name__)

_PACKAGES = (
    *("neurospect", "numpy", "scipy", "pandas", "xarray", "netCDF4", "pydantic", "torch"),
    *("transformers", "scikit-learn", "mlxtend", "nibabel", "nilearn", "matplotlib"),
    *("seaborn", "snakemake"),
)
_NOT_IN_RECIPE = ("code", "environment", PARAM)
_LATENCY_S = 60
_NO_ROOM_OR_PERMISSION = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


@dataclass(frozen=True)
class Job:
    """A running job: its recipe id, and what the id was computed from.

    `no_longer_needed` is for the script to fill: files, such as checkpoints, that go once the
    record is written. A job that is refused or killed before leaves them for its next try.
    """

    recipe: str
    rule: str
    params: dict[str, Json]
    wildcards: dict[str, str]
    inputs: tuple[InputFile, ...]
    no_longer_needed: list[Path] = field(default_factory=list)


@contextmanager
def recorded_job(snakemake: Any) -> Iterator[Job]:
    """Run the block as a job; when it ends well, write its record.

    The record goes to ``snakemake.output.record``, beside the other outputs. Logging from INFO up
    goes to ``snakemake.log[0]``. Bad input ends the process with status 1 and one plain message on
    stderr; any other error leaves its traceback in the log and is raised. Neither leaves a record.
    What an earlier try that was killed left half-written goes first.

    Parameters
    ----------
    snakemake
        What Snakemake gives to a script, or `by_hand` in its place.

    Yields
    ------
    Job
        With the recipe id, so that a figure can carry it.
    """
    with _logging_to(snakemake.log), _refusals_in_plain_words():
        started = time.monotonic()
        destination = _record_path(snakemake)
        destination.unlink(missing_ok=True)
        remove_left_behind(path for _, path in named_files(snakemake.output))
        plan, states = _plan(snakemake, destination)
        LOG.info("%s, recipe %s", plan.rule, plan.recipe)
        job = Job(plan.recipe, plan.rule, plan.params, plan.wildcards, plan.inputs)
        yield job
        _refuse_changed_inputs(snakemake.input, plan.inputs, states)
        outputs = tuple(
            _output_file(name, Path(path), plan.rule)
            for name, path in named_files(snakemake.output)
            if name != "record"
        )
        run = replace(plan.run, ended=_now(), device=_device())
        write_record(destination, replace(plan, outputs=outputs, run=run))
        _remove(job.no_longer_needed)
        LOG.info("done, in %.1f s, with %.0f MB of memory at most", *_took(started))


def _plan(snakemake: Any, destination: Path) -> tuple[Record, dict[str, tuple[int, ...]]]:
    """Record of the job, as far as it is known before it runs, and the state of its inputs."""
    rule = str(snakemake.rule)
    params = named_params(snakemake.params, rule)
    given_code, environment, _ = (params.pop(name, None) for name in _NOT_IN_RECIPE)
    wildcards = {str(name): str(value) for name, value in snakemake.wildcards.items()}
    script = _script_path(snakemake)
    modules = source_modules(script)
    code = modules_digest(modules)
    if given_code not in (None, code):
        LOG.warning("The code has changed since the workflow started; recorded is what runs now.")
    states = {
        path: _state(_existing_input(name, path, rule))
        for name, path in named_files(snakemake.input)
    }
    results = _results_folder(snakemake, destination)
    inputs = tuple(
        _input_file(name, Path(path), results) for name, path in named_files(snakemake.input)
    )
    recipe = recipe_id(
        rule=rule,
        code=code,
        environment=None if environment is None else str(environment),
        params=params,
        wildcards=wildcards,
        inputs=[(file.name, file.sha256) for file in inputs],
    )
    seed = params.get("seed", wildcards.get("seed"))
    return Record(
        recipe=recipe,
        rule=rule,
        script=recorded_path(script),
        code=code,
        modules=modules,
        environment=None if environment is None else str(environment),
        params=params,
        wildcards=wildcards,
        inputs=inputs,
        outputs=(),
        path=recorded_path(destination),
        run=_run(seed if isinstance(seed, (int, str)) else None, int(snakemake.threads)),
        results=results,
    ), states


def _run(seed: int | str | None, threads: int) -> Run:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return Run(
        host=socket.gethostname(),
        slurm_job_id=os.environ.get("SLURM_JOB_ID"),
        python=platform.python_version(),
        versions=versions,
        seed=seed,
        threads=threads,
        started=_now(),
        ended="",
    )


def _device() -> str | None:
    # asked of PyTorch only where the job has loaded it: provenance does without
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return str(torch.cuda.get_device_name()) if torch.cuda.is_initialized() else "cpu"


def recorded_path(path: str | Path) -> str:
    """Path as records state it: relative to the working directory inside it, absolute outside."""
    here = Path.cwd()
    for way in (absolute(path), Path(path).resolve()):
        if way.is_relative_to(here):
            return way.relative_to(here).as_posix()
    return absolute(path).as_posix()


def _script_path(snakemake: Any) -> Path:
    # Snakemake runs a copy of the script and puts the path of the original into __file__.
    given = getattr(snakemake, "script", None) or getattr(sys.modules["__main__"], "__file__", None)
    return Path(given or Path(snakemake.scriptdir) / f"{snakemake.rule}.py")


def _record_path(snakemake: Any) -> Path:
    rule, files = f"rule {snakemake.rule}", dict(named_files(snakemake.output))
    if not files.get("record", "").endswith(SUFFIX):
        raise BadInputError(
            rule,
            "output.record",
            found=files.get("record", "no such output"),
            expected=f"a path that ends in {SUFFIX}",
            remedy="Declare the record of the job as the output `record`.",
        )
    destination = Path(files["record"])
    for name, path in files.items():
        if not Path(path).is_relative_to(destination.parent):
            raise BadInputError(
                rule,
                f"output.{name}",
                found=path,
                expected=f"a file in or under {destination.parent}, where the record is",
                remedy="Declare the record in the folder that holds all outputs of the rule.",
            )
    return destination


def _results_folder(snakemake: Any, destination: Path) -> str | None:
    given = snakemake.config.get("results")
    stated = recorded_path(given) if isinstance(given, str) else None
    return results_folder(recorded_path(destination), stated)


def _existing_input(name: str, path: str, rule: str) -> Path:
    if Path(path).is_file():
        return Path(path)
    raise BadInputError(
        f"rule {rule}",
        f"input.{name}",
        found=f"{path}, a folder" if Path(path).is_dir() else f"no file {path}",
        expected="a file",
        remedy="Name each file that the job reads as an input of the rule.",
    )


def _state(path: Path) -> tuple[int, ...]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


def _input_file(name: str, path: Path, results: str | None) -> InputFile:
    is_result = results is not None and Path(recorded_path(path)).is_relative_to(results)
    claim = _awaited_producer(path) if is_result else producer(path)
    size = path.stat().st_size
    if claim is None:
        if is_result:
            raise _without_record(name, path, str(results))
        return InputFile(name, recorded_path(path), file_sha256(path), size, None)
    record, output = claim
    as_left = _state(path) == (output.bytes, output.mtime_ns, output.inode)
    is_sound = record.checksum == checksum(record)
    sha256 = output.sha256 if as_left and is_sound else file_sha256(path)
    if is_sound and sha256 != output.sha256:
        raise BadInputError(
            path,
            f"input.{name}",
            found=f"sha256 {sha256[:12]}…",
            expected=f"{output.sha256[:12]}…, as rule {record.rule} left it",
            remedy="Something else wrote into it. Delete it, and run again: it is made anew."
            + shared_copy_too(path),
        )
    return InputFile(name, recorded_path(path), sha256, size, record.recipe)


def _awaited_producer(path: Path) -> tuple[Record, OutputFile] | None:
    """Find the record of a result; on a cluster, wait for it as long as the profile does."""
    # A node may see a folder as it was before another node wrote the record into it.
    deadline = time.monotonic() + (_LATENCY_S if "SLURM_JOB_ID" in os.environ else 0)
    while (claim := producer(path)) is None and time.monotonic() < deadline:
        time.sleep(1)
    return claim


def _without_record(name: str, path: Path, results: str) -> BadInputError:
    return BadInputError(
        path,
        f"input.{name}",
        found="no record of the job that made it",
        expected=f"one beside it or above it, as of every file in {results}",
        remedy="If a job made it, delete it, and run again: it is made anew. If it is a raw file, "
        "move it out of the results folder." + shared_copy_too(path),
    )


def _refuse_changed_inputs(
    declared: Any, inputs: Iterable[InputFile], states: dict[str, tuple[int, ...]]
) -> None:
    for (name, path), recorded in zip(named_files(declared), inputs, strict=True):
        there = Path(path).is_file()
        # Of a file that was only touched, or copied back, the bytes tell.
        if not there or (
            _state(Path(path)) != states[path] and file_sha256(Path(path)) != recorded.sha256
        ):
            raise BadInputError(
                path,
                f"input.{name}",
                found="a file that changed while the job ran",
                expected="the file as it was when the job started",
                remedy="Run the job again, and leave its inputs alone meanwhile.",
            )


def _output_file(name: str, path: Path, rule: str) -> OutputFile:
    if not path.is_file():
        raise BadInputError(
            f"rule {rule}",
            f"output.{name}",
            found=f"{path}, a folder" if path.is_dir() else f"no file {path} after the job",
            expected="a file",
            remedy="The script must write every output that the rule declares.",
        )
    size, mtime_ns, inode = _state(path)
    return OutputFile(name, recorded_path(path), file_sha256(path), size, mtime_ns, inode)


def _remove(files: list[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
    remove_left_behind(files)


def _took(started: float) -> tuple[float, float]:
    """Seconds since then, and the most memory in MB that the process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.monotonic() - started, most / (1e6 if sys.platform == "darwin" else 1e3)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _logging_to(log: Any) -> Iterator[None]:
    """Send logging from INFO up to the first log file, if there is one."""
    if not len(log):
        yield
        return
    path = Path(str(log[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) or logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


@contextmanager
def _refusals_in_plain_words() -> Iterator[None]:
    try:
        yield
    except (BadInputError, BadInputsError) as fault:
        raise _refusal(fault) from None
    except OSError as fault:
        if fault.errno not in _NO_ROOM_OR_PERMISSION:
            LOG.exception("The job failed")
            raise
        raise _refusal(
            BadInputError(
                fault.filename or "results",
                "file system",
                found=fault.strerror,
                expected="room, and permission",
                remedy="Make room or mend permissions, and run again; nothing is half-written.",
            )
        ) from None
    except Exception:
        LOG.exception("The job failed")
        raise


def _refusal(fault: Exception) -> SystemExit:
    LOG.error("%s", fault)
    print(fault, file=sys.stderr)
    return SystemExit(1)
