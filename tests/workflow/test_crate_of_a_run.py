"""A crate of a real run, as RO-Crate's validator (offline) and its Python library see it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from checkout import REPOSITORY, RUN, Checkout

PROGRAMS = REPOSITORY / "build/crate/bin"
METADATA = "ro-crate-metadata.json"
FIGURE = f"{RUN}/G/seed-0/group_differences.png"

pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "rocrate-validator").exists(),
    reason="the validator is not installed (`make validator`)",
)


@pytest.fixture(scope="module")
def crate(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("crates") / "whole"
    packed = finished.neurospect("crate", "results", "--out", str(out))
    assert packed.returncode == 0, packed.stdout + packed.stderr
    return out


def validate(crate: Path, profile: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(PROGRAMS / "rocrate-validator", "--no-interactive", "validate", crate),
            *("--offline", "--cache-path", cache / "http", "--no-auto-profile"),
            *("--profile-identifier", profile, "--requirement-severity", "required"),
            *("--verbose", "--no-paging"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("profile", ["provenance-run-crate", "workflow-run-crate"])
def test_a_whole_crate_meets_all_that_its_profiles_require(
    crate: Path, tmp_path: Path, profile: str
) -> None:
    found = validate(crate, profile, tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"is a valid {profile}-0.5" in found.stdout


def test_a_zip_of_one_figure_without_data_meets_them_too(
    finished: Checkout, tmp_path: Path
) -> None:
    out = tmp_path / "figure.zip"
    options = ("--out", str(out), "--figure", FIGURE, "--without-data")
    packed = finished.neurospect("crate", "results", *options)
    assert packed.returncode == 0, packed.stdout + packed.stderr
    found = validate(out, "provenance-run-crate", tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_validator_does_see_a_step_without_its_tool(crate: Path, tmp_path: Path) -> None:
    maimed = tmp_path / "maimed"
    maimed.mkdir()
    for path in crate.iterdir():
        if path.name != METADATA:
            (maimed / path.name).symlink_to(path)
    content = json.loads((crate / METADATA).read_text())
    step = next(each for each in content["@graph"] if each["@type"] == "HowToStep")
    del step["workExample"]
    (maimed / METADATA).write_text(json.dumps(content))
    found = validate(maimed, "provenance-run-crate", tmp_path)
    assert found.returncode == 1
    assert "workExample" in found.stdout


def test_the_library_of_ro_crate_reads_it_and_finds_every_job(
    crate: Path, finished: Checkout
) -> None:
    reading = (
        "import json, sys; from rocrate.rocrate import ROCrate; crate = ROCrate(sys.argv[1]); "
        "kinds = [entity.type for entity in crate.get_entities()]; "
        "print(json.dumps([crate.mainEntity.id, crate.mainEntity['programmingLanguage']['name'], "
        "kinds.count('CreateAction')]))"
    )
    run = subprocess.run(
        [PROGRAMS / "python", "-c", reading, crate], capture_output=True, text=True, check=True
    )
    records = len(list((finished.root / "results").rglob("*.record.json")))
    assert json.loads(run.stdout) == ["workflow/Snakefile", "Snakemake", records + 1]
