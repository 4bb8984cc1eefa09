"""The demo plans all eight figures."""

from __future__ import annotations

import re

from checkout import Checkout


def test_the_demo_plans_every_figure_of_the_paper(fresh_checkout: Checkout) -> None:
    run = fresh_checkout.snakemake("--dry-run", configs=("config/demo.yaml",))
    assert run.returncode == 0, run.stdout
    jobs = {
        rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", run.stdout, re.MULTILINE)
    }
    assert jobs["draw_page"] == 8
    assert jobs["draw_trajectories"] == jobs["train"] == 50
    assert jobs["draw_group_differences"] == jobs["draw_effect_sizes"] == 16
    assert jobs["simulate_freesurfer"] == jobs["residualise_volumes"] == 1
    assert jobs["total"] < 500
