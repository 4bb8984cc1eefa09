"""The record of a job: a JSON file beside its outputs that says how they were made.

The recipe id of a job is known before its outputs exist and holds no path and no host, so that a
job that is run again elsewhere, on the same bytes, has the same id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar

from neurospect.arrays.atomic import write_text
from neurospect.errors import BadInputError
from neurospect.provenance.content import Json, shared_copy_too, value_sha256

FORMAT = 1
SUFFIX = ".record.json"
RESULTS = "results"
"""Name of the results folder where nothing else is said."""


@dataclass(frozen=True)
class InputFile:
    """A file that a job read; `recipe` is the id of the job that made it, None for a raw file."""

    name: str
    path: str
    sha256: str
    bytes: int
    recipe: str | None


@dataclass(frozen=True)
class OutputFile:
    """A file that a job wrote, and the state in which the job left it."""

    name: str
    path: str
    sha256: str
    bytes: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Run:
    """Where and when a job ran; none of it counts in the recipe id.

    `device` is what PyTorch computed on, None where the job did not load it.
    """

    host: str
    slurm_job_id: str | None
    python: str
    versions: dict[str, str]
    seed: int | str | None
    threads: int
    started: str
    ended: str
    device: str | None = None


@dataclass(frozen=True)
class Record:
    """How the outputs of one job were made.

    `results` is the results folder, where every file has a record; None where nothing told.
    """

    recipe: str
    rule: str
    script: str
    code: str
    modules: dict[str, str]
    environment: str | None
    params: dict[str, Json]
    wildcards: dict[str, str]
    inputs: tuple[InputFile, ...]
    outputs: tuple[OutputFile, ...]
    path: str
    run: Run
    checksum: str = ""
    results: str | None = None


# A record lies at most so many folders above an output: HCP's layout goes down to
# sub/MNINonLinear/Results/task/task.feat/cope.feat/stats.
_HIGHEST = 8
_TEXT, _WHOLE, _OBJECT, _LIST = (str,), (int,), (dict,), (list,)
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("rule", "script", "code", "path", "checksum"), _TEXT),
    **dict.fromkeys(("name", "sha256", "host", "python", "started", "ended"), _TEXT),
    **dict.fromkeys(("bytes", "mtime_ns", "inode", "threads"), _WHOLE),
    **dict.fromkeys(("modules", "params", "wildcards", "versions", "run"), _OBJECT),
    **dict.fromkeys(("inputs", "outputs"), _LIST),
    **dict.fromkeys(("recipe", "environment", "slurm_job_id"), (str, NoneType)),
    **dict.fromkeys(("results", "device"), (str, NoneType)),
    "seed": (int, str, NoneType),
}
_TYPES_OF_RECORD = {**_TYPES, "recipe": _TEXT}
_OF_TEXTS = ("modules", "wildcards", "versions")
# Left out where they say nothing, as in records that were written before there were such fields.
_OPTIONAL = frozenset({"results", "device"})
_TYPE_NAMES = {str: "a text", int: "a whole number", dict: "an object", list: "a list"}
_Part = TypeVar("_Part", InputFile, OutputFile, Run, Record)


def recipe_id(
    *,
    rule: str,
    code: str,
    environment: str | None,
    params: Mapping[str, Json],
    wildcards: Mapping[str, str],
    inputs: Iterable[tuple[str, str]],
) -> str:
    """Id of what a job does to which bytes.

    Parameters
    ----------
    rule
        Name of the rule.
    code, environment
        Digests of the source that the job reaches and of its environment.
    params, wildcards
        What the rule gives to the script, without `code` and `environment`.
    inputs
        Name and sha256 of each input file.

    Returns
    -------
    str
        64 hexadecimal digits (sha256).
    """
    return value_sha256(
        [rule, code, environment, dict(params), dict(wildcards), sorted(map(list, inputs))]
    )


def recomputed_recipe(record: Record) -> str:
    """Recipe id that follows from what a record states."""
    return recipe_id(
        rule=record.rule,
        code=record.code,
        environment=record.environment,
        params=record.params,
        wildcards=record.wildcards,
        inputs=[(file.name, file.sha256) for file in record.inputs],
    )


def checksum(record: Record) -> str:
    """Checksum of everything in a record but its checksum."""
    content = _content(record)
    del content["checksum"]
    return value_sha256(content)


def write_record(path: str | Path, record: Record) -> Record:
    """Write a record with its checksum, whole or not at all; return it as written."""
    sealed = replace(record, checksum=checksum(record))
    write_text(path, json.dumps(_content(sealed), indent=1, allow_nan=False) + "\n")
    return sealed


def read_record(path: str | Path) -> Record:
    """Read a record; whether its checksum holds is for the caller to ask.

    Raises
    ------
    BadInputError
        The file cannot be read, is not JSON, or is not a record of this format.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except OSError as error:
        found = "a link to nothing" if Path(path).is_symlink() else error.strerror
        raise _not_a_record(path, "file", found, "a readable file") from error
    except (ValueError, RecursionError) as error:
        raise _not_a_record(path, "JSON", error, "one JSON object") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise _not_a_record(path, "format", found, str(FORMAT))
    del content["format"]
    record = _part(Record, content, path, "record")
    return replace(
        record,
        inputs=tuple(_part(InputFile, file, path, "inputs") for file in record.inputs),
        outputs=tuple(_part(OutputFile, file, path, "outputs") for file in record.outputs),
        run=_part(Run, record.run, path, "run"),
    )


