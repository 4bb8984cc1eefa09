"""What is lost or wrong after kills and faults: a whole small workflow against an undisturbed run.

Copies the repository and runs the workflow of `benchmarks/reliability` in one copy undisturbed. In
another, jobs are killed with SIGKILL at random moments, every rule among them, and so is Snakemake
itself; a third suffers one fault after another. After each, the workflow is run again, and every
output is held against the undisturbed run's, byte by byte. Writes its tables into
docs/reliability.md. A full disk needs root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from table import write_section

REPOSITORY = Path(__file__).parent.parent
PAGE = REPOSITORY / "docs" / "reliability.md"
CONFIG = "benchmarks/reliability/config.yaml"
# What differs from run to run by its nature: when and where a job ran, and pages that say so.
OF_THE_RUN = (".record.json", ".log", ".benchmark.tsv", ".chain.html")
SCRIPT = re.compile(r"\.snakemake/scripts/tmp\w+\.(\w+)\.py")
KILLS_OF_A_RULE, KILLS_OF_SNAKEMAKE = 4, 8
KILL_TEXT = """\
## Killed at random moments

Jobs of the workflow in `benchmarks/reliability` (every rule but `draw_brain_maps` and
`fetch_mnist`), killed with SIGKILL at random moments of their run, and Snakemake itself killed with
all its jobs; then run to its end. A job that ends before its moment is left alone. "Lost": outputs
of the undisturbed run that are not there at the end, or files beyond it; "wrong": outputs whose
bytes differ. Recipe ids are part of every figure's bytes.
"""
FAULT_TEXT = """\
## Other faults

What the workflow said, and what was lost or wrong after the remedy and one more run.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        undisturbed = Copy(Path(folder) / "undisturbed")
        undisturbed.run()
        expected = undisturbed.digests()
        print(f"{len(expected)} outputs undisturbed", flush=True)
        killed = Copy(Path(folder) / "killed")
        kills = killed_at_random(killed, undisturbed.seconds(), random.Random(options.seed))
        write_section(PAGE, "kills", KILL_TEXT, kill_rows(kills, killed, expected))
        faulty = Copy(Path(folder) / "faulty", "experiments=[sines]", "prepare=[]")
        faulty.run()
        of_sines = {name: own for name, own in expected.items() if name in faulty.digests()}
        rows = [fault_row(name, fault, faulty, of_sines) for name, fault in FAULTS.items()]
        write_section(PAGE, "faults", FAULT_TEXT, rows)


