"""The tests' own cluster: it is a real one, and it leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from local_cluster import (
    SYSTEM_CONFIGURATION,
    clear_leftovers,
    daemons_of,
    foreign_controller,
    is_alive,
    only_one_at_a_time,
)
from processes import start_time
from waiting import comes_true

pytestmark = pytest.mark.slurm


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_batch_job_runs_on_this_machine(slurm: Path, tmp_path: Path) -> None:
    output = tmp_path / "hostname.txt"
    _output_of("sbatch", "--wait", f"--output={output}", "--wrap=hostname")
    assert output.read_text().strip() == socket.gethostname()


def test_slurm_reads_the_configuration_of_the_tests(slurm: Path) -> None:
    assert SYSTEM_CONFIGURATION.resolve() == (slurm / "slurm.conf").resolve()
    assert f"= {slurm}/controller" in _output_of("scontrol", "show", "config")


def test_a_job_above_its_memory_is_killed(slurm: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    hungry = "import time; held = bytearray(300_000_000); time.sleep(20); print(len(held))"
    subprocess.run(
        [
            "sbatch",
            "--wait",
            "--mem=100",
            f"--output={log}",
            f"--wrap={sys.executable} -c '{hungry}'",
        ],
        check=False,
        timeout=60,
    )
    assert "exceeded memory limit" in log.read_text()
    assert "300000000" not in log.read_text().split()


def test_a_second_run_is_told_that_the_cluster_is_taken(slurm: Path) -> None:
    with only_one_at_a_time() as alone:
        assert not alone


def test_a_running_controller_is_noticed(slurm: Path) -> None:
    (controller,) = (daemon for daemon in daemons_of(slurm) if daemon.name == "slurmctld")
    assert foreign_controller() == controller.pid


UNTIL_KILLED = """
import sys, time
from pathlib import Path
from local_cluster import local_slurm
with local_slurm(link=Path(sys.argv[1]), prefix=sys.argv[2]) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_run_leaves_is_stopped_removed_and_restored(
    slurm: Path, tmp_path: Path
) -> None:
    link, prefix = tmp_path / "slurm.conf", f"neurospect-killed-{os.getpid()}-"
    link.write_text("# another cluster's\n")
    run = subprocess.Popen(
        [sys.executable, "-c", UNTIL_KILLED, str(link), prefix],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().strip())
        job = _unending_job(folder, tmp_path / "pid.txt")
        run.kill()
        run.wait()
        daemons = daemons_of(folder)
        assert [daemon.name for daemon in daemons if is_alive(daemon)] == [
            *("munged", "slurmctld", "slurmd-one", "slurmd-two")
        ]
        assert start_time(job) is not None
        assert link.is_symlink()
    finally:
        run.kill()
        clear_leftovers(link, prefix)
    assert not any(is_alive(daemon) for daemon in daemons)
    assert start_time(job) is None
    assert not folder.exists()
    assert link.read_text() == "# another cluster's\n"


def _unending_job(folder: Path, report: Path) -> int:
    subprocess.run(
        [
            *("sbatch", "--output=/dev/null"),
            f"--wrap=echo $$ > {report}.part; mv {report}.part {report}; exec sleep 600",
        ],
        env={**os.environ, "SLURM_CONF": str(folder / "slurm.conf")},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert comes_true(report.exists), "the job did not start"
    return int(report.read_text())
