"""What is asked of a cluster, and what its answers are taken to mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurospect.doctor.findings import Finding
from neurospect.doctor.profiles import Profile, amount, read_profile
from neurospect.doctor.slurm import request, slurm
from neurospect.errors import BadInputError

REPOSITORY = Path(__file__).parents[3]
Cluster = Callable[..., Path]


def profile(**options: Any) -> Profile:
    shared = {"executor": "slurm", "default-resources": {"slurm_account": "my-lab"}}
    return Profile(Path("profile/config.yaml"), {**shared, **options})


def found(chosen: Profile, threads: int = 1) -> dict[str, Finding]:
    findings = list(slurm(chosen, threads))
    assert len({each.check for each in findings}) == len(findings)
    return {each.check: each for each in findings}


def test_a_cluster_that_has_what_is_asked_for_is_sound(cluster: Cluster) -> None:
    cluster()
    findings = found(profile())
    assert {each.state for each in findings.values()} == {"ok"}
    assert findings["Slurm"].found == "slurm 23.11.4; Slurmctld(primary) at head is UP"
    assert "longest job 4:00:00" in findings["default partition"].found


def test_no_job_is_submitted(cluster: Cluster) -> None:
    calls = cluster()
    found(read_profile(REPOSITORY / "workflow/profiles/slurm"))
    asked = calls.read_text().splitlines()
    submitted = [call for call in asked if call.startswith("sbatch")]
    assert submitted
    assert all("--test-only" in call.split() for call in submitted)
    changing = ("update", "requeue", "hold", "create", "delete", "reconfigure", "shutdown")
    assert not [call for call in asked if set(call.split()) & set(changing)]
    assert not [call for call in asked if call.startswith("scancel")]


def test_programs_that_are_not_there_are_named(cluster: Cluster) -> None:
    cluster("sbatch", "squeue")
    (finding,) = found(profile()).values()
    assert (finding.state, finding.found) == ("fault", "no sbatch, squeue on the PATH")


@pytest.mark.parametrize(
    "broken",
    [
        {"scontrol": 'echo "Slurmctld(primary) at head is DOWN"; exit 1'},
        {"sinfo": 'echo "sinfo: fatal: no configuration" >&2; exit 1'},
        {"sinfo": "kill -9 $$"},
        {"scontrol": "printf '\\377\\376'; exit 3"},
    ],
)
def test_a_controller_that_does_not_answer_is_a_fault_and_the_last_check(
    cluster: Cluster, broken: dict[str, str]
) -> None:
    calls = cluster(**broken)
    (finding,) = found(profile()).values()
    assert finding.state == "fault"
    assert "sbatch" not in calls.read_text()


def test_a_partition_that_is_not_there_or_down_is_a_fault(cluster: Cluster) -> None:
    cluster()
    asked = {
        "train": {"slurm_partition": "nowhere"},
        "retrain": {"slurm_partition": "old"},
        "map_saliency": {"slurm_partition": "gpu"},
    }
    findings = found(profile(**{"set-resources": asked}))
    assert findings["partition nowhere"].state == "fault"
    assert "short, gpu, old" in findings["partition nowhere"].found
    assert findings["partition old"].found == "old takes no jobs (down)"
    assert "gpu:a100:4" in findings["partition gpu"].found
    assert findings["a job of train"].state == "fault"
    assert "invalid partition specified: nowhere" in findings["a job of train"].found


def test_a_partition_that_ends_displaced_jobs_for_good_is_warned_of(cluster: Cluster) -> None:
    cluster(
        scontrol="""\
