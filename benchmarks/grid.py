"""How long the papers' whole grid would take on a cluster: list scheduling of the real plan.

Snakemake plans figures 1 to 8, 8 panels each, with 5 seeds at the papers' epochs. What a job takes
is what its like took in a run of the demo (`make demo` first), scaled by epochs, permutations and
examples. Writes its table into docs/benchmarks.md.

Usage: python benchmarks/grid.py [--demo results] [--nodes 50]
"""

from __future__ import annotations

import argparse
import csv
import heapq
import os
import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

from neurospect.provenance.record import SUFFIX, Run, read_record
from table import write_section

REPOSITORY = Path(__file__).resolve().parent.parent
FIGURES = ("mnist_mlp", "mnist_cnn2d", "sinusoid_rnn", "freesurfer_mlp")
FIGURES_OF_RUNS = ("rest_lstm", "rest_bert", "rest_cnn1d", "rest_cnn3d")
# Examples, times volumes where their number differs, over those of the demo.
LARGER = {
    "mnist": 28_911 / 2_000,
    "sinusoid": 1_000 / 400,
    "simulated-freesurfer": 1_000 / 200,
    "simulated-rest": 150 / 40 * 150 / 120,
}
GROWING = ("epochs", "permutations")
SECONDS_PER_JOB = 7.0
TEXT = """\
## The AutoSpec paper's grid on a cluster

Figures 1 to 8 with all their panels and 5 seeds, planned by Snakemake and simulated as a list
schedule: a free node takes the job on the longest chain of those that are ready. A job takes what
its like took in the demo on 2 cores of the machine below, times its epochs and permutations over
the demo's (1,000 epochs) and, for training, times the examples over the demo's (28,911 digits of
four classes, 1,000 signals, 1,000 participants with volumes, 150 with runs of 150 volumes). That
time grows in proportion is assumed, as is one job per node at a time, each after {overhead:.0f} s
of the scheduler. Nothing waits for other users' jobs. The grid was not run at this size.
"""


@dataclass(frozen=True)
class Planned:
    """A job of the plan: what it takes, and the jobs that wait for it."""

    rule: str
    seconds: float
    needs: frozenset[int]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path, default=REPOSITORY / "results")
    parser.add_argument("--nodes", type=int, default=50)
    options = parser.parse_args()
    demo = measured(options.demo.resolve())
    jobs = plan(demo)
    hours = sum(job.seconds for job in jobs.values()) / 3600
    chain = max(to_the_end(jobs).values()) / 3600
    rows: list[dict[str, Any]] = []
    for nodes in (1, options.nodes):
        rows.append(
            {
                "nodes": nodes,
                "jobs": len(jobs),
                "of them training": sum(job.rule == "train" for job in jobs.values()),
                "node hours": f"{hours:.1f}",
                "wall time (h)": f"{schedule(jobs, nodes) / 3600:.2f}",
                "longest chain (h)": f"{chain:.2f}",
            }
        )
        print(rows[-1], flush=True)
    text = TEXT.format(overhead=SECONDS_PER_JOB)
    write_section(REPOSITORY / "docs" / "benchmarks.md", "grid", text, rows)