def producer(file: Path) -> tuple[Record, OutputFile] | None:
    """Find the record, beside a file or above it, of the job that made it; None for a raw file.

    Where two records claim the file (a rule was renamed), the later job has it.

    Raises
    ------
    BadInputError
        A record beside the file, or above it, cannot be read.
    """
    for folder in file.absolute().parents[:_HIGHEST]:
        name = str(file.absolute().relative_to(folder))
        claims = [(record, places[name]) for record, places in _placed_in(folder) if name in places]
        if claims:
            return max(claims, key=lambda claim: claim[0].run.ended)
    return None


def output_place(record: Record, output: OutputFile) -> Path:
    """Where an output lies, from the folder of its record: in it, or under it."""
    home, path = Path(record.path).parent, Path(output.path)
    return path.relative_to(home) if path.is_relative_to(home) else Path(path.name)


def results_folder(record: str, stated: str | None) -> str | None:
    """Results folder of a job, as records state paths; None where nothing tells.

    Parameters
    ----------
    record
        Path of its record.
    stated
        The folder that the configuration, or the record itself, names.
    """
    for folder in (stated, RESULTS):
        if folder and folder != "." and Path(record).is_relative_to(folder):
            return folder
    return None


def is_in_results(record: Record, path: str) -> bool:
    """Whether a path in a record lies in the results folder, where jobs make every file."""
    home = results_folder(record.path, record.results)
    return home is not None and Path(path).is_relative_to(home)


def _content(record: Record) -> dict[str, Any]:
    content = {"format": FORMAT, **asdict(record)}
    for part in (content, content["run"]):
        for name in _OPTIONAL & part.keys():
            if part[name] is None:
                del part[name]
    return content


def _placed_in(folder: Path) -> list[tuple[Record, dict[str, OutputFile]]]:
    """Read the records of a folder, and the outputs of each by where they lie from there."""
    found = (_placed(path.absolute()) for path in sorted(folder.glob(f"*{SUFFIX}")))
    return [each for each in found if each is not None]


def _placed(path: Path) -> tuple[Record, dict[str, OutputFile]] | None:
    """Read one record; None where a job that starts has removed its own meanwhile."""
    try:
        # a link to nothing has a state of its own; reading it says what is wrong
        state = path.stat() if path.exists() else path.lstat()
        return _read_once(path, state.st_mtime_ns, state.st_size)
    except FileNotFoundError:
        return None
    except BadInputError as fault:
        if isinstance(fault.__cause__, FileNotFoundError) and not path.is_symlink():
            return None
        raise


@cache
def _read_once(path: Path, _mtime_ns: int, _size: int) -> tuple[Record, dict[str, OutputFile]]:
    record = read_record(path)
    return record, {str(output_place(record, output)): output for output in record.outputs}


def _part(kind: type[_Part], content: Any, path: str | Path, where: str) -> _Part:
    if not isinstance(content, dict):
        raise _not_a_record(path, where, type(content).__name__, "an object")
    names = {field.name for field in fields(kind)}
    for name in sorted((names ^ content.keys()) - (names & _OPTIONAL)):
        found = "no such field" if name in names else "a field that no record has"
        raise _not_a_record(path, f"{where}.{name}", found, ", ".join(sorted(names)))
    for name, value in content.items():
        types = (_TYPES_OF_RECORD if kind is Record else _TYPES)[name]
        if not isinstance(value, types) or isinstance(value, bool):
            kinds = " or ".join(_TYPE_NAMES.get(each, "null") for each in types)
            raise _not_a_record(path, f"{where}.{name}", repr(value), kinds)
        if name in _OF_TEXTS and not all(isinstance(each, str) for each in content[name].values()):
            raise _not_a_record(path, f"{where}.{name}", repr(value), "an object of texts")
    return kind(**content)


def _finite(number: str) -> float:
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number}, which is no finite number")
    return value


def _not_a_record(path: str | Path, field: str, found: object, expected: str) -> BadInputError:
    return BadInputError(
        path,
        field,
        found=found,
        expected=expected,
        remedy="Records are written by jobs, never by hand: delete this one and run its job again."
        + shared_copy_too(Path(path)),
    )
