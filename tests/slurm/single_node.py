"""A real Slurm of one node, for tests: munged, slurmctld and slurmd, without systemd.

Its files live in a folder of its own under the system's temporary folder. The one thing outside
is /etc/slurm/slurm.conf, where Slurm's commands look for their configuration: a link while the
cluster is up, and whatever stood there before once it is down.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
FOLDER_PREFIX = "neurospect-slurm-"
LOCK = Path(tempfile.gettempdir()) / "neurospect-slurm.lock"
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")

# More than a laptop has: `config_overrides` lets Slurm believe it, so that jobs run side by side.
CPUS = 8
MEMORY_MB = 64000

CONFIGURATION = """\
ClusterName=neurospect
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/node
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MinJobAge=300
KillWait=2
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory_mb} Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={node} MaxTime=INFINITE State=UP
"""

# Any character device will do: Slurm counts and hands them out, and never opens them.
DEVICES = """\
NodeName={node} Name=gpu File=/dev/null
NodeName={node} Name=gpu File=/dev/zero
"""


@dataclass(frozen=True)
class Daemon:
    """A process that was started, told apart from a later one of the same id by its start time."""

    name: str
    pid: int
    started: int  # clock ticks since boot, field 22 of /proc/<pid>/stat


def missing_programs() -> list[str]:
    """Name what Slurm needs and this machine lacks."""
    return [name for name in (*DAEMONS, *COMMANDS) if shutil.which(name, path=SEARCH_PATH) is None]


def foreign_controller() -> int | None:
    """Return the process id of a running slurmctld, if there is one."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _process_name(int(folder.name)) == "slurmctld":
            return int(folder.name)
    return None


@contextmanager
def only_one_at_a_time() -> Iterator[bool]:
    """Tell whether this is the only run; the lock goes with the process, however it ends."""
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def single_node_slurm(
    link: Path = SYSTEM_CONFIGURATION, prefix: str = FOLDER_PREFIX
) -> Iterator[Path]:
    """Run a cluster of one node for as long as the block lasts.

    Call `clear_leftovers` first, under `only_one_at_a_time`.

    Parameters
    ----------
    link
        Where Slurm's commands are to find the cluster's configuration. A file that is already
        there is set aside and put back.
    prefix
        How the name of the cluster's folder begins.

    Yields
    ------
    pathlib.Path
        The cluster's folder: configuration, state, and the daemons' logs.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)  # munge wants its socket's folder open to all
    children: list[subprocess.Popen[bytes]] = []
    try:
        _write_configuration(folder)
        _link_configuration(folder, link)
        for start in (_start_munged, _start_slurmctld, _start_slurmd):
            children.append(start(folder))
        _wait_until(lambda: _node_is_idle(folder), "the node to be idle", folder)
        yield folder
    finally:
        _stop(folder)
        for child in children:
            child.wait()
        _unlink_configuration(link, prefix)
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(link: Path = SYSTEM_CONFIGURATION, prefix: str = FOLDER_PREFIX) -> None:
    """Stop and remove what a run that was killed has left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*/"):
        _stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    _unlink_configuration(link, prefix)


def daemons_of(folder: Path) -> list[Daemon]:
    """Return the daemons that a cluster has started, in order."""
    return [Daemon(**json.loads(line)) for line in _lines(folder / "daemons.jsonl")]


def is_alive(daemon: Daemon) -> bool:
    """Tell whether this very process is still running."""
    return start_time(daemon.pid) == daemon.started


def start_time(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot; None once it has ended."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _write_configuration(folder: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        controller_port, node_port = first.getsockname()[1], second.getsockname()[1]
    node = socket.gethostname().split(".")[0]
    for name in ("controller", "node", "munge"):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    (folder / "gres.conf").write_text(DEVICES.format(node=node))
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            node=node,
            controller_port=controller_port,
            node_port=node_port,
            cpus=CPUS,
            memory_mb=MEMORY_MB,
        )
    )


