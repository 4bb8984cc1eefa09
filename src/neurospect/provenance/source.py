"""Digests of a script and of every module that it reaches.

Snakemake does not see an edit to an imported module. A rule that carries `source_digest` of its
script as a param re-runs when, and only when, code that the script reaches has changed: comments,
docstrings and formatting do not count, and the digest is the same on every Python from 3.11 on.

Only imports that stand in the source are followed; a module named in a string is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from neurospect.errors import BadInputError

PACKAGE = Path(__file__).resolve().parents[1]

_NOT_MEANING = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class _Import:
    """One import statement: `level` dots, then `module`, then the `names` taken from it."""

    level: int
    module: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class _Module:
    """What a source file means, as a digest, and what it imports."""

    digest: str
    imports: tuple[_Import, ...]


def source_digest(script: Path, package: Path = PACKAGE) -> str:
    """Digest of a script and of every module that it reaches.

    Parameters
    ----------
    script
        A Python file, usually ``scripts/<rule>.py``.
    package
        Folder of the package that imports are followed into.

    Returns
    -------
    str
        64 hexadecimal digits (sha256).

    Raises
    ------
    BadInputError
        A file cannot be parsed, or an imported module of the package does not exist.
    """
    return modules_digest(source_modules(script, package))


def modules_digest(modules: dict[str, str]) -> str:
    """Digest of the digests of modules, by name."""
    lines = [f"{name} {modules[name]}" for name in sorted(modules)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def source_modules(script: Path, package: Path = PACKAGE) -> dict[str, str]:
    """Digests, one by one, of a script and of the modules that it reaches.

    Reached are modules of `package`, the ``__init__`` of each of their parents, and modules that
    lie beside the script.

    Parameters
    ----------
    script
        A Python file.
    package
        Folder of the package that imports are followed into.

    Returns
    -------
    dict
        Module name (for the script and its neighbours: file name) to sha256.

    Raises
    ------
    BadInputError
        A file cannot be parsed, or an imported module of the package does not exist.
    """
    script = Path(script)
    digests: dict[str, str] = {}
    waiting = [(script.name, script)]
    while waiting:
        name, path = waiting.pop()
        if name in digests:
            continue
        module = _module(path)
        digests[name] = module.digest
        for statement in module.imports:
            waiting.extend(_reached(statement, name, path, script.parent, package))
    return dict(sorted(digests.items()))


def syntax_digest(source: str | bytes, path: str | Path = "<source>") -> str:
    """Digest of what Python source means: no comment, docstring, layout or position counts.

    Parameters
    ----------
    source
        Python source; bytes may declare their encoding.
    path
        Named in the error.

    Raises
    ------
    BadInputError
        The source cannot be parsed.
    """
    return hashlib.sha256(_spelled(_parsed(source, path)).encode()).hexdigest()


def _module(path: Path) -> _Module:
    try:
        state = path.stat()
    except FileNotFoundError as missing:
        raise BadInputError(
            path,
            "script",
            found="no such file",
            expected="a Python file",
            remedy="Check the path that the rule gives.",
        ) from missing
    return _read_module(path.resolve(), state.st_mtime_ns, state.st_size)


@cache
def _read_module(path: Path, _mtime_ns: int, _size: int) -> _Module:
    tree = _parsed(path.read_bytes(), path)
    digest = hashlib.sha256(_spelled(tree).encode()).hexdigest()
    return _Module(digest, tuple(_imports(tree)))


def _parsed(source: str | bytes, path: str | Path) -> ast.Module:
    try:
        return ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise BadInputError(
            path,
            f"line {line}" if line else "source",
            found=getattr(error, "msg", str(error)),
            expected=f"Python that {sys.version_info.major}.{sys.version_info.minor} can parse",
            remedy="Mend the syntax.",
        ) from error


def _imports(tree: ast.Module) -> Iterator[_Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _Import(0, alias.name, (), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield _Import(node.level, node.module or "", names, node.lineno)


def _reached(
    statement: _Import, importer: str, path: Path, beside: Path, package: Path
) -> Iterator[tuple[str, Path]]:
    """Names and files of the modules that one import statement of `importer` loads."""
    target = _absolute_name(statement, importer, path)
    top = target.partition(".")[0]
    if top != package.name:
        neighbour = beside / f"{top}.py"
        is_script = importer.endswith(".py")
        if is_script and top not in sys.stdlib_module_names and neighbour.is_file():
            yield neighbour.name, neighbour
        return
    parts = target.split(".")
    for depth in range(1, len(parts) + 1):
        yield from _existing(".".join(parts[:depth]), statement, path, package)
    home = _file_of(target, package)
    for name in statement.names:
        if _file_of(f"{target}.{name}", package) is not None:
            yield from _existing(f"{target}.{name}", statement, path, package)
        elif home is not None and home.name == "__init__.py" and not _speaks_of(home, name):
            raise _no_such_module(f"{target}.{name}", statement, path)


def _absolute_name(statement: _Import, importer: str, path: Path) -> str:
    if statement.level == 0:
        return statement.module
    if importer.endswith(".py"):
        raise BadInputError(
            path,
            f"line {statement.line}",
            found="a relative import",
            expected="an absolute one, as a script belongs to no package",
            remedy=f"Write the full name of {statement.module or 'the module'}.",
        )
    parts = importer.split(".")
    climb = statement.level - (path.name == "__init__.py")
    base = parts[: len(parts) - climb]
    return ".".join([*base, *filter(None, [statement.module])])


def _existing(
    name: str, statement: _Import, path: Path, package: Path
) -> Iterator[tuple[str, Path]]:
    file = _file_of(name, package)
    if file is None:
        raise _no_such_module(name, statement, path)
    if file.is_file():
        yield name, file


def _file_of(name: str, package: Path) -> Path | None:
    """File of a module, or its folder where a package has no ``__init__``, or None."""
    stem = package.joinpath(*name.split(".")[1:])
    for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
        if file.is_file():
            return file
    return stem if stem.is_dir() else None


def _speaks_of(init: Path, name: str) -> bool:
    """Whether a package's ``__init__`` could define `name`: it stands there, or anything might."""
    text = init.read_text(encoding="utf-8")
    return re.search(rf"\b({re.escape(name)}|__getattr__)\b|import \*", text) is not None or (
        name == "*" or (name.startswith("__") and name.endswith("__"))
    )


