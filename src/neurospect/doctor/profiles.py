"""A workflow profile: what it asks of a cluster, read without running anything in it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurospect.errors import BadInputError
from neurospect.settings.layers import read_yaml

DEFAULT = Path("workflow/profiles/default")
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "int": int, "round": round}


@dataclass(frozen=True)
class Profile:
    """A workflow profile.

    Parameters
    ----------
    path
        Its file; None where there is no profile.
    options
        What it says.
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def executor(self) -> str:
        """Where jobs run: `local`, `slurm`, or another plugin's name."""
        return str(self.options.get("executor", "local"))

    @property
    def retries(self) -> int:
        """How often a failed job comes back."""
        given = self.options.get("retries", 0)
        return given if isinstance(given, int) else 0

    @property
    def rules(self) -> list[str]:
        """Rules for which it asks for resources of their own."""
        return list(_by_name(self.options.get("set-resources")))

    def resources(self, rule: str = "") -> dict[str, Any]:
        """Return what a job of a rule asks for, as written; of no rule, the defaults."""
        own = _by_name(self.options.get("set-resources")).get(rule)
        return {**_by_name(self.options.get("default-resources")), **_by_name(own)}

    def threads(self, rule: str, otherwise: int) -> int:
        """Return the threads of a rule, where the profile sets them, or else what it has."""
        given = _by_name(self.options.get("set-threads")).get(rule, otherwise)
        return given if isinstance(given, int) else otherwise


def find_profile(folder: Path | None) -> Path | None:
    """Find the file of a profile; without a folder, of the one that Snakemake takes by itself.

    Raises
    ------
    BadInputError
        If the folder that is named holds no profile.
    """
    home = folder or DEFAULT
    # a file of a version goes before the plain one, as in Snakemake
    files = [*sorted(home.glob("config.v*+.yaml"), reverse=True), home / "config.yaml"]
    there = next((file for file in files if file.is_file()), None)
    if there is None and folder is not None:
        raise BadInputError(
            folder,
            "profile",
            found="no config.yaml" if folder.is_dir() else "no such folder",
            expected="the folder of a profile, such as workflow/profiles/slurm",
            remedy="Correct the path; it starts from the working directory.",
        )
    return there


def read_profile(folder: Path | None) -> Profile:
    """Read a profile; without a folder, the one that Snakemake takes by itself.

    Raises
    ------
    BadInputError
        If the folder holds no profile, or it is no YAML.
    """
    file = find_profile(folder)
    return Profile(file, read_yaml(file)) if file else Profile()


def amount(written: object, attempt: int) -> int | None:
    """Compute a resource such as ``4000 * attempt``, at some attempt.

    Sums of numbers and `attempt` are computed; anything else that Snakemake may evaluate is not,
    and gives None.
    """
    if isinstance(written, bool):
        return None
    try:
        if isinstance(written, int | float):
            return int(written)
        return int(_value(ast.parse(str(written), mode="eval").body, attempt))
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None


def _value(node: ast.expr, attempt: int) -> Any:
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.Name(id="attempt"):
            return attempt
        case ast.BinOp() if type(node.op) in _OPERATORS:
            left, right = _value(node.left, attempt), _value(node.right, attempt)
            return _OPERATORS[type(node.op)](left, right)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(each, attempt) for each in node.args))
    raise ValueError("more than a sum")


def _by_name(given: Any) -> dict[str, Any]:
    """Return resources by name, written as keys and values or as a list of ``name=value``."""
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    if isinstance(given, list):
        pairs = [str(each).partition("=") for each in given]
        return {name: value for name, mark, value in pairs if mark}
    return {}
