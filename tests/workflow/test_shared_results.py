"""Preparation that two projects share: computed once, the same in both, never taken on trust."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from checkout import REPOSITORY, Checkout, Sharing, copy_repository

pytestmark = pytest.mark.slow

CONFIG, RAW = "tests/workflow/shared.yaml", "tests/workflow/shared_raw.yaml"
COHORT = "tests/workflow/shared_cohort.yaml"
COBRE, SINUSOID = "results/cobre/prepared", "results/sinusoid/prepared"
BIDS = "results/bids/prepared/participants.tsv"
MODEL = "results/sinusoid/sinusoid_mlp/A/seed-0/model.pt"
TARGETS = (f"{COBRE}/participants.tsv", MODEL)
SHARED = {
    *("prepare_references", "extract_components", "gather_components"),
    *("build_task_maps", "gather_task_maps", "prepare_cohort", "residualise_volumes"),
}
OF_EACH = re.compile(r"^Output file (\S+) will be (obtained from|written to)", re.MULTILINE)


def run(checkout: Checkout, *targets: str) -> str:
    made = checkout.snakemake("--", *targets, configs=(CONFIG,))
    assert made.returncode == 0, made.stdout
    return made.stdout


def plan(checkout: Checkout, *targets: str) -> dict[str, str]:
    """What a run would do about each result that is shared: obtain it, or write it."""
    planned = checkout.snakemake("--dry-run", "--", *targets, configs=(CONFIG,))
    assert planned.returncode == 0, planned.stdout
    return {file: done.split()[0] for file, done in OF_EACH.findall(planned.stdout)}


def all_of_sinusoid(checkout: Checkout, *options: str) -> str:
    """Run `all` of one cohort."""
    made = checkout.snakemake(*options, configs=(COHORT,))
    assert made.returncode == 0, made.stdout
    return made.stdout


def written(planned: dict[str, str]) -> set[str]:
    return {file for file, done in planned.items() if done == "written"}


def links(checkout: Checkout) -> dict[str, Path]:
    """Every shared file of a copy, and where it links to."""
    results = checkout.root / "results"
    return {
        str(path.relative_to(checkout.root)): path.readlink()
        for path in results.rglob("*")
        if path.is_symlink()
    }


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sharing, Sharing, Sharing]:
    """Two copies that have run, the second after the first, and one that has not."""
    home = tmp_path_factory.mktemp("shared")
    (home / "folder").mkdir()
    source = copy_repository(home / "source")
    made = source.snakemake("--until", "simulate_rest", configs=(RAW,))
    assert made.returncode == 0, made.stdout
    every = []
    for name in ("first", "second", "third"):
        checkout = Sharing(copy_repository(home / name).root, str(home / "folder"))
        for cohort in ("cobre", "bids"):
            shutil.copytree(
                source.root / "results/simulated-rest/source",
                checkout.root / "data" / cohort,
                ignore=shutil.ignore_patterns("truth", "simulate_rest.*"),
            )
        every.append(checkout)
    first, second, third = every
    run(first, *TARGETS)
    run(second, *TARGETS)
    return first, second, third


@pytest.fixture(scope="module")
def rules() -> list[Any]:
    """The rules of the workflow, as Snakemake reads them."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[REPOSITORY / "tests/workflow/tiny.yaml"]),
            snakefile=REPOSITORY / "workflow/Snakefile",
            workdir=REPOSITORY,
        )
        workflow.dag().execute_workflow(executor="dryrun")
        return list(workflow._workflow.rules)


def test_what_is_shared_is_preparation(rules: list[Any]):
    assert {rule.name for rule in rules if rule.cache.output} == SHARED


@pytest.mark.parametrize("name", sorted(SHARED))
def test_the_key_of_a_shared_rule_has_all_that_its_results_depend_on(rules: list[Any], name: str):
    (rule,) = (rule for rule in rules if rule.name == name)
    params = dict(rule.params._allitems())
    assert params["shared_as"].__name__ == "names_and_contents"
    assert {"code", "environment"} <= params.keys()
    outputs = [output for output, _ in rule.output._allitems()]
    assert None not in outputs
    assert len(set(outputs)) == len(outputs), "files of one name would be one file in the folder"
    assert set(rule.output.record.get_wildcard_names()) == rule.wildcard_names


def test_a_second_copy_computes_no_shared_result_again(copies):
    first, second, _ = copies
    assert {Path(path).name for path in links(first) if "record.json" in path} == {
        f"{rule}.record.json"
        for rule in SHARED - {"build_task_maps", "gather_task_maps", "residualise_volumes"}
    }
    assert links(second) == links(first)
    logs = [*(second.root / "results").rglob("*.log")]
    assert {log.stem for log in logs if log.stat().st_size} == {*("split_participants", "train")}


def test_what_follows_from_shared_results_has_the_same_bytes_and_recipe(copies):
    first, second, _ = copies
    for name in ("model.pt", "history.tsv", "spectra.nc"):
        path = Path(MODEL).with_name(name)
        assert (second.root / path).read_bytes() == (first.root / path).read_bytes()
    one, other = (
        json.loads((copy.root / MODEL).with_name("train.record.json").read_text())
        for copy in (first, second)
    )
    assert one["recipe"] == other["recipe"]
    assert one["run"] != other["run"]
    assert {each["recipe"] for each in one["inputs"]} == {
        json.loads((second.root / path).read_text())["recipe"]
        for path in (
            "results/sinusoid/prepared/prepare_cohort.record.json",
            "results/sinusoid/splits/split_participants.record.json",
        )
    }


