"""A copy of the repository, and ways to run its workflow."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SINUSOID = "tests/workflow/sinusoid.yaml"
RUN = "results/sinusoid/sinusoid_mlp"
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--nocolor")


@dataclass(frozen=True)
class Checkout:
    """A folder with a workflow, whose jobs import the library from there, if it holds one."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if "SNAKEMAKE" not in name}
        return kept | {"PYTHONPATH": str(self.root / "src")}

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command there; all that it says goes to its `stdout`."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A pytest started in the background ignores Ctrl-C, and its children would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, command: Sequence[str], timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end, for as many seconds as it may take."""
        with self.start(command) as process:
            try:
                said, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, said)

    def command(self, *options: str, configs: tuple[str, ...] = (SINUSOID,)) -> list[str]:
        return [*SNAKEMAKE, "--cores", "2", "--configfile", *configs, *options]

    def snakemake(
        self, *options: str, configs: tuple[str, ...] = (SINUSOID,)
    ) -> subprocess.CompletedProcess[str]:
        return self.run(self.command(*options, configs=configs))

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


@dataclass(frozen=True)
class Sharing(Checkout):
    """A copy that shares what it prepares, through a folder."""

    folder: str

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"SNAKEMAKE_OUTPUT_CACHE": self.folder}

    def command(self, *options: str, configs: tuple[str, ...] = (SINUSOID,)) -> list[str]:
        return super().command("--cache", *options, configs=configs)


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
