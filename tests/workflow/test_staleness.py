"""What makes a result stale, and what does not: which jobs a run after an edit would run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from checkout import RUN, Checkout

MODELS, COMPARISONS = 2, 2
DRAWN = {
    "draw_page": 1,
    "draw_group_differences": COMPARISONS,
    "draw_effect_sizes": COMPARISONS,
}
ALL_FIGURES = DRAWN | {"draw_trajectories": MODELS, "trace_figure": MODELS + 2 * COMPARISONS + 1}
TESTED = {"test_group_differences": COMPARISONS} | DRAWN
# Pages and comparisons change, trajectories do not: their chains are not traced again.
TRACED = {"trace_figure": 2 * COMPARISONS + 1, "all": 1}


def substitute(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new))


def later(path: Path) -> None:
    moment = time.time() + 60
    os.utime(path, (moment, moment))


def test_nothing_is_stale_after_a_run(finished: Checkout):
    assert finished.jobs_to_run() == {}


@pytest.mark.parametrize(
    ("module", "old", "new", "jobs"),
    [
        pytest.param(
            "stats/max_statistic.py",
            ".max(axis=1)",
            ".max(axis=1) + 0",
            TESTED | TRACED,
            id="a test statistic: tests and their figures, no training",
        ),
        pytest.param(
            "figures/saving.py",
            "temporary, dpi=DOTS_PER_INCH",
            "temporary, dpi=DOTS_PER_INCH + 1",
            ALL_FIGURES | {"all": 1},
            id="how figures are saved: all figures, nothing before",
        ),
        pytest.param(
            "spectra/trajectories.py",
            "STEPS_AT_ONCE = 16",
            "STEPS_AT_ONCE = 17",
            {"train": MODELS} | ALL_FIGURES | TESTED | {"permute_labels": COMPARISONS, "all": 1},
            id="what is recorded: training and all after it, not the cohort",
        ),
        pytest.param(
            "spectra/label_permutation.py",
            "AT_ONCE = 64",
            "AT_ONCE = 63",
            {"permute_labels": COMPARISONS} | TESTED | TRACED,
            id="the permutation: from there on, no training",
        ),
        pytest.param(
            "provenance/audit.py",
            "def audit(",
            "def audit_(",
            {},
            id="a module that no job reaches: nothing",
        ),
    ],
)
def test_an_edited_module_reruns_the_steps_that_reach_it(edited: Checkout, module, old, new, jobs):
    path = edited.root / "src" / "neurospect" / module
    substitute(path, old, new)
    assert edited.jobs_to_run() == jobs
    substitute(path, new, old)
    later(path)
    assert edited.jobs_to_run() == {}, "the edit was taken back"


@pytest.mark.parametrize(
    "path",
    ["scripts/train.py", "src/neurospect/training/loop.py", "src/neurospect/arrays/atomic.py"],
)
def test_comments_docstrings_and_touches_make_nothing_stale(edited: Checkout, path):
    file = edited.root / path
    lines = file.read_text().splitlines()
    assert lines[0].startswith('"""')
    file.write_text("\n".join(["# A comment.", '"""Another docstring.', *lines[1:], "# The end."]))
    if lines[0].count('"""') == 2:
        file.write_text("\n".join(["# A comment.", '"""Another."""', *lines[1:], "# The end."]))
    later(file)
    assert edited.jobs_to_run() == {}


@pytest.mark.parametrize(
    ("old", "new", "jobs"),
    [
        (
            "permutation: {",
            "permutation: {alpha: 0.04, ",
            {"permute_labels": COMPARISONS} | TESTED | TRACED,
        ),
        (
            "permutations: 39",
            "permutations: 41",
            {"permute_labels": COMPARISONS} | TESTED | TRACED,
        ),
        (
            "epochs: 30",
            "epochs: 31",
            {"train": MODELS} | ALL_FIGURES | TESTED | {"permute_labels": COMPARISONS, "all": 1},
        ),
    ],
)
def test_an_edited_setting_reruns_the_steps_that_take_it(edited: Checkout, old, new, jobs):
    substitute(edited.root / "tests/workflow/sinusoid.yaml", old, new)
    assert edited.jobs_to_run() == jobs


def test_a_pin_of_one_environment_reruns_its_rules(edited: Checkout):
    env = edited.root / "envs/figures.yaml"
    text = env.read_text()
    assert "matplotlib==" in text
    env.write_text(text.replace("matplotlib==", "matplotlib==0.0.0+edited-"))
    assert edited.jobs_to_run() == ALL_FIGURES | {"all": 1}


@pytest.mark.parametrize(
    "file",
    ["results/sinusoid/prepared/array.npy", "results/sinusoid/prepared/participants.tsv"],
)
def test_an_input_touched_without_change_makes_nothing_stale(edited: Checkout, file):
    path = edited.root / file
    if path.suffix == ".npy":
        assert path.stat().st_size > 1_000_000
    later(path)
    assert edited.jobs_to_run() == {}


def test_an_input_whose_bytes_change_reruns_what_reads_it(edited: Checkout):
    table = edited.root / RUN / "G/seed-0/permutation_test.tsv"
    table.write_text(table.read_text() + "\n")
    later(table)
    assert edited.jobs_to_run() == {
        "draw_group_differences": 1,
        "draw_page": 1,
        "trace_figure": 2,
        "all": 1,
    }


@pytest.mark.parametrize(
    ("lost", "rule"),
    [
        ("results/sinusoid/prepared/array.npy", "prepare_cohort"),
        ("results/sinusoid/splits/split_participants.record.json", "split_participants"),
        (f"{RUN}/A/seed-0/model.pt", "train"),
        (f"{RUN}/G/seed-0/clusters.tsv", "test_group_differences"),
        (f"{RUN}/A/seed-0/trajectories.svg", "draw_trajectories"),
        (f"{RUN}/G/seed-0/draw_effect_sizes.record.json", "draw_effect_sizes"),
    ],
)
def test_what_is_lost_behind_a_figure_or_beside_it_is_made_again(edited: Checkout, lost, rule):
    (edited.root / lost).unlink()
    assert edited.jobs_to_run()[rule] == 1


def test_a_rerun_after_an_edit_runs_just_what_the_dry_run_said(edited: Checkout):
    substitute(
        edited.root / "src/neurospect/stats/max_statistic.py", ".max(axis=1)", ".max(axis=1) + 0"
    )
    expected = edited.jobs_to_run()
    run = edited.snakemake()
    assert run.returncode == 0, run.stdout
    assert f"{expected.total()} of {expected.total()} steps (100%) done" in run.stdout
    assert edited.jobs_to_run() == {}
    assert edited.neurospect("audit", "results").returncode == 0
