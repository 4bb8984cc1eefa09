"""How long planning takes, and how many jobs are planned, for cohorts of many participants.

File trees of empty files are made in a temporary folder, in the layouts of BIDS derivatives and of
HCP1200; Snakemake plans the workflow on them (a dry run). Writes its table into docs/benchmarks.md.

Usage: python benchmarks/scale.py [--most 10000]
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from neurospect.cohorts.hcp_contrasts import PUBLISHED_ORDER, TASK_CONTRASTS
from neurospect.cohorts.hcp_layout import cope_map, task_folder
from table import write_section

REPOSITORY = Path(__file__).resolve().parent.parent
SIZES = (100, 1_000, 10_000)
TEXT = """\
## Planning for many participants

`snakemake --dry-run` on trees of empty files, Python's start included: figure 5 on a folder of
BIDS derivatives (run, mask, sidecar and confounds of each participant), 8 panels, one seed; and the
decoders of HCP task maps (12 maps of each participant, the release itself has 1,200). "Jobs" is
how many would run; memory is the peak of Snakemake's process; "CPU seconds" are what other work on
the machine does not change.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=SIZES[-1], help="leave out larger cohorts")
    most = parser.parse_args().most
    rows = []
    for layout, lay in LAYOUTS.items():
        for participants in SIZES:
            if participants <= min(most, MOST_OF.get(layout, most)):
                with tempfile.TemporaryDirectory() as folder:
                    config = lay(Path(folder), participants)
                    rows.append({"layout": layout, "participants": participants, **plan(config)})
                print(rows[-1], flush=True)
    write_section(REPOSITORY / "docs" / "benchmarks.md", "scale", TEXT, rows)


def plan(config: Path) -> dict[str, Any]:
    """Plan the workflow beside a configuration; say how many jobs, how long, how much memory."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
    command += ["--snakefile", str(REPOSITORY / "workflow/Snakefile"), "--nocolor", "--cores", "2"]
    started = time.perf_counter()
    with (config.parent / "plan.txt").open("w") as out:
        run = subprocess.Popen(
            [*command, "--configfile", config.name],
            cwd=config.parent,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        # Not run.wait(): only this tells the memory of this one process.
        _, status, used = os.wait4(run.pid, 0)
    seconds = time.perf_counter() - started
    run.returncode = os.waitstatus_to_exitcode(status)
    said = (config.parent / "plan.txt").read_text()
    jobs = re.search(r"^total\s+(\d+)", said, re.MULTILINE)
    if run.returncode or not jobs:
        raise SystemExit(said)
    return {
        "files": sum(len(names) for _, _, names in os.walk(config.parent / "data")),
        "jobs": int(jobs[1]),
        "seconds": f"{seconds:.1f}",
        "CPU seconds": f"{used.ru_utime + used.ru_stime:.1f}",
        "MB": round(used.ru_maxrss / 1e3),
    }


def lay_bids(root: Path, participants: int) -> Path:
    """Lay derivatives of resting-state runs, half patients, half women."""
    lines = ["participant_id\tdiagnosis\tsex\tage"]
    for number in range(participants):
        name = f"sub-{number:05d}"
        lines.append(f"{name}\t{['patient', 'control'][number % 2]}\t{'FFMM'[number % 4]}\t30")
        folder = root / "data" / name / "func"
        folder.mkdir(parents=True)
        stem = f"{name}_task-rest_space-MNI152NLin2009cAsym"
        for rest in (
            "desc-preproc_bold.nii.gz",
            "desc-preproc_bold.json",
            "desc-brain_mask.nii.gz",
        ):
            (folder / f"{stem}_{rest}").touch()
        (folder / f"{name}_task-rest_desc-confounds_timeseries.tsv").touch()
    (root / "data/participants.tsv").write_text("\n".join(lines) + "\n")
    return _config(
        root,
        experiments=["rest_lstm"],
        cohorts={"bids": {"folder": "data"}},
        components={"template": "stand-in"},
        overrides={"rest_lstm": {"cohort": "bids"}},
    )


def lay_hcp(root: Path, participants: int) -> Path:
    """Lay the second level of task analyses, and the unrestricted table of subjects."""
    lines = ["Subject,Gender,Age"]
    for subject in map(str, range(100_000, 100_000 + participants)):
        lines.append(f"{subject},{'FM'[int(subject) % 2]},26-30")
        for task, contrasts in TASK_CONTRASTS.items():
            analysis = task_folder(root / "data", subject, task)
            for name in contrasts:
                path = cope_map(analysis, PUBLISHED_ORDER[task].index(name) + 1)
                path.parent.mkdir(parents=True)
                path.touch()
    (root / "unrestricted.csv").write_text("\n".join(lines) + "\n")
    return _config(
        root,
        experiments=["saliency_hcp"],
        cohorts={"hcp": {"folder": "data", "unrestricted": "unrestricted.csv"}},
        splits={"assume_unrelated": ["hcp"]},
    )


LAYOUTS: dict[str, Callable[[Path, int], Path]] = {"BIDS, figure 5": lay_bids, "HCP": lay_hcp}
MOST_OF = {"HCP": 1_000}


def _config(root: Path, **settings: Any) -> Path:
    (root / "config").symlink_to(REPOSITORY / "config")
    path = root / "mine.yaml"
    path.write_text(yaml.safe_dump({"prepare": [], **settings}))
    return path


if __name__ == "__main__":
    main()