case "$*" in
ping) echo "Slurmctld(primary) at head is UP" ;;
*partition?gpu) echo "PartitionName=gpu OverSubscribe=NO PreemptMode=CANCEL State=UP" ;;
*partition*) echo "PartitionName=short OverSubscribe=NO PreemptMode=REQUEUE State=UP" ;;
esac"""
    )
    findings = found(profile(**{"set-resources": {"train": {"slurm_partition": "gpu"}}}))
    assert findings["partition gpu"].state == "warning"
    assert "PreemptMode=CANCEL" in findings["partition gpu"].found
    assert findings["default partition"].state == "ok"


def test_a_cluster_without_a_default_partition_wants_one_named(cluster: Cluster) -> None:
    cluster(sinfo='[ "$1" = --version ] && echo slurm || echo "short|up|1:00|2|3|(null)"')
    assert found(profile())["default partition"].state == "fault"


def test_an_account_of_somebody_else_is_a_fault_and_none_a_warning_where_it_counts(
    cluster: Cluster,
) -> None:
    cluster()
    theirs = found(profile(**{"default-resources": ["slurm_account=theirs", "mem_mb=10"]}))
    assert theirs["account"].state == "fault"
    assert theirs["account"].expected == "one of yours: my-lab, other-lab"
    assert found(profile(**{"default-resources": {}}))["account"].state == "warning"


def test_where_no_accounts_are_kept_none_is_asked_for(cluster: Cluster) -> None:
    cluster("sacctmgr", scontrol="echo the controller is UP")
    assert found(profile(**{"default-resources": {}}))["account"].state == "ok"


def test_without_accounting_jobs_are_to_be_asked_after_by_squeue(cluster: Cluster) -> None:
    cluster(sacct='echo "Slurm accounting storage is disabled" >&2; exit 1')
    finding = found(profile())["status of jobs"]
    assert finding.state == "fault"
    assert "slurm-status-command: squeue" in finding.remedy
    by_squeue = {"slurm-status-command": "squeue"}
    assert found(profile(**by_squeue))["status of jobs"].state == "warning"  # 30 s are too few
    soon = {"slurm-init-seconds-before-status-checks": 10}
    assert found(profile(**by_squeue, **soon))["status of jobs"].state == "ok"


def test_what_only_the_last_attempt_asks_for_is_asked_of_slurm_too(cluster: Cluster) -> None:
    cluster()
    growing = {"default-resources": {"runtime": "120 * attempt"}, "retries": 2}
    finding = found(profile(**growing))["a job"]
    assert finding.state == "warning"
    assert "at attempt 3, --time=360" in finding.found
    assert found(profile(**{**growing, "retries": 1}))["a job"].state == "ok"


def test_equal_requests_are_asked_once(cluster: Cluster) -> None:
    calls = cluster()
    same = {"mem_mb": 8000}
    rules = {"set-resources": {"train": same, "retrain": same}, "slurm-qos": "normal"}
    found(profile(**rules), threads=4)
    asked = [call for call in calls.read_text().splitlines() if call.startswith("sbatch")]
    assert list(dict.fromkeys(call.removeprefix("sbatch ") for call in asked)) == [
        "--test-only --qos=normal --account=my-lab --ntasks=1 --cpus-per-task=1 --wrap true",
        "--test-only --qos=normal --account=my-lab --mem=8000 --ntasks=1 --cpus-per-task=4"
        " --wrap true",
    ]


def test_a_name_in_a_profile_is_an_argument_and_never_a_command(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster()
    evil = f"x; touch {tmp_path}/ran; $(touch {tmp_path}/ran)"
    found(profile(**{"default-resources": {"slurm_partition": evil, "slurm_account": evil}}))
    assert not (tmp_path / "ran").exists()


def test_a_profile_with_nul_in_a_name_is_a_fault_and_no_crash(cluster: Cluster) -> None:
    cluster()
    finding = found(profile(**{"default-resources": {"qos": "a\0b"}}))["a job"]
    assert (finding.state, "null byte" in finding.found) == ("fault", True)


# Resources as profiles write them


@pytest.mark.parametrize(
    ("written", "attempt", "expected"),
    [
        (4000, 3, 4000),
        ("4000 * attempt", 2, 8000),
        ("min(120 * attempt, 200)", 3, 200),
        ("1000 + 500 * (attempt - 1)", 2, 1500),
        ("7 // 2", 1, 3),
        ("9 ** 9 ** 9", 1, None),
        ("1 / 0", 1, None),
        ("input.size_mb", 1, None),
        ("__import__('os').getcwd()", 1, None),
        ("8GB", 1, None),
        (None, 1, None),
        (float("inf"), 1, None),
        (float("nan"), 1, None),
        (True, 1, None),
        ("(" * 5000, 1, None),
    ],
)
def test_sums_of_attempts_are_computed_and_nothing_else_is(
    written: object, attempt: int, expected: int | None
) -> None:
    assert amount(written, attempt) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["mem_mb", "runtime", "gres", "gpu", "cpus_per_task", "slurm_partition"])
OPTIONS = st.sampled_from(
    ["default-resources", "set-resources", "set-threads", "retries", "executor"]
)


@given(st.dictionaries(OPTIONS, ANYTHING | st.dictionaries(NAMES, ANYTHING)))
def test_a_profile_may_say_anything(options: dict[str, Any]) -> None:
    chosen = Profile(None, options)
    for rule in ["", *chosen.rules]:
        assert all(isinstance(each, str) for each in request(chosen.resources(rule), 1, 2))
        assert isinstance(chosen.threads(rule, 1), int)
    assert isinstance(chosen.executor, str)
    assert isinstance(chosen.retries, int)


def test_a_profile_that_is_not_there_is_refused_and_the_default_one_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_profile(None) == Profile()
    for name, message in (("nowhere", "no such folder"), (".", r"no config\.yaml")):
        with pytest.raises(BadInputError, match=message):
            read_profile(Path(name))
    Path("config.yaml").write_text("executor: local\n")
    Path("config.v9+.yaml").write_text("executor: slurm\n")
    assert read_profile(Path()).executor == "slurm"