def _link_configuration(folder: Path, link: Path) -> None:
    # A link, since SLURM_CONF does not reach the steps of a job submitted through snakemake.
    link.parent.mkdir(exist_ok=True)
    if os.path.lexists(link):
        link.rename(_set_aside(link))
    link.symlink_to(folder / "slurm.conf")


def _unlink_configuration(link: Path, prefix: str) -> None:
    if link.is_symlink() and link.readlink().parent.name.startswith(prefix):
        link.unlink()
    if os.path.lexists(_set_aside(link)) and not os.path.lexists(link):
        _set_aside(link).rename(link)


def _set_aside(link: Path) -> Path:
    return link.with_name(f"{link.name}.set-aside-by-neurospect-tests")


def _start_munged(folder: Path) -> subprocess.Popen[bytes]:
    munge, munge_socket = folder / "munge", folder / "munge.socket"
    child = _start(
        folder,
        "munged",
        "--foreground",
        f"--socket={munge_socket}",
        f"--key-file={munge / 'key'}",
        f"--seed-file={munge / 'seed'}",
        f"--log-file={munge / 'log'}",
        f"--pid-file={munge / 'pid'}",
    )
    _wait_until(munge_socket.is_socket, "munged to open its socket", folder)
    return child


def _start_slurmctld(folder: Path) -> subprocess.Popen[bytes]:
    child = _start(folder, "slurmctld", "-D", "-f", str(folder / "slurm.conf"))
    _wait_until(lambda: _query(folder, "scontrol", "ping") != "", "slurmctld to answer", folder)
    return child


def _start_slurmd(folder: Path) -> subprocess.Popen[bytes]:
    return _start(folder, "slurmd", "-D", "-f", str(folder / "slurm.conf"))


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = shutil.which(name, path=SEARCH_PATH)
    assert program is not None, f"{name} is not installed"
    with (folder / f"{name}.log").open("wb") as log:
        # A session of its own: Ctrl-C reaches pytest alone, and teardown still finds a cluster.
        child = subprocess.Popen(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = start_time(child.pid)
    assert started is not None, f"{name} ended at once:\n{_logs(folder)}"
    with (folder / "daemons.jsonl").open("a") as record:
        record.write(json.dumps({"name": name, "pid": child.pid, "started": started}) + "\n")
    return child


def _stop(folder: Path) -> None:
    daemons = daemons_of(folder)
    if daemons and all(is_alive(daemon) for daemon in daemons):
        _cancel_all_jobs(folder)
    for daemon in reversed(daemons):
        _end(daemon)


def _end(daemon: Daemon) -> None:
    for signal_number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        if is_alive(daemon):
            os.kill(daemon.pid, signal_number)
            _poll(lambda: not is_alive(daemon), patience)


def _cancel_all_jobs(folder: Path) -> None:
    # Jobs outlive slurmd, so they end first.
    jobs = _query(folder, "squeue", "--noheader", "--format=%A").split()
    if jobs:
        _query(folder, "scancel", *jobs)
        _poll(lambda: not _query(folder, "squeue", "--noheader", "--format=%A"), 15.0)


def _node_is_idle(folder: Path) -> bool:
    return _query(folder, "sinfo", "--noheader", "--partition=all", "--format=%T") == "idle"


def _query(folder: Path, *command: str) -> str:
    try:
        finished = subprocess.run(
            command,
            env={**os.environ, "SLURM_CONF": str(folder / "slurm.conf")},
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""


def _wait_until(condition: Callable[[], bool], awaited: str, folder: Path) -> None:
    if not _poll(condition, 60.0):
        raise TimeoutError(f"waited a minute for {awaited}:\n{_logs(folder)}")


def _poll(condition: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _logs(folder: Path) -> str:
    return "\n".join(
        f"--- {log.name}\n" + "\n".join(_lines(log)[-20:]) for log in sorted(folder.glob("*.log"))
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _stat_fields(pid: int) -> list[str]:
    # The name, second, is in brackets and may hold spaces: count from behind it.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
