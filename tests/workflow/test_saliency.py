"""Decoders from made images to tables; what an edit runs again, and what bad input leaves."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd
import pytest

from checkout import Checkout, copy_repository

CONFIG = "tests/workflow/saliency.yaml"
EXPERIMENT = "tests/workflow/experiments/tiny_saliency.yaml"
HOME = "results/synthetic-tasks/tiny_saliency"


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = copy_repository(tmp_path_factory.mktemp("saliency") / "clone")
    run = checkout.snakemake(configs=(CONFIG,))
    assert run.returncode == 0, run.stdout
    return checkout


def table(checkout: Checkout, path: str) -> pd.DataFrame:
    return pd.read_csv(checkout.root / HOME / path, sep="\t")


def jobs_after(checkout: Checkout, old: str, new: str) -> Counter[str]:
    """Jobs that a run would run if the experiment's file said something else."""
    path = checkout.root / EXPERIMENT
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    try:
        run = checkout.snakemake("--dry-run", configs=(CONFIG,))
    finally:
        path.write_text(text)
    assert run.returncode == 0, run.stdout
    found = re.search(r"Job stats:\n.*?\n-+.*?\n(.*?)\ntotal", run.stdout, re.DOTALL)
    rows = found.group(1).splitlines() if found else []
    return Counter({rule: int(count) for rule, count in map(str.split, rows)})


def test_raw_images_become_tables_of_criteria_and_tests(decoded: Checkout):
    criteria = table(decoded, "summary/criteria.tsv")
    methods = criteria.groupby("decoder", sort=False)["method"].unique()
    assert list(methods["regression"]) == ["gradient", "smoothgrad", "weights"]
    assert list(methods["robust"]) == ["gradient"]
    examples = table(decoded, "robust/seed-0/criteria.tsv")
    gradient = examples[examples["criterion"] == "class_informative"]
    assert len(gradient) == 30
    summary = criteria.set_index(["decoder", "method", "criterion"])["correlation"]
    mean = gradient["correlation"].mean()
    assert summary["robust", "gradient", "class_informative"] == pytest.approx(mean)
    tests = table(decoded, "summary/criteria_tests.tsv")
    assert len(tests) == 2 * 2 * 6
    assert set(tests["observations_are"]) == {"seeds", "examples"}
    accuracy = table(decoded, "summary/accuracy.tsv").set_index(["decoder", "split"])["accuracy"]
    assert accuracy["robust", "training"] > 0.9


def test_every_result_is_as_its_record_says(decoded: Checkout):
    audit = decoded.neurospect("audit", "results")
    assert audit.returncode == 0, audit.stdout


def test_an_option_of_the_maps_makes_no_training_stale(decoded: Checkout):
    jobs = jobs_after(decoded, "smoothgrad: {samples: 2}", "smoothgrad: {samples: 3}")
    assert jobs["map_saliency"] == 1 and jobs["test_criteria"] == 1
    assert "train_decoder" not in jobs


def test_a_way_of_training_makes_its_decoder_stale_and_no_other(decoded: Checkout):
    jobs = jobs_after(decoded, "steps: 2", "steps: 3")
    assert jobs["train_decoder"] == jobs["map_saliency"] == 1


def test_nothing_is_stale_after_a_run(decoded: Checkout):
    assert jobs_after(decoded, "title: Saliency", "title: Saliency") == Counter()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            "overrides: {tiny_saliency: {decoders: {robust: {epsilon: -1.0}}}}",
            "decoders.robust.epsilon: found -1.0, expected more than 0",
        ),
        (
            "overrides: {tiny_saliency: {decoders: {robust: {maps: [weights]}}}}",
            "decoders.robust.maps: found weights, of a decoder of family mlp",
        ),
    ],
)
def test_bad_settings_are_refused_before_any_job(decoded: Checkout, config: str, words: str):
    (decoded.root / "bad.yaml").write_text(config)
    run = decoded.snakemake(configs=(CONFIG, "bad.yaml"))
    assert run.returncode != 0
    assert words in run.stdout
    assert "Traceback" not in run.stdout
