"""The same results on every run: elsewhere, and after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from checkout import RUN, Checkout


def recipes(checkout: Checkout) -> dict[str, str]:
    """Recipe id of every record, by its path."""
    return {
        str(path.relative_to(checkout.root)): json.loads(path.read_text())["recipe"]
        for path in (checkout.root / "results").rglob("*.record.json")
    }


def results(checkout: Checkout) -> dict[str, bytes]:
    """Bytes of everything made but what tells of the run itself: records, logs, chains."""
    run_only = (".record.json", ".log", ".benchmark.tsv", ".chain.html")
    return {
        str(path.relative_to(checkout.root)): path.read_bytes()
        for path in (checkout.root / "results").rglob("*")
        if path.is_file() and not path.name.endswith(run_only) and not path.name.startswith(".")
    }


def test_another_clone_gives_the_same_recipes_and_the_same_bytes(
    finished: Checkout, fresh_checkout: Checkout
):
    run = fresh_checkout.snakemake()
    assert run.returncode == 0, run.stdout
    assert results(fresh_checkout) == results(finished)
    chains = {path for path in recipes(finished) if "chain" in path}
    here, there = recipes(finished), recipes(fresh_checkout)
    assert {k: v for k, v in here.items() if k not in chains} == {
        k: v for k, v in there.items() if k not in chains
    }


@pytest.mark.parametrize("checkpoints_before", [1, 3])
def test_a_training_killed_in_the_middle_goes_on_to_the_same_bytes(
    fresh_checkout: Checkout, finished: Checkout, checkpoints_before: int
):
    target = f"{RUN}/A/seed-0/model.pt"
    unfinished = fresh_checkout.root / RUN / "A/seed-0/unfinished_training.pt"
    run = subprocess.Popen(
        [*fresh_checkout.command(), "--", target],
        cwd=fresh_checkout.root,
        env=fresh_checkout.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    seen: set[int] = set()
    deadline = time.monotonic() + 120
    while len(seen) < checkpoints_before and time.monotonic() < deadline:
        if run.poll() is not None:
            pytest.fail("the run ended before it could be killed")
        if unfinished.exists():
            seen.add(unfinished.stat().st_mtime_ns)
        time.sleep(0.001)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert unfinished.exists()
    assert not (fresh_checkout.root / target).exists()

    assert fresh_checkout.snakemake("--unlock").returncode == 0
    again = fresh_checkout.snakemake("--until", "train")
    assert again.returncode == 0, again.stdout
    log = (fresh_checkout.root / RUN / "A/seed-0/train.log").read_text()
    assert "going on from" in log
    assert not unfinished.exists()
    for name in ("model.pt", "history.tsv", "spectra.nc", "block_gradients.nc"):
        path = f"{RUN}/A/seed-0/{name}"
        assert (fresh_checkout.root / path).read_bytes() == (finished.root / path).read_bytes()


def test_one_changed_byte_of_an_intermediate_is_named_by_the_audit(edited: Checkout):
    clean = edited.neurospect("audit", "results")
    assert clean.returncode == 0, clean.stdout
    spectra = edited.root / RUN / "B/seed-0/spectra.nc"
    content = bytearray(spectra.read_bytes())
    content[len(content) // 2] ^= 1
    spectra.write_bytes(content)
    found = edited.neurospect("audit", "results")
    assert found.returncode == 1
    assert "intermediate tampered" in found.stdout
    assert "B/seed-0/spectra.nc" in found.stdout
    assert "1 break" in found.stdout


def test_every_figure_is_traced_to_raw_files_or_the_seed(finished: Checkout):
    figures = sorted((finished.root / "results").rglob("*.png"))
    assert len(figures) == 7
    for figure in figures:
        traced = finished.neurospect("trace", str(figure.relative_to(finished.root)))
        assert traced.returncode == 0, traced.stderr
        assert "prepare_cohort" in traced.stdout


def test_the_report_shows_every_figure_with_its_recipe(finished: Checkout):
    made = finished.snakemake("--report", "results/report.html")
    try:
        assert made.returncode == 0, made.stdout
        report = (finished.root / "results/report.html").read_text()
        for path, recipe in recipes(finished).items():
            if "/draw_" in path:
                assert recipe[:12] in report
    finally:
        (finished.root / "results/report.html").unlink(missing_ok=True)