def test_both_copies_are_sound_and_finished(copies):
    for checkout in copies[:2]:
        audit = checkout.neurospect("audit", "results")
        assert audit.returncode == 0, audit.stdout
    planned = Checkout(copies[1].root).snakemake("--dry-run", "--", *TARGETS, configs=(CONFIG,))
    assert "Nothing to be done" in planned.stdout


def test_no_two_results_are_one_file(copies):
    at = links(copies[0])
    assert len(set(at.values())) == len(at)


def test_edits_of_code_that_preparation_does_not_reach_and_other_cohorts_change_no_key(copies):
    third = copies[2]
    saving = third.root / "src/neurospect/figures/saving.py"
    saving.write_text(saving.read_text() + "\nEDITED = 1\n")
    planned = plan(third, *TARGETS, BIDS)
    of_bids = {file for file in planned if file.startswith("results/bids/")}
    assert len(planned) == 9
    assert len(of_bids) == 4
    assert written(planned) == of_bids, "runs of the same bytes, but another cohort"


def test_edited_code_that_preparation_reaches_is_not_shared(copies):
    third = copies[2]
    ica = third.root / "src/neurospect/preprocess/constrained_ica.py"
    text = ica.read_text()
    ica.write_text(text + "\nEDITED = 1\n")
    planned = plan(third, *TARGETS)
    ica.write_text(text)
    assert planned.keys() - written(planned) == {
        "results/cobre/components/references.nii.gz",
        f"{SINUSOID}/participants.tsv",
    }


def test_two_participants_whose_images_were_swapped_are_computed_again(copies):
    third = copies[2]
    one, other = (
        next((third.root / f"data/cobre/{name}/func").glob("*_bold.nii.gz"))
        for name in ("sub-005", "sub-006")
    )
    kept = one.rename(one.with_name("kept"))
    other.rename(one)
    kept.rename(other)
    assert written(plan(third, *TARGETS)) == {
        "results/cobre/components/batch-1/maps.npy",
        f"{COBRE}/participants.tsv",
    }


def test_a_poisoned_result_is_named_in_both_copies_refused_and_mended_as_the_message_says(copies):
    first, second, _ = copies
    path, splits = f"{COBRE}/participants.tsv", "results/cobre/splits/splits.tsv"
    shared = links(second)[path]
    sound = shared.read_bytes()
    shared.write_bytes(sound.replace(b"female", b"male", 1))
    for checkout in (first, second):
        audit = checkout.neurospect("audit", "results")
        assert audit.returncode == 1
        assert "1 break" in audit.stdout
        assert f"intermediate tampered: {path}" in audit.stdout
        assert f"Delete the shared file, too, or it comes back: {shared}" in audit.stdout
    refused = second.snakemake("--", splits, configs=(CONFIG,))
    assert refused.returncode == 1
    assert "Something else wrote into it." in refused.stdout
    assert f"Delete the shared file, too, or it comes back: {shared}" in refused.stdout

    (second.root / path).unlink()
    assert plan(second, splits) == {path: "obtained"}, "one of the two alone is not enough"
    shared.unlink()
    assert plan(second, splits) == {path: "written"}
    run(second, splits)
    assert shared.read_bytes() == sound
    for checkout in (first, second):
        audit = checkout.neurospect("audit", "results")
        assert audit.returncode == 0, audit.stdout
    assert plan(first, *TARGETS) == {}


def test_results_whose_shared_files_were_deleted_are_missing_and_made_anew(copies):
    first, second, _ = copies
    apart, missing = Checkout(second.root), "Missing output files: results/sinusoid/prepared"
    own = {path: at for path, at in links(second).items() if path.startswith(SINUSOID)}
    own[f"{SINUSOID}/array.npy"].unlink()
    assert f"{missing}/array.npy\n" in all_of_sinusoid(second, "--dry-run")
    for at in own.values():
        at.unlink(missing_ok=True)
    assert missing in all_of_sinusoid(apart, "--dry-run")
    assert own.keys() <= links(second).keys(), "a dry run deletes nothing"
    audit = second.neurospect("audit", "results")
    assert audit.returncode == 1
    assert "found     file: a link to nothing" in audit.stdout
    all_of_sinusoid(apart)
    assert not links(second).keys() & own.keys(), "made without sharing: files of its own"
    all_of_sinusoid(first)
    assert all(at.is_file() for at in own.values())
    for checkout in (first, second):
        audit = checkout.neurospect("audit", "results")
        assert audit.returncode == 0, audit.stdout


def test_sharing_without_a_folder_is_refused_before_anything_runs(copies):
    refused = replace(copies[2], folder="").snakemake("--dry-run", configs=(CONFIG,))
    assert refused.returncode == 1
    assert "SNAKEMAKE_OUTPUT_CACHE: found nothing" in refused.stdout
    assert "Traceback" not in refused.stdout
