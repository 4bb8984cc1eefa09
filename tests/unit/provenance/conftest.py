"""A small project: a raw file, an intermediate and a remark made from it, two figures."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neurospect.provenance.job import by_hand

PREPARE = '''
"""Scale the numbers."""
from pathlib import Path

from neurospect.provenance.job import recorded_job


def main(snakemake):
    with recorded_job(snakemake):
        numbers = [float(line) for line in Path(snakemake.input.raw).read_text().split()]
        scaled = [number * snakemake.params.factor for number in numbers]
        Path(snakemake.output.numbers).write_text("\\n".join(map(str, scaled)))
        Path(snakemake.output.remark).write_text(f"{len(scaled)} numbers")
'''

DRAW = '''
"""Draw the numbers."""
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from neurospect.provenance.job import recorded_job
from neurospect.provenance.tags import figure_metadata


def main(snakemake):
    with recorded_job(snakemake) as job, matplotlib.rc_context({"svg.hashsalt": "fixed"}):
        numbers = [float(line) for line in Path(snakemake.input.numbers).read_text().split()]
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot(numbers, color=snakemake.params.color)
        for path in snakemake.output.image:
            figure.savefig(path, metadata=figure_metadata(job.recipe, Path(path).suffix))
'''

ENVIRONMENT = "dependencies:\n  - pip:\n      - numpy=={version}\n"


@dataclass
class Project:
    """A working directory with scripts, raw data and results."""

    root: Path

    def file(self, path: str) -> Path:
        return self.root / path

    def prepare(self, factor: float = 2.0, environment: str | None = None) -> None:
        self.run(
            "scripts/prepare.py",
            input={"raw": "data/raw.txt"},
            output={
                "numbers": "results/digits/numbers.txt",
                "remark": "results/digits/remark.txt",
                "record": "results/digits/prepare.record.json",
            },
            params={"factor": factor, "environment": environment},
            log="results/digits/prepare.log",
        )

    def draw(self, name: str = "line", color: str = "black") -> None:
        folder = f"results/digits/figures/{name}"
        self.run(
            "scripts/draw.py",
            input={"numbers": "results/digits/numbers.txt"},
            output={
                "image": [f"{folder}.png", f"{folder}.svg", f"{folder}.pdf"],
                "record": f"{folder}.record.json",
            },
            params={"color": color},
            wildcards={"name": name},
        )

    def run(self, script: str, **declared: Any) -> None:
        back = Path.cwd()
        os.chdir(self.root)
        try:
            for name in ("input", "output", "log"):
                for path in _leaves(declared.get(name, ())):
                    Path(path).parent.mkdir(parents=True, exist_ok=True)
            load(self.root / script).main(by_hand(script, **declared))
        finally:
            os.chdir(back)


def _leaves(paths: Any) -> Iterator[str]:
    if isinstance(paths, str):
        yield paths
    else:
        for path in paths.values() if isinstance(paths, dict) else paths:
            yield from _leaves(path)


def load(script: Path) -> Any:
    """Import a script as a module, from its present source."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lay(root: Path) -> Project:
    for folder in ("data", "scripts", "envs"):
        (root / folder).mkdir(parents=True)
    (root / "data/raw.txt").write_text("1\n2\n4\n")
    (root / "scripts/prepare.py").write_text(PREPARE)
    (root / "scripts/draw.py").write_text(DRAW)
    (root / "envs/cohorts.yaml").write_text(ENVIRONMENT.format(version="2.0"))
    return Project(root)


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts that a test edits within one second must not be taken from a cache."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a cluster wait for records that another node may have written."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.fixture
def bare_project(tmp_path: Path) -> Project:
    """Give a project with nothing made yet."""
    return _lay(tmp_path / "project")


@pytest.fixture
def lay_project(tmp_path: Path) -> Callable[[str], Project]:
    """Give a function that lays a project with nothing made yet in a folder of that name."""
    return lambda name: _lay(tmp_path / name)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = _lay(tmp_path_factory.mktemp("template") / "project")
    project.prepare()
    project.draw("line")
    project.draw("thick", color="blue")
    return project.root


@pytest.fixture
def project(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Give each test a project of its own with everything made, as the working directory."""
    root = tmp_path / "project"
    shutil.copytree(made_once, root)
    monkeypatch.chdir(root)
    return Project(root)
