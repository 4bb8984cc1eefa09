"""Checks of installation, folders, configuration and machines, each with a real thing."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import nibabel
import numpy as np
import pytest

from neurospect.cli import main
from neurospect.doctor import Finding, examine_setup, findings_json, findings_text, worst
from neurospect.doctor.computing import GPU_RULES, cores_here, gpus_here, gpus_of_jobs
from neurospect.doctor.inputs import clock, read_settings, template
from neurospect.doctor.installation import (
    checkout,
    locked_packages,
    python_version,
    snakemake_versions,
    state_of_checkout,
)
from neurospect.doctor.profiles import Profile
from neurospect.doctor.programs import ask
from neurospect.doctor.storage import file_system, folder, shared_folder
from neurospect.errors import BadInputError
from neurospect.provenance.record import Record, Run, write_record
from neurospect.provenance.shared import FOLDER_VARIABLE
from neurospect.settings import check_settings

REPOSITORY = Path(__file__).parents[3]
EXPERIMENTS = str(REPOSITORY / "config/experiments")


def states(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(each.state, each.check) for each in findings]


# Installation


def test_python_is_held_against_what_the_library_needs() -> None:
    assert states(list(python_version())) == [("ok", "Python")]


def test_pins_that_the_environment_does_not_keep_are_named(tmp_path: Path) -> None:
    torch = metadata.version("torch").partition("+")[0]
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"numpy==0.0.1\nno-such-package==1\ntorch=={torch}\n# a comment\n")
    wrong, absent = locked_packages(tmp_path)
    assert wrong.state == "fault"
    assert wrong.found == f"numpy {metadata.version('numpy')}, locked 0.0.1"
    assert (absent.state, absent.found) == ("warning", "not installed: no-such-package")
    lock.write_text(f"torch=={torch}\nPyYAML=={metadata.version('pyyaml')}\n")
    assert states(list(locked_packages(tmp_path))) == [("ok", "packages")]
    lock.unlink()
    assert states(list(locked_packages(tmp_path))) == [("warning", "packages")]


def test_the_environment_of_these_tests_is_the_locked_one() -> None:
    (finding,) = locked_packages(REPOSITORY)
    assert finding.state == "ok", finding


def test_the_plugin_of_the_profiles_executor_must_be_installed() -> None:
    findings = list(snakemake_versions(Profile(None, {"executor": "slurm"})))
    assert [each.state for each in findings] == ["ok", "ok"]
    assert findings[0].found == metadata.version("snakemake")
    findings = list(snakemake_versions(Profile(None, {"executor": "no-such-executor"})))
    assert [each.state for each in findings] == ["ok", "fault"]


def test_a_checkout_is_told_by_its_commit_and_by_what_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *names, *arguments], check=True, capture_output=True)

    assert states(list(state_of_checkout(tmp_path))) == [("warning", "code")]
    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", "code.py")
    git("commit", "-q", "-m", "first")
    (clean,) = state_of_checkout(tmp_path)
    assert clean.state == "ok"
    assert re.fullmatch(r"commit [0-9a-f]{7,}, nothing changed", clean.found)
    (tmp_path / "code.py").write_text("2")
    (tmp_path / "untracked.txt").write_text("of no account")
    (changed,) = state_of_checkout(tmp_path)
    assert changed.state == "warning"
    assert changed.found.endswith("and 1 changed file")


def test_these_tests_run_from_a_checkout() -> None:
    assert checkout() == REPOSITORY


# Folders


def test_a_folder_is_tried_by_writing_and_left_as_it_was(tmp_path: Path) -> None:
    findings = list(folder("results", tmp_path / "not" / "made" / "yet", enough=0.0))
    assert states(findings) == [("ok", "results")]
    assert str(tmp_path) in findings[0].found
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_fault() -> None:
    (finding,) = folder("results", Path("/proc/neurospect/results"))
    assert (finding.state, finding.check) == ("fault", "results")
    assert finding.found.startswith("/proc: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write into every folder")
def test_a_folder_without_the_right_to_write_is_a_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    (finding,) = folder("results", tmp_path)
    assert finding.found == f"{tmp_path}: Permission denied"


def test_a_file_in_the_place_of_a_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    (finding,) = folder("results", tmp_path / "results" / "inside")
    assert finding.state == "fault"


def test_too_little_room_is_told(tmp_path: Path) -> None:
    (finding,) = folder("results", tmp_path, enough=1e9)
    assert (finding.state, finding.check) == ("warning", "results, room")


def test_a_folder_in_memory_is_told_where_results_are_to_be_kept() -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or file_system(memory) != "tmpfs":
        pytest.skip("no file system in memory")
    assert ("warning", "results, file system") in states(list(folder("results", memory)))


def test_the_folder_of_shared_results_is_looked_at_where_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert list(shared_folder()) == []
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert [finding.check.split(",")[0] for finding in shared_folder()] == ["shared results"]
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(BadInputError, match="no folder"):
        list(shared_folder())


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    assert file_system(Path("/proc/self")) == "proc"
    kinds = {line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()}
    assert file_system(REPOSITORY) in kinds


# Configuration, template, clock


def test_the_template_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "maps.nii.gz"
    random = np.random.default_rng(0)
    image = nibabel.Nifti1Image(random.normal(size=(4, 5, 6, 3)).astype(np.float32), np.eye(4))
    nibabel.save(image, path)
    chosen = {"experiments_folder": EXPERIMENTS, "components": {"template": str(path)}}
    (finding,) = template(check_settings(chosen))
    assert finding.state == "ok"
    assert "maps.nii.gz, no NeuroMark 1.0: 3 components, 4×5×6×3 voxels, MD5 " in finding.found


def test_a_stand_in_for_measured_runs_is_a_warning() -> None:
    chosen = {"experiments_folder": EXPERIMENTS, "experiments": [], "prepare": ["simulated-rest"]}
    assert states(list(template(check_settings(chosen)))) == [("ok", "template")]
    settings = check_settings(chosen)
    cohorts = settings.config.cohorts.abide.model_copy(update={"source": "runs"})
    config = settings.config.model_copy(
        update={
            "prepare": ["abide"],
            "cohorts": settings.config.cohorts.model_copy(update={"abide": cohorts}),
        }
    )
    measured = list(template(replace(settings, config=config)))
    assert states(measured) == [("warning", "template")]


def put_record(folder: Path, ended: datetime) -> None:
    run = Run("host", None, "3.11", {}, 0, 1, ended.isoformat(), ended.isoformat())
    path = folder / "cohort" / "prepare.record.json"
    record = Record("r", "rule", "s", "c", {}, None, {}, {}, (), (), str(path), run)
    write_record(path, record)


def test_a_clock_behind_the_newest_record_is_a_fault(tmp_path: Path) -> None:
    assert states(list(clock(tmp_path / "nothing"))) == [("ok", "clock")]
    put_record(tmp_path / "past", datetime.now(UTC) - timedelta(days=1))
    assert states(list(clock(tmp_path / "past"))) == [("ok", "clock")]
    put_record(tmp_path / "future", datetime.now(UTC) + timedelta(hours=1))
    (tmp_path / "future" / "broken.record.json").write_text("{")
    os.mkfifo(tmp_path / "future" / "pipe.record.json")
    assert states(list(clock(tmp_path / "future"))) == [("fault", "clock")]


def test_the_default_configuration_lies_under_those_that_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    own = tmp_path / "own.yaml"
    own.write_text("threads: 3\n")
    config = read_settings([own]).config
    assert (config.threads, config.experiments) == (3, ["mnist_mlp"])


# Machines


def test_the_rules_that_take_the_device_are_those_of_the_workflow() -> None:
    rules = "".join(path.read_text() for path in sorted((REPOSITORY / "rules").rglob("*.smk")))
    blocks = re.split(r"^\s*rule (\w+):$", rules, flags=re.MULTILINE)
    named = dict(zip(blocks[1::2], blocks[2::2], strict=True))
    assert {name for name, text in named.items() if 'lookup("device"' in text} == set(GPU_RULES)


def test_jobs_must_ask_for_the_gpus_that_the_configuration_wants() -> None:
    none = Profile(Path("config.yaml"), {})
    every = Profile(None, {"set-resources": {rule: {"gres": "gpu:1"} for rule in GPU_RULES}})
    some = Profile(None, {"set-resources": {"train": {"gpu": 1}}})
    assert [
        next(iter(gpus_of_jobs(device, profile))).state
        for device, profile in (
            *(("auto", none), ("auto", every), ("auto", some)),
            *(("cuda", none), ("cuda", every), ("cuda", some)),
            *(("cpu", none), ("cpu", every)),
        )
    ] == ["ok", "ok", "ok", "fault", "ok", "fault", "ok", "warning"]


def test_a_gpu_that_the_configuration_wants_must_be_here() -> None:
    import torch

    expected = "ok" if torch.cuda.is_available() else "fault"
    assert {each.state for each in gpus_here("cuda")} == {expected}
    assert "fault" not in {each.state for each in gpus_here("auto")}


def test_more_threads_than_cores_are_a_warning() -> None:
    usable = len(os.sched_getaffinity(0))
    plain = Profile(None, {"cores": "all"})
    assert states(list(cores_here(usable, plain))) == [("ok", "cores")]
    assert states(list(cores_here(usable + 1, plain))) == [("warning", "cores")]
    assert states(list(cores_here(1, Profile(None, {"cores": usable + 1})))) == [
        ("warning", "cores")
    ]


def test_a_program_that_hangs_or_is_not_there_is_an_answer() -> None:
    slow, absent = ask("sleep", "60", seconds=0.2), ask("no-such-program-here")
    assert not slow.good
    assert slow.last_words == "sleep: no answer within 0.2 s"
    assert absent.last_words == "no-such-program-here: No such file or directory"


# All together


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a working directory with the default configuration and profiles."""
    for name in ("config", "workflow"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_sound_setup_ends_with_status_0_and_leaves_nothing_behind(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(project.iterdir())
    assert main(["doctor", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["worst"] in ("ok", "warning")
    assert [each["check"] for each in said["findings"]][:2] == ["Python", "packages"]
    assert sorted(project.iterdir()) == before


def test_every_fault_of_a_configuration_is_told_and_the_other_checks_go_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "own.yaml").write_text('threads: 0\ndevice: gpu\nexperiments: ["../x"]\n')
    assert main(["doctor", "--config", "own.yaml"]) == 1
    said = capsys.readouterr().out
    for text in ("threads", "did you mean", "experiments.0", "scratch", "clock"):
        assert text in said.lower()


def test_a_profile_that_is_no_yaml_is_a_fault_and_the_other_checks_go_on(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "own").mkdir()
    (project / "own/config.yaml").write_text("executor: [slurm\n")
    assert main(["doctor", "--profile", "own", "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    broken, *others = [(each["check"], each["state"]) for each in findings]
    assert broken == ("profile", "fault")
    assert "own/config.yaml" in findings[0]["found"]
    assert {"Python", "configuration", "results", "clock"} <= {check for check, _ in others}


@pytest.mark.parametrize(
    "hostile",
    [
        "results: !!python/object/apply:os.mkdir ['{}']\n",
        "__use_yte__: true\nresults: \"?__import__('os').mkdir('{}')\"\n",
    ],
)
def test_code_in_a_configuration_is_told_and_not_run(project: Path, hostile: str) -> None:
    mark = project / "ran"
    (project / "own.yaml").write_text(hostile.format(mark))
    assert main(["doctor", "--config", "own.yaml"]) == 1
    assert not mark.exists()


@pytest.mark.parametrize("arguments", [["--config", "nowhere.yaml"], ["--profile", "nowhere"]])
def test_what_was_named_and_is_not_there_ends_with_status_2(
    project: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *arguments]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_cluster_is_looked_at_where_the_profile_names_one(
    project: Path, cluster: Callable[..., Path]
) -> None:
    cluster("sbatch")
    findings = examine_setup([], Path("workflow/profiles/slurm"))
    assert ("fault", "Slurm") in states(findings)
    assert worst(findings) == "fault"


def test_the_table_says_of_each_what_was_found_and_of_faults_what_to_do() -> None:
    findings = [
        Finding("ok", "Python", "3.11.7"),
        Finding("fault", "partition", "none of this name " * 9, "a partition", "Mend it."),
    ]
    said = findings_text(findings)
    assert said.splitlines()[0] == "ok       Python      3.11.7"
    assert "  to do     Mend it." in said
    assert said.splitlines()[-1] == "1 ok, 0 warning, 1 fault"
    assert max(map(len, said.splitlines())) <= 100
    assert json.loads(findings_json(findings))["worst"] == "fault"
