"""A real Slurm of two nodes on one machine, for tests: its daemons, without systemd.

Partition `all`, the default, and `gpu` hold node `one`; `both` holds the two nodes, and gives a job
to the one with less to do. A job of `urgent` takes node `one` from the jobs of the others, which
Slurm puts back into the queue, or ends for good in `gpu`.

Its files live in a folder of its own under the system's temporary folder. The one thing outside
is /etc/slurm/slurm.conf, where Slurm's commands look for their configuration: a link while the
cluster is up, and whatever stood there before once it is down.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from processes import environment, process_ids, process_name, session, start_time
from waiting import comes_true

SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
FOLDER_PREFIX = "neurospect-slurm-"
LOCK = Path(tempfile.gettempdir()) / "neurospect-slurm.lock"
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")

NODES = ("one", "two")

# Of each node, and more than a laptop has: `config_overrides` lets Slurm believe it, so that jobs
# run side by side.
CPUS = 8
MEMORY_MB = 64000

# Seconds without an answer until Slurm gives a node up; longer than a busy machine may need.
PATIENCE_WITH_A_NODE = 300

CONFIGURATION = """\
ClusterName=neurospect
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
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
SlurmdTimeout={patience}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=DEFAULT CPUs={cpus} RealMemory={memory_mb}
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} Gres=gpu:2
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName=DEFAULT Nodes=one MaxTime=INFINITE State=UP
PartitionName=all Default=YES
PartitionName=gpu PreemptMode=CANCEL
PartitionName=both Nodes=one,two LLN=YES
PartitionName=urgent PriorityTier=2
"""

# Any character device will do: Slurm counts and hands them out, and never opens them.
DEVICES = """\
NodeName=one Name=gpu File=/dev/null
NodeName=one Name=gpu File=/dev/zero
"""


# Held until they have ended, so that each can be waited for.
_CHILDREN: list[subprocess.Popen[bytes]] = []


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
    return next((pid for pid in process_ids() if process_name(pid) == "slurmctld"), None)


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
def local_slurm(link: Path = SYSTEM_CONFIGURATION, prefix: str = FOLDER_PREFIX) -> Iterator[Path]:
    """Run the cluster for as long as the block lasts.

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
    try:
        _write_configuration(folder)
        _link_configuration(folder, link)
        _start_munged(folder)
        _start_slurmctld(folder)
        for node in NODES:
            _start_node(folder, node)
        for node in NODES:
            _wait_for_node(folder, node, "idle")
        yield folder
    finally:
        _stop(folder)
        while _CHILDREN:
            _CHILDREN.pop().wait()
        _unlink_configuration(link, prefix)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def lost_node(folder: Path, node: str) -> Iterator[None]:
    """Take a node from a cluster, as if its power failed, and give it back when the block ends.

    Its daemon and all of its jobs' processes are killed. The block begins once Slurm, which soon
    gives up on a node here, has found out by itself.
    """
    _be_patient(folder, seconds=6)
    _kill_node(folder, node)
    try:
        _wait_for_node(folder, node, "down")
        yield
    finally:
        _be_patient(folder, PATIENCE_WITH_A_NODE)
        _start_node(folder, node)
        _wait_for_node(folder, node, "idle")


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


def _write_configuration(folder: Path) -> None:
    for name in ("controller", "munge", *NODES):
        (folder / name).mkdir(mode=0o755)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    (folder / "gres.conf").write_text(DEVICES)
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            host=socket.gethostname().split(".")[0],
            ports=_free_ports(1 + len(NODES)),
            cpus=CPUS,
            memory_mb=MEMORY_MB,
            patience=PATIENCE_WITH_A_NODE,
        )
    )


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


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


def _start_munged(folder: Path) -> None:
    munge, munge_socket = folder / "munge", folder / "munge.socket"
    _start(
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


def _start_slurmctld(folder: Path) -> None:
    _start(folder, "slurmctld", "-D", "-f", str(folder / "slurm.conf"))
    _wait_until(lambda: _query(folder, "scontrol", "ping") != "", "slurmctld to answer", folder)


def _be_patient(folder: Path, seconds: int) -> None:
    file = folder / "slurm.conf"
    file.write_text(re.sub(r"(?<=SlurmdTimeout=)\d+", str(seconds), file.read_text()))
    _query(folder, "scontrol", "reconfigure")


def _kill_node(folder: Path, node: str) -> None:
    (daemon,) = (d for d in daemons_of(folder) if d.name == f"slurmd-{node}" and is_alive(d))
    of_its_jobs = {"SLURM_CLUSTER_NAME=neurospect", f"SLURMD_NODENAME={node}"}
    # Slurm's own process over a job's shares the job's session, not its environment.
    sessions = {session(pid) for pid in process_ids() if of_its_jobs <= environment(pid)}
    for pid in (daemon.pid, *(pid for pid in process_ids() if session(pid) in sessions)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _start_node(folder: Path, node: str) -> None:
    _start(folder, "slurmd", "-D", "-N", node, "-f", str(folder / "slurm.conf"), node=node)


def _start(folder: Path, program: str, *arguments: str, node: str = "") -> None:
    path = shutil.which(program, path=SEARCH_PATH)
    assert path is not None, f"{program} is not installed"
    name = f"{program}-{node}" if node else program
    with (folder / f"{name}.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches pytest alone, and teardown still finds a cluster.
        child = subprocess.Popen(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN.append(child)
    started = start_time(child.pid)
    assert started is not None, f"{name} ended at once:\n{_logs(folder)}"
    with (folder / "daemons.jsonl").open("a") as record:
        record.write(json.dumps({"name": name, "pid": child.pid, "started": started}) + "\n")


def _stop(folder: Path) -> None:
    daemons = daemons_of(folder)
    answering = {daemon.name for daemon in daemons if is_alive(daemon)}
    if answering >= {"munged", "slurmctld"}:
        _cancel_all_jobs(folder)
    for daemon in reversed(daemons):
        _end(daemon)


def _end(daemon: Daemon) -> None:
    for signal_number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        if is_alive(daemon):
            os.kill(daemon.pid, signal_number)
            comes_true(lambda: not is_alive(daemon), patience)


def _cancel_all_jobs(folder: Path) -> None:
    # Jobs outlive slurmd, so they end first.
    jobs = _query(folder, "squeue", "--noheader", "--format=%A").split()
    if jobs:
        _query(folder, "scancel", *jobs)
        comes_true(lambda: not _query(folder, "squeue", "--noheader", "--format=%A"), 15.0)


def _wait_for_node(folder: Path, node: str, state: str) -> None:
    def states() -> list[str]:
        # A star behind the state says that the node does not answer.
        shown = _query(folder, "sinfo", "--noheader", f"--nodes={node}", "--format=%T")
        return shown.replace("*", "").split()

    _wait_until(lambda: state in states(), f"node {node} to be {state}", folder)


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
    if not comes_true(condition):
        raise TimeoutError(f"waited a minute for {awaited}:\n{_logs(folder)}")


def _logs(folder: Path) -> str:
    return "\n".join(
        f"--- {log.name}\n" + "\n".join(_lines(log)[-20:]) for log in sorted(folder.glob("*.log"))
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []
