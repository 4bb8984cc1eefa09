"""Check a configuration and its experiments: all faults at once, before any job."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from neurospect.errors import BadInputError, BadInputsError
from neurospect.settings.models import ComparisonPanel, Config, Experiment, ModelPanel

PANEL_KINDS = {"model", "comparison"}


@dataclass(frozen=True)
class Settings:
    """A checked configuration with the experiments it names."""

    config: Config
    experiments: dict[str, Experiment]


def check_settings(raw: Mapping[str, Any], files: Sequence[str | Path] = ()) -> Settings:
    """Turn a configuration into typed settings.

    Parameters
    ----------
    raw
        The configuration, as read from YAML.
    files
        Where it came from, later files laid over earlier ones; used to say which file is at fault.

    Raises
    ------
    BadInputsError
        Naming every fault of the configuration and of each experiment's file.
    """
    sources = [(Path(file), _yaml(Path(file))) for file in files]
    try:
        config = Config.model_validate(dict(raw))
    except ValidationError as error:
        raise BadInputsError(_faults(error, sources, Config)) from None
    faults = list(_config_faults(config, sources))
    experiments: dict[str, Experiment] = {}
    for name in config.experiments:
        try:
            experiments[name] = _experiment(config, name)
        except BadInputsError as error:
            faults += error.faults
    for name, experiment in experiments.items():
        faults += _cohort_faults(config, name, experiment)
    if faults:
        raise BadInputsError(faults)
    return Settings(config, experiments)


def _experiment(config: Config, name: str) -> Experiment:
    folder = Path(config.experiments_folder)
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem for path in folder.glob("*.yaml"))
        raise BadInputsError(
            [
                BadInputError(
                    "config",
                    "experiments",
                    found=f"{name!r}, without a file {file}",
                    expected=f"one of {', '.join(known) or 'the files there (none yet)'}",
                    remedy=_did_you_mean(name, known) or "Add the file, or mend the name.",
                )
            ]
        )
    stated = _yaml(file)
    override = config.overrides.get(name, {})
    try:
        return Experiment.model_validate(_laid_over(stated, override))
    except ValidationError as error:
        sources = [(file, stated), (Path(f"overrides.{name}"), override)]
        raise BadInputsError(_faults(error, sources, Experiment)) from None


def _config_faults(
    config: Config, sources: Sequence[tuple[Path, Any]]
) -> Iterable[BadInputError]:
    for field in ("experiments", "seeds"):
        values = getattr(config, field)
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            yield BadInputError(
                _file_of(sources, (field,)),
                field,
                found=f"{', '.join(twice)} more than once",
                expected="each once",
                remedy="Remove the repetition.",
            )
    for name in sorted(set(config.overrides) - set(config.experiments)):
        yield BadInputError(
            _file_of(sources, ("overrides", name)),
            f"overrides.{name}",
            found="an experiment that is not run",
            expected=f"one of {', '.join(config.experiments)}",
            remedy=_did_you_mean(name, config.experiments) or "Name it under experiments, too.",
        )
    blocked = _unwritable(Path(config.results))
    if blocked:
        yield BadInputError(
            _file_of(sources, ("results",)),
            "results",
            found=f"{config.results!r}: {blocked}",
            expected="a folder that can be written",
            remedy="Give another folder, or mend its permissions.",
        )


def _cohort_faults(config: Config, name: str, experiment: Experiment) -> Iterable[BadInputError]:
    if experiment.cohort == "mnist":
        mnist = config.cohorts.mnist
        if mnist.source == "idx" and not Path(mnist.folder or "").is_dir():
            yield BadInputError(
                "config",
                "cohorts.mnist.folder",
                found=f"{mnist.folder!r}, which is not a folder",
                expected="the folder of the four IDX files",
                remedy="Mend the path, or use source packaged.",
            )
        kept: Sequence[str] = mnist.classes
    else:
        kept = [f"{value:g}" for value in config.cohorts.sinusoid.classes]
    strangers = [level for level in experiment.groups.levels if level not in kept]
    if strangers:
        yield BadInputError(
            f"{config.experiments_folder}/{name}.yaml",
            "groups.levels",
            found=", ".join(strangers),
            expected=f"classes that cohort {experiment.cohort} keeps ({', '.join(kept)})",
            remedy=f"Name them in cohorts.{experiment.cohort}.classes, or leave them out here.",
        )


def _unwritable(folder: Path) -> str | None:
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        return f"{existing} is a file"
    return None if os.access(existing, os.W_OK | os.X_OK) else f"no permission to write {existing}"


def _faults(
    error: ValidationError, sources: Sequence[tuple[Path, Any]], model: type[BaseModel]
) -> list[BadInputError]:
    faults = []
    for detail in error.errors(include_url=False):
        where = tuple(part for part in detail["loc"] if part not in PANEL_KINDS)
        field = ".".join(map(str, where)) or "the file as a whole"
        kind, expected = detail["type"], detail["msg"].removeprefix("Value error, ")
        expected = expected.removeprefix("Input should be ").removeprefix("a ")
        found: object = repr(detail["input"])
        remedy = "Mend the value."
        if kind == "extra_forbidden":
            known = _known_keys(model, where[:-1])
            found, expected = "an unknown key", f"one of {', '.join(known)}"
            remedy = _did_you_mean(str(where[-1]), known) or "Remove it."
        elif kind == "missing":
            found, expected, remedy = "nothing", "a value", "Add the key."
        elif kind == "value_error":
            found, expected, remedy = expected, "values that fit together", "Mend one of them."
        elif isinstance(detail["input"], str) and kind in {"float_type", "int_type"}:
            remedy = "Write a plain number, without quotes (YAML reads 1e-3 as text: 0.001)."
        elif kind == "string_type":
            remedy = "Put it in quotes."
        faults.append(
            BadInputError(
                _file_of(sources, where), field, found=found, expected=expected, remedy=remedy
            )
        )
    return faults


def _known_keys(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    """Keys of the nested model that `where` leads to."""
    current: Any = model
    for part in where:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = fields[part].annotation
    if current is not None and not hasattr(current, "model_fields"):
        return sorted({*ModelPanel.model_fields, *ComparisonPanel.model_fields})
    return list(current.model_fields)


def _file_of(sources: Sequence[tuple[Path, Any]], where: Sequence[str | int]) -> str:
    """Last file that states the field; the field's parent where none states the field."""
    for length in range(len(where), -1, -1):
        for file, content in reversed(sources):
            for part in where[:length]:
                if isinstance(content, Mapping) and part in content:
                    content = content[part]
                elif isinstance(content, list) and isinstance(part, int) and part < len(content):
                    content = content[part]
                else:
                    break
            else:
                return str(file)
    return "config"


def _yaml(file: Path) -> Any:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadInputsError(
            [
                BadInputError(
                    file,
                    f"line {mark.line + 1}" if mark else "syntax",
                    found=getattr(error, "problem", None) or "text that is not YAML",
                    expected="YAML",
                    remedy="Mend the syntax.",
                )
            ]
        ) from None
    return {} if content is None else content


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {
            key: _laid_over(below.get(key), above[key]) if key in above else below[key]
            for key in [*below, *(key for key in above if key not in below)]
        }
    return above


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else ""
