"""How long an audit takes, beside what it takes to hash the same files at all.

Jobs write files into a temporary folder and leave real records; then `neurospect audit` and
`sha256sum` take turns. Writes its table into docs/benchmarks.md.

Usage: python benchmarks/audit.py [--files 2000] [--megabytes 500]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from neurospect.provenance.job import by_hand, recorded_job
from table import write_section

TURNS = 5
PER_JOB = 20
SCRIPT = "from neurospect.provenance.job import recorded_job\n"
LOOP = """
import hashlib, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256")
"""
TEXT = f"""\
## Audit

A results folder, made by jobs of {PER_JOB} files each that read what earlier jobs made and leave
their records. `neurospect audit` is timed as users start it, Python's start and the reading of
records and code included; "hash" is `sha256sum` of the same files, one process as it comes, and as
many at once as there are cores; "OpenSSL" is a bare loop of Python's hashlib over them, because
some builds of `sha256sum` do without the processor's own instructions. Seconds are medians of
{TURNS} turns, the files being in the page cache; each ratio is the median of those of the turns.
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make(options.files, options.megabytes * 10**6 // options.files)
        files = sorted(str(path) for path in Path().rglob("*.bin"))
        Path("files").write_text("\0".join(files))
        measured: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(TURNS):
            for way, command in WAYS.items():
                measured[way].append(seconds(command))
    row = {"files": len(files), "MB": options.megabytes, "records": len(files) // PER_JOB}
    for way, found in measured.items():
        row[f"{way} (s)"] = f"{statistics.median(found):.2f}"
    row["files per second"] = round(len(files) / statistics.median(measured["audit"]))
    for way in list(WAYS)[1:]:
        pairs = zip(measured["audit"], measured[way], strict=True)
        row[f"audit / {way}"] = f"{statistics.median(ours / theirs for ours, theirs in pairs):.2f}"
    print(row)
    page = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
    write_section(page, "audit", TEXT, [row])


WAYS = {
    "audit": [sys.executable, "-m", "neurospect.cli", "audit", "results"],
    "hash": ["xargs", "-0", "-a", "files", "sha256sum"],
    "hash, OpenSSL": ["xargs", "-0", "-a", "files", sys.executable, "-c", LOOP],
    "hash, all cores": [
        *("xargs", "-0", "-a", "files", "-P", str(os.cpu_count()), "-n", "100", "sha256sum"),
    ],
}


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def make(files: int, size: int) -> None:
    """Write files by recorded jobs; each job but the first reads a file of every earlier fifth."""
    Path("scripts").mkdir()
    Path("scripts/make.py").write_text(SCRIPT)
    Path("raw.bin").write_bytes(b"raw")
    rng = random.Random(0)
    for job in range(files // PER_JOB):
        folder = f"results/cohort/job-{job}"
        read = [f"results/cohort/job-{earlier}/0.bin" for earlier in range(0, job, 5)]
        made = {f"file{number}": f"{folder}/{number}.bin" for number in range(PER_JOB)}
        declared = by_hand(
            "scripts/make.py",
            input={"raw": "raw.bin", "made": read},
            output={**made, "record": f"{folder}/make.record.json"},
            wildcards={"job": str(job)},
        )
        Path(folder).mkdir(parents=True)
        with recorded_job(declared):
            for path in made.values():
                Path(path).write_bytes(rng.randbytes(size))


def _options() -> Any:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--megabytes", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