class Copy:
    """A copy of the repository in which the workflow runs."""

    def __init__(self, root: Path, *config: str) -> None:
        self.root, self.config = root, config
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        for name in filter(None, listed.stdout.split("\0")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, root / name)
        kept = {name: value for name, value in os.environ.items() if "SNAKEMAKE" not in name}
        self.environment = kept | {"PYTHONPATH": str(root / "src")}

    def command(self, *options: str, config: tuple[str, ...] = ()) -> list[str]:
        program = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor"]
        chosen = (*self.config, *config)
        more = ("--config", *chosen) if chosen else ()
        return [*program, *options, "--configfile", CONFIG, *more]

    def start(
        self,
        *options: str,
        config: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        output: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*before, *self.command(*options, config=config)],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: str, fails: bool = False, **more: Any) -> str:
        process = self.start(*options, output=subprocess.PIPE, **more)
        said, _ = process.communicate()
        if (process.returncode != 0) != fails:
            raise SystemExit(f"unexpected end ({process.returncode}):\n{said}")
        return said

    def results(self) -> Path:
        return self.root / "results"

    def digests(self) -> dict[str, str]:
        """Digest of every output, by its path."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results().rglob("*"))
            if path.is_file() and not path.name.endswith(OF_THE_RUN) and path.name != ".gitkeep"
        }

    def seconds(self) -> dict[str, float]:
        """Seconds that a job takes, by its rule; records state whole ones."""
        found: dict[str, list[float]] = {}
        for path in self.results().rglob("*.record.json"):
            record = json.loads(path.read_text())
            started, ended = (
                datetime.fromisoformat(record["run"][k]) for k in ("started", "ended")
            )
            found.setdefault(record["rule"], []).append((ended - started).total_seconds() + 1)
        return {rule: median(own) for rule, own in found.items()}

    def is_sound(self) -> bool:
        """Whether the audit finds no break."""
        audit = subprocess.run(
            [sys.executable, "-m", "neurospect.cli", "audit", "results"],
            cwd=self.root, env=self.environment, capture_output=True, check=False,
        )  # fmt: skip
        return audit.returncode == 0


def killed_at_random(copy: Copy, seconds: Mapping[str, float], rng: random.Random) -> Counter[str]:
    """Run to the end while jobs, and sometimes Snakemake, are killed; count the kills by rule."""
    kills: Counter[str] = Counter()
    while True:
        process = copy.start("--keep-going", "--retries", "9", "--rerun-incomplete")
        if _killed_with_its_jobs(process, kills, seconds, rng):
            kills["Snakemake"] += 1
            copy.run("--unlock")
        elif process.returncode == 0:
            return kills
        print(sum(kills.values()), "kills", dict(kills), flush=True)


def _killed_with_its_jobs(
    process: subprocess.Popen[str],
    kills: Counter[str],
    seconds: Mapping[str, float],
    rng: random.Random,
) -> bool:
    """Kill jobs of a run until it ends; say whether Snakemake was killed itself."""
    last = time.monotonic() + rng.uniform(30, 60)
    moments: dict[int, float] = {}
    while process.poll() is None:
        time.sleep(0.02)
        now = time.monotonic()
        if now > last and kills["Snakemake"] < KILLS_OF_SNAKEMAKE:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        for number, rule in running_jobs(process.pid):
            # A job's moment is drawn when it is first seen; some end before it comes.
            moment = moments.setdefault(number, now + rng.uniform(0, seconds[rule]))
            if now >= moment and kills[rule] < KILLS_OF_A_RULE:
                os.kill(number, signal.SIGKILL)
                moments[number] = math.inf
                kills[rule] += 1
    return False


def running_jobs(session: int) -> Iterator[tuple[int, str]]:
    """Process and rule of every job of a run."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            words = (folder / "cmdline").read_text().split("\0")
            is_of_run = os.getsid(int(folder.name)) == session
        except OSError:
            continue
        found = [match for word in words if (match := SCRIPT.search(word))]
        if is_of_run and found and words[0].endswith(("python", "python3", "python3.11")):
            yield int(folder.name), found[0].group(1)


def kill_rows(kills: Counter[str], copy: Copy, expected: Mapping[str, str]) -> list[dict[str, Any]]:
    lost, wrong = compared(copy, expected)
    rows = [{"killed": name, "times": count} for name, count in sorted(kills.items())]
    total = {"killed": "**all**", "times": f"**{sum(kills.values())}**"}
    judged = {"outputs": len(expected), "lost": lost, "wrong": wrong, "audit": _audited(copy)}
    blank = dict.fromkeys(judged, "")
    return [{**row, **blank} for row in rows] + [{**total, **judged}]


def compared(copy: Copy, expected: Mapping[str, str]) -> tuple[int, int]:
    """Count outputs that are missing or beyond what is expected, and those with other bytes."""
    found = copy.digests()
    wrong = [name for name in found.keys() & expected.keys() if found[name] != expected[name]]
    lost = sorted(found.keys() ^ expected.keys())
    for name in (*lost, *wrong):
        print("lost or wrong:", name, flush=True)
    return len(lost), len(wrong)


def _audited(copy: Copy) -> str:
    return "sound" if copy.is_sound() else "breaks"


def fault_row(
    name: str, fault: Callable[[Copy], str], copy: Copy, expected: Mapping[str, str]
) -> dict[str, Any]:
    said = fault(copy)
    copy.run()
    lost, wrong = compared(copy, expected)
    row = {"fault": name, "what was said": said, "lost": lost, "wrong": wrong}
    row["audit"] = _audited(copy)
    print(row, flush=True)
    return row


def refusal(said: str) -> str:
    """Pick the one message out of what a failed run printed."""
    lines = [line.strip() for line in said.splitlines()]
    found = [line for line in lines if re.search(r": found .*, expected ", line)]
    found = found or [line for line in lines if re.search("clock skew|cannot be locked", line)]
    found = found or [line for line in lines if re.search(r"[Ee]rror|[Ll]ock", line)]
    text = found[0] if found else "nothing"
    text = re.sub(r" System time:.*", "", text)
    return re.sub(r"/\S*/(results|faulty)", r"…/\1", text).replace("|", "\\|")


