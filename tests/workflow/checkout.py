"""A copy of the repository, and ways to run its workflow."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SINUSOID = "tests/workflow/sinusoid.yaml"
RUN = "results/sinusoid/sinusoid_mlp"


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository, whose jobs import the library from the copy itself."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "SNAKEMAKE" not in name}
        return kept | {"PYTHONPATH": str(self.root / "src")}

    def command(self, *options: str, configs: tuple[str, ...] = (SINUSOID,)) -> list[str]:
        program = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor"]
        return [*program, "--configfile", *configs, *options]

    def snakemake(
        self, *options: str, configs: tuple[str, ...] = (SINUSOID,)
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options, configs=configs),
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    def jobs_to_run(self) -> Counter[str]:
        """Jobs that a dry run would run, counted by rule."""
        run = self.snakemake("--dry-run")
        assert run.returncode == 0, run.stdout
        table = re.search(r"Job stats:\n.*?\n-+.*?\n(.*?)\ntotal", run.stdout, re.DOTALL)
        rows = table.group(1).splitlines() if table else []
        return Counter({rule: int(count) for rule, count in map(str.split, rows)})

    def neurospect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "neurospect.cli", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def copy_repository(folder: Path) -> Checkout:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return Checkout(folder)
