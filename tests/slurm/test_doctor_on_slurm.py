"""The doctor, on a real cluster."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from submitted_workflow import PROFILE

from checkout import REPOSITORY
from neurospect.doctor import Finding, examine_setup

pytestmark = pytest.mark.slurm


def _examined(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: object
) -> dict[str, Finding]:
    """Examine a copy of the shipped profile with some changes, by check."""
    for name in ("config", "workflow"):
        shutil.copytree(REPOSITORY / name, folder / name, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    file = Path(PROFILE) / "config.yaml"
    profile = {**yaml.safe_load(file.read_text()), **changes}
    file.write_text(yaml.safe_dump(profile, sort_keys=False))
    return {each.check: each for each in examine_setup([], Path(PROFILE))}


def _jobs() -> str:
    return subprocess.run(
        ["squeue", "--noheader", "--states=all"], capture_output=True, text=True, check=True
    ).stdout


def test_the_shipped_profile_fits_once_squeue_is_asked_and_no_job_comes_of_it(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _jobs()
    shipped = _examined(tmp_path, monkeypatch)
    assert shipped["status of jobs"].state == "fault"
    assert "accounting storage is disabled" in shipped["status of jobs"].found
    fitted = _examined(tmp_path, monkeypatch, **{"slurm-status-command": "squeue"})
    of_cluster = (
        "Slurm",
        "status of jobs",
        "default partition",
        "account",
        "a job",
        "a job of train and 6 more",
    )
    assert {name: fitted[name].state for name in of_cluster} == dict.fromkeys(of_cluster, "ok")
    assert "all: up, longest job infinite; a node has 8 cores, 64000 MB" in (
        fitted["default partition"].found
    )
    assert _jobs() == before


def test_what_the_cluster_does_not_have_is_told(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {
        "train": {"slurm_partition": "nowhere"},
        "retrain": {"mem_mb": "30000 * attempt"},
        "map_saliency": {"slurm_partition": "gpu", "gres": "gpu:1"},
        "check_sanity": {"gres": "gpu:3"},
    }
    found = _examined(tmp_path, monkeypatch, **{"set-resources": asked})
    assert found["partition nowhere"].state == "fault"
    assert "PreemptMode=CANCEL" in found["partition gpu"].found
    assert found["a job of train"].state == "fault"
    assert "at attempt 3" in found["a job of retrain"].found
    assert (found["a job of retrain"].state, found["a job of map_saliency"].state) == (
        "warning",
        "ok",
    )
    assert found["a job of check_sanity"].state == "fault"