def full_disk(copy: Copy) -> str:
    """Let the results lie on a disk of 1.5 MB, which then grows."""
    with small_disk(copy, "1500k") as grow:
        said = copy.run(fails=True)
        grow()
        copy.run()
    return refusal(said)


def read_only_disk(copy: Copy) -> str:
    with small_disk(copy, "500m") as grow:
        subprocess.run(["mount", "-o", "remount,ro", str(copy.results())], check=True)
        said = copy.run(fails=True)
        subprocess.run(["mount", "-o", "remount,rw", str(copy.results())], check=True)
        grow()
        copy.run()
    return refusal(said)


@contextmanager
def small_disk(copy: Copy, size: str) -> Iterator[Callable[[], None]]:
    """Have empty results on a disk of their own; keep what lies on it in the end."""
    shutil.rmtree(copy.results(), ignore_errors=True)
    copy.results().mkdir()
    where = str(copy.results())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", where], check=True)
    grow = ["mount", "-o", "remount,size=500m", where]
    try:
        yield lambda: subprocess.run(grow, check=True) and None
        shutil.copytree(copy.results(), copy.root / "kept")
    finally:
        subprocess.run(["umount", "-l", where], check=True)
    copy.results().rmdir()
    (copy.root / "kept").rename(copy.results())


def clock_set_back(copy: Copy) -> str:
    """Draw figures anew while all else is two hours from the future, and then no more."""
    for path in copy.results().rglob("*.png"):
        path.unlink()
    files = [path for path in copy.results().rglob("*") if path.is_file()]
    make_younger(files, hours=2)
    said = copy.run(fails=True)
    make_younger((path for path in files if path.exists()), hours=-2)
    return refusal(said)


def make_younger(files: Iterable[Path], *, hours: float) -> None:
    for path in files:
        state = path.stat()
        later = state.st_mtime_ns + int(hours * 3.6e12)
        os.utime(path, ns=(state.st_atime_ns, later))


def two_runs_at_once(copy: Copy) -> str:
    one_training(copy)
    first = copy.start()
    while not any(running_jobs(first.pid)):
        time.sleep(0.02)
    said = copy.run(fails=True)
    first.communicate()
    return refusal(said)


def one_training(copy: Copy) -> Path:
    """Remove what was made of one training, and return its folder."""
    folder = min(copy.results().rglob("model.pt")).parent
    for path in folder.iterdir():
        path.unlink()
    return folder


def corrupt_intermediate(copy: Copy) -> str:
    array = next(iter(sorted(copy.results().rglob("prepared/array.npy"))))
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    said = copy.run(fails=True)
    array.unlink()
    return refusal(said)


def cut_off_checkpoint(copy: Copy) -> str:
    """Kill a training that has a checkpoint, and cut the checkpoint in half."""
    checkpoint = one_training(copy) / "unfinished_training.pt"
    process = copy.start()
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    copy.run("--unlock")
    checkpoint.write_bytes(checkpoint.read_bytes()[: checkpoint.stat().st_size // 2])
    said = copy.run("--rerun-incomplete", fails=True)
    checkpoint.unlink()
    return refusal(said)


def not_a_number_in_training(copy: Copy) -> str:
    """Train once with a learning rate at which the loss overflows."""
    rate = "{sines: {training: {learning_rate: 1.0e30}}}"
    said = copy.run(config=(f"overrides={rate}",), fails=True)
    for stopped in copy.results().rglob("stopped"):
        shutil.rmtree(stopped)
    return refusal(said)


FAULTS: dict[str, Callable[[Copy], str]] = {
    "disk full": full_disk,
    "results read-only": read_only_disk,
    "clock set back by two hours": clock_set_back,
    "two runs at once": two_runs_at_once,
    "one byte of an intermediate changed": corrupt_intermediate,
    "checkpoint cut off": cut_off_checkpoint,
    "loss not a number": not_a_number_in_training,
}

if __name__ == "__main__":
    main()
