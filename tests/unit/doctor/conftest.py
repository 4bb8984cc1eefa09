"""Programs that stand in for Slurm's, where it is not installed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Each writes down how it was called, then says what a cluster of two partitions says.
ANSWERS = {
    "sinfo": """\
case "$1" in
--version) echo "slurm 23.11.4" ;;
*) echo "short*|up|4:00:00|64|256000+|(null)"
   echo "gpu|up|2-00:00:00|32|512000|gpu:a100:4"
   echo "old|down|1:00:00|8|32000|(null)" ;;
esac""",
    "scontrol": """\
case "$1" in
ping) echo "Slurmctld(primary) at head is UP" ;;
*) echo "AccountingStorageEnforce = associations,limits"; echo "MinJobAge = 30 sec" ;;
esac""",
    "sbatch": """\
case "$*" in
*--partition=nowhere*) echo "sbatch: error: invalid partition specified: nowhere" >&2; exit 1 ;;
*--time=360*) echo "allocation failure: Requested time limit is invalid" >&2; exit 1 ;;
*) echo "sbatch: Job 7 to start at 2026-01-01T00:00:00 using 1 processors on nodes n1" >&2 ;;
esac""",
    "sacct": "exit 0",
    "sacctmgr": "echo my-lab; echo other-lab; echo my-lab",
    "squeue": "exit 0",
    "scancel": "exit 0",
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put programs of a cluster alone on the PATH; return the file that their calls go into."""

    def build(*without: str, **instead: str) -> Path:
        folder, calls = tmp_path / "programs", tmp_path / "calls.txt"
        folder.mkdir()
        calls.touch()
        for name, answer in {**ANSWERS, **instead}.items():
            if name not in without:
                program = folder / name
                program.write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\n{answer}\n')
                program.chmod(0o755)
        for name in ("git", "sleep"):
            found = shutil.which(name)
            if found:
                (folder / name).symlink_to(found)
        monkeypatch.setenv("PATH", str(folder))
        assert shutil.which(Path(sys.executable).name) is None
        return calls

    return build
