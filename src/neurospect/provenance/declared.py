"""What a rule declares for its job, by name: files, params, and a stand-in for all of it."""

from __future__ import annotations

import math
from collections.abc import ItemsView, KeysView, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from neurospect.errors import BadInputError
from neurospect.provenance.content import Json


def by_hand(
    script: str | Path,
    *,
    input: Any = (),
    output: Any = (),
    params: Any = (),
    wildcards: Mapping[str, str] | None = None,
    log: Any = (),
    threads: int = 1,
    config: Mapping[str, Any] | None = None,
) -> SimpleNamespace:
    """Build what Snakemake would give to a script, to run it without Snakemake.

    Parameters
    ----------
    script
        The script; its stem stands for the name of the rule.
    input, output, log
        Paths: one, a list, or by name (a name may hold a list). For a record, `output` names
        `record`.
    params
        Values, by name.
    wildcards
        Wildcards, by name.
    threads
        Threads that the script may use.
    config
        Configuration of the workflow; a job asks it for the results folder alone.

    Returns
    -------
    types.SimpleNamespace
        For the ``main(snakemake)`` of the script.
    """
    path = Path(script)
    return SimpleNamespace(
        script=str(path),
        scriptdir=str(path.parent),
        rule=path.stem,
        input=_NamedItems(input, files=True),
        output=_NamedItems(output, files=True),
        log=_NamedItems(log, files=True),
        params=_NamedItems(params),
        wildcards=_NamedItems(wildcards or {}),
        threads=threads,
        resources=_NamedItems({}),
        config=dict(config or {}),
    )


def named_files(files: Any) -> list[tuple[str, str]]:
    """Name and path of each file of a job.

    A file without a name is called by its position; the files of a named list ``name.0``,
    ``name.1``, and so on.

    Parameters
    ----------
    files
        Snakemake's `input` or `output`.
    """
    named: list[tuple[str, str]] = []
    for name, value in files.items():
        if isinstance(value, (list, tuple)):
            named += [(f"{name}.{index}", str(path)) for index, path in enumerate(value)]
        else:
            named.append((name, str(value)))
    # Snakemake keeps unnamed files in front of the named ones.
    unnamed = [str(path) for path in files][: len(files) - len(named)]
    return [(str(index), path) for index, path in enumerate(unnamed)] + named


def named_params(params: Any, rule: str) -> dict[str, Json]:
    """Params of a job by name, as plain JSON values; an unnamed one is called by its position.

    Raises
    ------
    BadInputError
        A value cannot be written as JSON.
    """
    named = dict(params.items())
    unnamed = list(params)[: len(params) - len(named)]
    every = {**{str(index): value for index, value in enumerate(unnamed)}, **named}
    return {name: _plain(value, rule, f"params.{name}") for name, value in every.items()}


def _plain(value: Any, rule: str, where: str) -> Json:
    """Turn a param into plain JSON: numpy scalars, paths and tuples become what they stand for."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (str, Path)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, rule, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item, rule, f"{where}.{key}") for key, item in value.items()}
    raise BadInputError(
        f"rule {rule}",
        where,
        found=f"{value!r} ({type(value).__name__})",
        expected="numbers that are finite, texts, true, false, null, or lists and objects of them",
        remedy="Give the script plain values, and build anything else inside it.",
    )


class _NamedItems(list[Any]):
    """A list whose items, or runs of items, also have names, as Snakemake's lists do."""

    def __init__(self, items: Any, *, files: bool = False) -> None:
        super().__init__()
        self._named: dict[str, Any] = {}
        if isinstance(items, (str, Path)):
            items = [items]
        if not isinstance(items, Mapping):
            self.extend(map(str, items) if files else items)
            return
        for name, value in items.items():
            if files and isinstance(value, (list, tuple)):
                value = _NamedItems(value, files=True)
                self.extend(value)
            else:
                value = str(value) if files else value
                self.append(value)
            self._named[name] = value
        self.__dict__.update(self._named)

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, key) if isinstance(key, str) else super().__getitem__(key)

    def keys(self) -> KeysView[str]:
        return self._named.keys()

    def items(self) -> ItemsView[str, Any]:
        return self._named.items()

    def get(self, key: str, default: Any = None) -> Any:
        return self._named.get(key, default)
