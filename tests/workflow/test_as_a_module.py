"""The workflow inside another one, as config/README.md says to take it in."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml

from checkout import SNAKEMAKE, Checkout, copy_repository

SETTINGS = {
    "experiments_folder": "neurospect/config/experiments",
    "experiments": ["sinusoid_mlp"],
    "results": "results/spectra",
}
PREPARED = "results/spectra/sinusoid/prepared"
NOT_RENAMED = """
configfile: "config.yaml"
module neurospect:
    snakefile: "neurospect/workflow/Snakefile"
    config: config
use rule * from neurospect
"""


class Project(Checkout):
    """A user's folder, with the repository in it."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"PYTHONPATH": str(self.root / "neurospect/src")}

    def asked(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run([*SNAKEMAKE, "--cores", "2", *options])

    def writes(self, snakefile: str, config: dict[str, object]) -> None:
        (self.root / "Snakefile").write_text(snakefile)
        (self.root / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    copy_repository(root / "neurospect")
    return Project(root)


def snakefile_of_the_documentation(project: Project) -> str:
    text = (project.root / "neurospect/config/README.md").read_text()
    (snakefile,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return snakefile


def test_a_module_is_planned_and_run_and_audited(project: Project):
    project.writes(snakefile_of_the_documentation(project), {"neurospect": SETTINGS})
    planned = project.asked("--dry-run")
    assert planned.returncode == 0, planned.stdout
    assert re.search(r"^neurospect_train +2$", planned.stdout, re.MULTILINE)
    made = project.asked("--", f"{PREPARED}/participants.tsv")
    assert made.returncode == 0, made.stdout
    inside = Checkout(project.root / "neurospect")
    audited = inside.run([sys.executable, "-m", "neurospect.cli", "audit", f"../{PREPARED}"])
    assert audited.returncode == 0, audited.stdout


def test_a_module_keeps_the_names_of_its_rules_and_a_configuration_of_its_own(project: Project):
    project.writes(NOT_RENAMED, SETTINGS)
    planned = project.asked("--dry-run")
    assert planned.returncode == 0, planned.stdout
    assert re.search(r"^train +2$", planned.stdout, re.MULTILINE)


def test_a_faulty_configuration_of_a_module_is_refused_in_words(project: Project):
    faulty = SETTINGS | {"seeds": [0, 0]}
    project.writes(snakefile_of_the_documentation(project), {"neurospect": faulty})
    planned = project.asked("--dry-run")
    assert planned.returncode != 0
    assert "config: seeds: found 0 more than once" in planned.stdout
    assert "--config: " not in planned.stdout
    assert "Traceback" not in planned.stdout