def _no_such_module(name: str, statement: _Import, path: Path) -> BadInputError:
    return BadInputError(
        path,
        f"line {statement.line}",
        found=f"an import of {name}",
        expected="a module that exists",
        remedy="Correct the name, or add the module.",
    )


def _spelled(tree: ast.AST) -> str:
    """Write the meaning of a syntax tree as text that no Python version changes."""
    out: list[str] = []
    _spell(tree, out)
    return "".join(out)


def _spell(node: object, out: list[str]) -> None:
    if isinstance(node, ast.Constant):
        # !a, not !r: which characters repr escapes depends on the version's Unicode tables.
        out.append(f"{type(node.value).__name__}:{node.value!a};")
    elif isinstance(node, ast.AST):
        out.append(f"{type(node).__name__}(")
        for field in node._fields:
            value = getattr(node, field, None)
            if field == "body" and isinstance(node, _DOCUMENTED):
                value = _without_docstring(node)
            elif field == "values" and isinstance(node, ast.JoinedStr):
                value = _joined(node)
            if value is None or value == [] or field in _NOT_MEANING:
                continue
            if field == "format_spec" and isinstance(value, ast.JoinedStr) and not _joined(value):
                continue
            out.append(f"{field}=")
            _spell(value, out)
        out.append(")")
    elif isinstance(node, list):
        out.append("[")
        for item in node:
            _spell(item, out)
        out.append("]")
    else:
        out.append(f"{node!a};")


def _without_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> list[ast.stmt]:
    body = node.body
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        return body[1:] if isinstance(body[0].value.value, str) else body
    return body


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
    """Parts of an f-string with neighbouring text merged: Pythons differ in where they cut it."""
    parts: list[ast.expr] = []
    for part in node.values:
        last = parts[-1] if parts else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            parts[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            parts.append(part)
    return parts
