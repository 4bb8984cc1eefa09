"""What changes the digest of a script, and what does not."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurospect
from neurospect.errors import BadInputError
from neurospect.provenance.source import (
    PACKAGE,
    modules_digest,
    source_digest,
    source_modules,
    syntax_digest,
)

EVERY_CONSTRUCT = '''
"""Doc."""
from __future__ import annotations
import os.path as p, sys

def f(a, /, b: int = 1, *rest, c=None, **more) -> str:
    """Doc."""
    return f"{a!r:>{b}} and {c=}" "tail" f"{more}" if rest else u"\\U0001fae8 \\u00e9"

@f
class C(dict, metaclass=type):
    """Doc."""
    x: int
    y = 1e400, 1j, -1, b"z", ..., {**{}, 1: None}

async def g(q):
    async with q as r, q:
        yield [i async for i in r if i]
    try:
        pass
    except* ValueError as error:
        raise error from None
    match q:
        case None | True:
            pass
        case [1, *s] | {"k": s, **t} if s:
            del t
        case C(x=0):
            x[1:2, ..., (3, 4)] = yield
'''
ON_EVERY_PYTHON = "b04df3f4aeb3c24cbc7a9341f6b28c6b3564069fb38a3c14852f5b30f860b44c"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of a made-up package called neurospect, or of the scripts beside it."""

    def write_file(path: str, source: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
        if file.parent.parent.name == "neurospect" and not (file.parent / "__init__.py").exists():
            (file.parent / "__init__.py").write_text("")
        return file

    write_file("neurospect/__init__.py", '"""Package."""\n')
    return write_file


@pytest.fixture
def modules(tmp_path: Path) -> Callable[[Path], dict[str, str]]:
    return lambda script: source_modules(script, tmp_path / "neurospect")


def test_the_digest_of_a_source_is_the_same_on_every_python() -> None:
    assert syntax_digest(EVERY_CONSTRUCT) == ON_EVERY_PYTHON


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_other_pythons_on_this_machine_agree_on_a_whole_closure(version: str) -> None:
    python = shutil.which(f"python{version}")
    runs = python and subprocess.run([python, "--version"], capture_output=True, check=False)
    if not runs or runs.returncode != 0:
        pytest.skip(f"Python {version} is not installed here")
    script = PACKAGE / "cli.py"
    asked = "import sys; from pathlib import Path; from neurospect.provenance.source import *; "
    there = subprocess.run(
        [str(python), "-c", asked + "print(source_digest(Path(sys.argv[1])))", str(script)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == source_digest(script)


names = st.sampled_from(["alpha", "beta", "Größe"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
constants = (
    st.integers(0, 10**20)
    | st.floats(0, 1e300)
    | texts
    | st.binary(max_size=4)
    | st.sampled_from([None, True, False, ...])
)
expressions = st.recursive(
    names | constants.map(repr) | texts.map(lambda text: f"f'{{alpha!r:>{len(text) + 1}}} tail'"),
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
        | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.tuples(names, inner).map(lambda t: f"{t[0]}({t[0]}={t[1]})")
        | st.tuples(inner, inner).map(lambda t: f"(lambda beta=1: {t[0]} if {t[1]} else None)")
        | st.tuples(inner, inner).map(lambda t: f"{{**{{}}, {t[0]}: {t[1]}}}")
    ),
    max_leaves=8,
)


@st.composite
def programs(draw: st.DrawFn) -> list[str]:
    """Draw the lines of a module: assignments, then a function with a docstring."""
    lines = [f"{draw(names)} = {draw(expressions)}" for _ in range(draw(st.integers(1, 3)))]
    return [*lines, "def gamma(alpha, *, beta=1):", "    'Doc.'", f"    return {draw(expressions)}"]


@given(programs())
def test_layout_does_not_count(lines: list[str]) -> None:
    source = "\n".join(lines)
    assert syntax_digest(ast.unparse(ast.parse(source))) == syntax_digest(source)


@given(programs(), st.from_regex(r"[\w =()'\"#]*", fullmatch=True), st.integers(0, 4))
def test_comments_blank_lines_and_docstrings_do_not_count(
    lines: list[str], remark: str, where: int
) -> None:
    changed = [line for line in lines if line != "    'Doc.'"]
    changed.insert(min(where, len(changed) - 2), f"\n# {remark}")
    assert syntax_digest("'Module.'\n" + "\n".join(changed)) == syntax_digest("\n".join(lines))


@given(expressions, expressions)
def test_sources_with_one_digest_have_one_syntax_tree(one: str, other: str) -> None:
    same_tree = ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    assert (syntax_digest(f"x = {one}") == syntax_digest(f"x = {other}")) == same_tree


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("f(a, b)", "f(b, a)"),
        ("x: int", "(x): int"),
        ("from . import a", "from .. import a"),
        ("{**a, 1: 2}", "{1: 2, **a}"),
        ("def f(*, a=1, b): 0", "def f(*, a, b=1): 0"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("f'{x:>3}'", "f'{x:>4}'"),
        ("f'a{x}'", "f'{x}a'"),
        ("match x:\n case None: 0", "match x:\n case True: 0"),
        ("async def f(): [i for i in j]", "async def f(): [i async for i in j]"),
        ("x = 'not a docstring'", "x = 'not a doc'"),
        ("def f():\n  return 'x'", "def f():\n  return 'y'"),
    ],
)
def test_what_changes_the_meaning_changes_the_digest(one: str, other: str) -> None:
    assert syntax_digest(one) != syntax_digest(other)


def test_a_module_two_hops_away_counts_and_one_that_is_not_reached_does_not(
    write: Write, tmp_path: Path
) -> None:
    package = tmp_path / "neurospect"
    script = write("scripts/train.py", "from neurospect.training.loop import train\n")
    write("neurospect/training/loop.py", "from neurospect.models.linear import Linear\n")
    write("neurospect/models/linear.py", "WIDTH = 1\n")
    write("neurospect/models/other.py", "WIDTH = 1\n")
    before = source_digest(script, package)
    write("neurospect/models/other.py", "WIDTH = 22\n")
    assert source_digest(script, package) == before
    write("neurospect/models/linear.py", "# Wide.\nWIDTH = 1\n")
    assert source_digest(script, package) == before
    write("neurospect/models/linear.py", "WIDTH = 22\n")
    changed = source_digest(script, package)
    assert changed != before
    write("scripts/train.py", "from neurospect.training.loop import train\ntrain(2)\n")
    assert source_digest(script, package) not in (before, changed)


@pytest.mark.parametrize(
    "statement",
    [
        "import neurospect.models.linear",
        "import neurospect.models.linear as linear",
        "from neurospect.models import linear",
        "from neurospect.models.linear import Linear",
        "from neurospect.models.linear import *",
        "def later():\n    from neurospect.models import linear",
        "if TYPE_CHECKING:\n    from neurospect.models import linear",
        "try:\n    import json, neurospect.models.linear\nexcept ImportError:\n    pass",
    ],
)
def test_every_way_of_importing_a_module_reaches_it_and_its_parents(
    write: Write, modules: Callable[[Path], dict[str, str]], statement: str
) -> None:
    write("neurospect/models/linear.py", "class Linear: ...\n")
    assert list(modules(write("scripts/train.py", statement))) == [
        "neurospect",
        "neurospect.models",
        "neurospect.models.linear",
        "train.py",
    ]


def test_relative_imports_are_followed_from_modules_and_from_packages(
    write: Write, modules: Callable[[Path], dict[str, str]]
) -> None:
    write("neurospect/models/__init__.py", "from .linear import Linear\nfrom . import mlp\n")
    write("neurospect/models/linear.py", "from ..errors import Fault\nfrom .mlp import MLP\n")
    write("neurospect/models/mlp.py", "")
    write("neurospect/errors.py", "class Fault: ...\n")
    reached = modules(write("scripts/train.py", "import neurospect.models"))
    assert set(reached) == {
        "train.py",
        "neurospect",
        "neurospect.errors",
        *("neurospect.models", "neurospect.models.linear", "neurospect.models.mlp"),
    }


def test_modules_that_import_each_other_are_each_counted_once(
    write: Write, modules: Callable[[Path], dict[str, str]]
) -> None:
    write("neurospect/a.py", "import neurospect.b")
    write("neurospect/b.py", "import neurospect.a")
    reached = modules(write("scripts/s.py", "import neurospect.a"))
    assert set(reached) == {"s.py", "neurospect", "neurospect.a", "neurospect.b"}


def test_a_module_beside_the_script_counts_and_the_standard_library_does_not(
    write: Write, modules: Callable[[Path], dict[str, str]]
) -> None:
    write("scripts/shared_names.py", "import neurospect.errors")
    write("neurospect/errors.py", "")
    script = write("scripts/train.py", "import json, shared_names")
    assert set(modules(script)) == {
        *("train.py", "shared_names.py", "neurospect", "neurospect.errors")
    }


@pytest.mark.parametrize(
    "statement",
    [
        "import neurospect.modles",
        "from neurospect.modles import linear",
        "from neurospect.models import lienar",
        "from neurospect.models.linear.deeper import x",
    ],
)
def test_an_import_of_a_module_that_does_not_exist_names_file_line_and_module(
    write: Write, modules: Callable[[Path], dict[str, str]], statement: str
) -> None:
    write("neurospect/models/linear.py", "")
    script = write("scripts/train.py", f"import json\n{statement}")
    with pytest.raises(BadInputError, match=r"train\.py: line 2: found an import of neurospect\."):
        modules(script)


def test_a_name_that_the_package_itself_defines_is_no_module(
    write: Write, modules: Callable[[Path], dict[str, str]]
) -> None:
    write("neurospect/models/__init__.py", "WIDTH = 3\n")
    script = write("scripts/train.py", "from neurospect.models import WIDTH")
    assert set(modules(script)) == {"train.py", "neurospect", "neurospect.models"}


def test_a_syntax_error_in_a_reached_module_names_its_file_and_line(
    write: Write, modules: Callable[[Path], dict[str, str]]
) -> None:
    write("neurospect/broken.py", "x = 1\ny = = 2\n")
    with pytest.raises(BadInputError, match=r"broken\.py: line 2"):
        modules(write("scripts/train.py", "import neurospect.broken"))


def test_a_missing_script_and_a_relative_import_in_a_script_are_refused(
    write: Write, modules: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.py"):
        modules(tmp_path / "nowhere.py")
    with pytest.raises(BadInputError, match="relative import"):
        modules(write("scripts/train.py", "from . import other"))


def test_the_digest_does_not_depend_on_where_the_files_lie(write: Write, tmp_path: Path) -> None:
    write("neurospect/errors.py", "X = 1\n")
    script = write("scripts/s.py", "import neurospect.errors")
    before = source_digest(script, tmp_path / "neurospect")
    there = tmp_path / "elsewhere"
    for folder in ("neurospect", "scripts"):
        shutil.copytree(tmp_path / folder, there / folder)
    assert source_digest(there / "scripts/s.py", there / "neurospect") == before


def test_the_package_followed_is_the_one_that_scripts_import(tmp_path: Path) -> None:
    assert Path(neurospect.__file__).parent.samefile(PACKAGE)
    script = tmp_path / "s.py"
    script.write_text("from neurospect.provenance.job import recorded_job\n")
    reached = source_modules(script)
    assert {"s.py", "neurospect.errors", "neurospect.arrays.atomic"} < set(reached)
    assert modules_digest(reached) == source_digest(script)