def measured(results: Path) -> dict[tuple[str, ...], list[tuple[float, dict[str, Any]]]]:
    """Seconds and params of the demo's jobs, by rule and figure, and by rule alone."""
    found: dict[tuple[str, ...], list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    for path in sorted(results.rglob(f"*{SUFFIX}")):
        record = read_record(path)
        job = (seconds_of(path, record.run), dict(record.params))
        for key in keys(record.rule, record.wildcards):
            found[key].append(job)
    if ("train", "rest_cnn3d") not in found:
        raise SystemExit(f"{results} holds no run of the whole demo: make demo, or give --demo")
    return found


def seconds_of(record: Path, run: Run) -> float:
    """Seconds that a job took: as Snakemake timed it, or, of shared results, in whole seconds."""
    timed = record.with_name(record.name.replace(SUFFIX, ".benchmark.tsv"))
    if not timed.exists():
        ended, started = map(datetime.fromisoformat, (run.ended, run.started))
        return (ended - started).total_seconds()
    with timed.open() as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    return float(row["s"])


def keys(rule: str, wildcards: dict[str, str]) -> list[tuple[str, ...]]:
    """From a job's nearest like to any job of its rule."""
    names = [wildcards[name] for name in ("experiment", "panel") if name in wildcards]
    return [(rule, *names[:length]) for length in range(len(names), -1, -1)]


def plan(demo: dict[tuple[str, ...], list[tuple[float, dict[str, Any]]]]) -> dict[int, Planned]:
    """Plan the grid, with what each job is expected to take."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("config").symlink_to(REPOSITORY / "config")
        Path("grid.yaml").write_text(yaml.safe_dump(settings()))
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=2),
                config_settings=ConfigSettings(configfiles=[Path("grid.yaml")]),
                snakefile=REPOSITORY / "workflow/Snakefile",
            )
            workflow.dag().execute_workflow(executor="dryrun")
            dag = workflow._workflow.dag
            numbers = {job: number for number, job in enumerate(dag.jobs)}
            planned = {
                number: Planned(
                    job.rule.name,
                    expected(job, demo),
                    frozenset(numbers[other] for other in dag.dependencies[job]),
                )
                for job, number in numbers.items()
            }
        os.chdir(REPOSITORY)
    return planned


def settings() -> dict[str, Any]:
    cohorts = dict.fromkeys(FIGURES_OF_RUNS, "simulated-rest")
    cohorts["freesurfer_mlp"] = "simulated-freesurfer"
    return {
        "experiments": [*FIGURES, *FIGURES_OF_RUNS],
        "prepare": [],
        "seeds": [0, 1, 2, 3, 4],
        "cohorts": {"simulated-rest": {"participants": 150}},
        "overrides": {name: {"cohort": cohort} for name, cohort in cohorts.items()},
    }


def expected(job: Any, demo: dict[tuple[str, ...], list[tuple[float, dict[str, Any]]]]) -> float:
    """Seconds that a job is expected to take."""
    wildcards = dict(job.wildcards_dict)
    rule = job.rule.name
    likes: list[tuple[float, dict[str, Any]]] = next(
        (demo[key] for key in keys(rule, wildcards) if key in demo), []
    )
    scaled = []
    for seconds, then in likes:
        for name in GROWING:
            if then.get(name) and getattr(job.params, name, None):
                seconds *= getattr(job.params, name) / then[name]
        scaled.append(seconds)
    larger = LARGER.get(wildcards.get("cohort", ""), 1.0) if rule == "train" else 1.0
    return SECONDS_PER_JOB + larger * (statistics.median(scaled) if scaled else 0.0)


def to_the_end(jobs: dict[int, Planned]) -> dict[int, float]:
    """Seconds from the start of each job to the end of the last that waits for it."""
    waiting: dict[int, list[int]] = defaultdict(list)
    for number, job in jobs.items():
        for needed in job.needs:
            waiting[needed].append(number)
    left: dict[int, float] = {}

    def until_the_end(number: int) -> float:
        if number not in left:
            after = max(map(until_the_end, waiting[number]), default=0.0)
            left[number] = jobs[number].seconds + after
        return left[number]

    return {number: until_the_end(number) for number in jobs}


def schedule(jobs: dict[int, Planned], nodes: int) -> float:
    """Seconds from the first start to the last end on so many nodes."""
    urgent = to_the_end(jobs)
    missing = {number: set(job.needs) for number, job in jobs.items()}
    ready = [(-urgent[number], number) for number, needs in missing.items() if not needs]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < nodes:
            _, number = heapq.heappop(ready)
            heapq.heappush(running, (now + jobs[number].seconds, number))
        now, ended = heapq.heappop(running)
        for number, needs in missing.items():
            if ended in needs:
                needs.remove(ended)
                if not needs:
                    heapq.heappush(ready, (-urgent[number], number))
    return now


if __name__ == "__main__":
    main()
