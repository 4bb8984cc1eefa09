"""A job leaves a record when it ends well, and only then."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.content import file_sha256
from neurospect.provenance.job import by_hand, recorded_job
from neurospect.provenance.record import checksum, read_record, recomputed_recipe
from neurospect.provenance.source import source_digest
from neurospect.provenance.tags import read_recipe

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Declare one job that reads a.txt and is to write out/b.txt."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("a")
    Path("s.py").write_text("import json\n")
    Path("out").mkdir()
    return by_hand(
        "s.py",
        input={"a": "a.txt"},
        output={"b": "out/b.txt", "record": "out/s.record.json"},
        params={"seed": 4},
        log="logs/s.log",
        threads=2,
    )


def test_a_chain_run_in_another_folder_has_the_same_ids_and_the_same_bytes(
    lay_project: Callable[[str], Project],
) -> None:
    made = []
    for project in (lay_project("here"), lay_project("there")):
        project.prepare()
        project.draw()
        folder = project.file("results/digits")
        images = sorted(folder.glob("figures/line.[!r]*"))
        records = [read_record(path) for path in sorted(folder.rglob("*.record.json"))]
        made.append(([file_sha256(path) for path in images], [r.recipe for r in records]))
        assert {read_recipe(path) for path in images} == {records[0].recipe}
        assert len(images) == 3
    assert made[0] == made[1]


def test_the_record_states_what_went_in_and_what_came_out(
    declared: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with recorded_job(declared) as job:
        Path("out/b.txt").write_text("bb")
    record = read_record("out/s.record.json")
    assert (record.rule, record.script, record.path) == ("s", "s.py", "out/s.record.json")
    assert record.recipe == job.recipe == recomputed_recipe(record)
    assert record.code == source_digest(Path("s.py"))
    assert (record.params, record.wildcards, record.environment) == ({"seed": 4}, {}, None)
    (source,) = record.inputs
    assert (source.name, source.path, source.bytes, source.recipe) == ("a", "a.txt", 1, None)
    assert source.sha256 == file_sha256(Path("a.txt"))
    (made,) = record.outputs
    state = Path("out/b.txt").stat()
    assert (made.name, made.sha256) == ("b", file_sha256(Path("out/b.txt")))
    assert (made.bytes, made.mtime_ns, made.inode) == (2, state.st_mtime_ns, state.st_ino)
    assert (record.run.seed, record.run.threads, record.run.slurm_job_id) == (4, 2, "77")
    assert record.run.started <= record.run.ended
    assert "numpy" in record.run.versions


@pytest.mark.parametrize(("imported", "device"), [("json", None), ("torch", "cpu")])
def test_the_record_states_what_pytorch_computed_on_where_it_was_loaded(
    declared: SimpleNamespace, imported: str, device: str | None
) -> None:
    Path("s.py").write_text(
        f"import {imported}\n"
        "from neurospect.provenance.job import by_hand, recorded_job\n"
        "with recorded_job(by_hand('s.py', output={'record': 'out/s.record.json'})):\n    pass\n"
    )
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "s.py"], check=True, env=hidden)
    record = read_record("out/s.record.json")
    assert record.run.device == device
    assert record.checksum == checksum(record)
    assert record.run.versions["transformers"] == metadata.version("transformers")


def test_an_input_is_linked_to_the_job_that_made_it(bare_project: Project) -> None:
    bare_project.prepare()
    bare_project.draw()
    folder = bare_project.file("results/digits")
    prepared = read_record(folder / "prepare.record.json")
    drawn = read_record(folder / "figures/line.record.json")
    assert prepared.inputs[0].recipe is None
    assert drawn.inputs[0].recipe == prepared.recipe
    assert drawn.inputs[0].sha256 == prepared.outputs[0].sha256


def test_an_input_that_is_not_what_its_job_wrote_stops_the_next_job(
    bare_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    bare_project.prepare()
    numbers = bare_project.file("results/digits/numbers.txt")
    numbers.write_text("5.0\n5.0\n5.0")
    with pytest.raises(SystemExit):
        bare_project.draw()
    said = capsys.readouterr().err
    assert "results/digits/numbers.txt" in said
    assert f"found sha256 {file_sha256(numbers)[:12]}" in said
    assert "as rule prepare left it" in said
    assert not bare_project.file("results/digits/figures/line.record.json").exists()


def test_a_result_whose_record_is_gone_stops_the_next_job(
    bare_project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    bare_project.prepare()
    bare_project.file("results/digits/prepare.record.json").unlink()
    bare_project.file("results/digits/numbers.txt").write_text("5.0\n5.0\n5.0")
    with pytest.raises(SystemExit):
        bare_project.draw()
    said = capsys.readouterr().err
    assert "results/digits/numbers.txt: input.numbers: found no record of the job" in said
    assert not bare_project.file("results/digits/figures/line.record.json").exists()


def test_a_job_of_a_cluster_waits_for_a_record_that_its_node_does_not_see_yet(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_project.prepare()
    record = bare_project.file("results/digits/prepare.record.json")
    unseen = record.with_name("unseen")
    record.rename(unseen)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    seen = threading.Timer(0.5, unseen.rename, [record])
    seen.start()
    bare_project.draw()
    seen.join()
    drawn = read_record(bare_project.file("results/digits/figures/line.record.json"))
    assert drawn.inputs[0].recipe == read_record(record).recipe


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("home", ["runs/first", "{outside}/runs/first"])
def test_the_configured_results_folder_says_which_files_need_a_record(
    declared: SimpleNamespace,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    home: str,
    inside: bool,
) -> None:
    results = Path(home.format(outside=tmp_path_factory.mktemp("scratch")))
    raw = results / "a.txt" if inside else results.parent / "a.txt"
    results.mkdir(parents=True)
    shutil.move("a.txt", raw)
    record = results / "cohort/s.record.json"
    given = by_hand(
        "s.py", input={"a": raw}, output={"record": record}, config={"results": str(results)}
    )
    if inside:
        assert "no record of the job that made it" in refusal(given, capsys, lambda: None)
        return
    with recorded_job(given):
        pass
    assert read_record(record).results == results.as_posix()
    assert read_record(record).inputs[0].recipe is None


def test_an_input_that_was_copied_is_hashed_again_and_accepted(bare_project: Project) -> None:
    bare_project.prepare()
    numbers = bare_project.file("results/digits/numbers.txt")
    copied = numbers.with_name("copy")
    copied.write_bytes(numbers.read_bytes())
    copied.rename(numbers)
    bare_project.draw()
    drawn = read_record(bare_project.file("results/digits/figures/line.record.json"))
    assert drawn.inputs[0].sha256 == file_sha256(numbers)


def test_an_input_as_its_job_left_it_is_not_read_again(bare_project: Project) -> None:
    bare_project.prepare()
    numbers = bare_project.file("results/digits/numbers.txt")
    state = numbers.stat()
    recorded = file_sha256(numbers)
    # The same size, time and inode: only reading the bytes could tell.
    with numbers.open("r+") as file:
        file.write("9")
    os.utime(numbers, ns=(state.st_atime_ns, state.st_mtime_ns))
    bare_project.draw()
    drawn = read_record(bare_project.file("results/digits/figures/line.record.json"))
    assert drawn.inputs[0].sha256 == recorded


def test_what_a_killed_try_left_half_written_is_gone_when_the_job_starts(
    declared: SimpleNamespace,
) -> None:
    half, of_another = Path("out/.b.0123abcd.part.txt"), Path("out/.c.0123abcd.part.txt")
    half.write_text("half of the b")
    of_another.write_text("somebody may be writing this")
    with recorded_job(declared):
        assert not half.exists()
        Path("out/b.txt").write_text("b")
    assert of_another.exists()


def test_digests_arrive_as_params_and_count_apart_from_them(declared: SimpleNamespace) -> None:
    code = source_digest(Path("s.py"))
    params = {"seed": 4, "code": code, "environment": "e" * 64, "shared_as": {"record": "out/…"}}
    given = by_hand("s.py", output={"b": "out/b.txt", "record": "out/s.record.json"}, params=params)
    with recorded_job(given):
        Path("out/b.txt").write_text("b")
    record = read_record("out/s.record.json")
    assert (record.params, record.code, record.environment) == ({"seed": 4}, code, "e" * 64)


def test_code_edited_after_the_workflow_started_is_recorded_as_it_ran(
    declared: SimpleNamespace,
) -> None:
    declared.params = by_hand("s.py", params={"code": "0" * 64}).params
    with recorded_job(declared):
        Path("out/b.txt").write_text("b")
    assert read_record("out/s.record.json").code == source_digest(Path("s.py"))
    assert "WARNING" in Path("logs/s.log").read_text()


def test_logging_from_info_up_goes_to_the_log_with_times_and_stops_after_the_job(
    declared: SimpleNamespace,
) -> None:
    log = logging.getLogger("some.library")
    level = logging.getLogger().level
    with recorded_job(declared):
        log.info("half way")
        log.debug("a detail")
        Path("out/b.txt").write_text("b")
    log.error("too late")
    text = Path("logs/s.log").read_text()
    assert "half way" in text
    assert "a detail" not in text
    assert re.search(r"done, in \d+\.\d s, with [1-9]\d* MB of memory at most$", text)
    assert "too late" not in text
    assert all(line[:2] == "20" and line[4] == "-" for line in text.splitlines())
    assert logging.getLogger().level == level


@pytest.mark.parametrize("several", [False, True])
def test_bad_input_ends_the_process_with_one_plain_message(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str], several: bool
) -> None:
    fault = BadInputError("a.txt", "row 3", found="x", expected="a number", remedy="Mend it.")
    raised: Exception = BadInputsError([fault, fault]) if several else fault
    with pytest.raises(SystemExit) as ended, recorded_job(declared):
        raise raised
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{raised}\n"
    text = Path("logs/s.log").read_text()
    assert str(raised) in text
    assert "Traceback" not in text
    assert not Path("out/s.record.json").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_process_with_one_plain_message(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, recorded_job(declared):
        Path("/dev/full").write_text("too much")
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "file system: found No space left on device" in said
    assert said.count("\n") == 1
    assert not Path("out/s.record.json").exists()


def test_any_other_error_leaves_its_traceback_in_the_log_and_is_raised(
    declared: SimpleNamespace,
) -> None:
    with pytest.raises(ZeroDivisionError), recorded_job(declared):
        _ = 1 / 0
    text = Path("logs/s.log").read_text()
    assert "Traceback" in text
    assert "ZeroDivisionError" in text
    assert not Path("out/s.record.json").exists()


def refusal(declared: SimpleNamespace, capsys: pytest.CaptureFixture[str], body: Any) -> str:
    with pytest.raises(SystemExit), recorded_job(declared):
        body()
    assert not Path("out/s.record.json").exists()
    return capsys.readouterr().err


def test_a_job_that_fails_removes_the_record_of_an_earlier_run(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    with recorded_job(declared):
        Path("out/b.txt").write_text("b")
    assert Path("out/s.record.json").exists()
    Path("a.txt").unlink()
    message = refusal(declared, capsys, lambda: None)
    assert "input.a: found no file a.txt" in message


def test_an_output_that_the_script_did_not_write_is_named(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(declared, capsys, lambda: None)
    assert "output.b: found no file out/b.txt" in message


def test_an_input_that_changes_while_the_job_runs_is_named(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        Path("out/b.txt").write_text("b")
        Path("a.txt").write_text("longer")

    assert "changed while the job ran" in refusal(declared, capsys, body)


def test_an_input_that_is_only_touched_while_the_job_runs_stops_nothing(
    declared: SimpleNamespace,
) -> None:
    with recorded_job(declared):
        Path("out/b.txt").write_text("b")
        shutil.copy("a.txt", "copy.txt")
        Path("copy.txt").replace("a.txt")
        os.utime("a.txt", (1, 1))
    assert read_record("out/s.record.json").inputs[0].sha256 == file_sha256(Path("a.txt"))


def test_a_checkpoint_goes_once_the_record_is_written_and_not_before(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, half = Path("out/unfinished.pt"), Path("out/.unfinished.0123abcd.part.pt")
    checkpoint.write_text("a long training")
    half.write_text("half of it")
    with pytest.raises(SystemExit), recorded_job(declared) as job:
        job.no_longer_needed.append(checkpoint)
        Path("out/b.txt").write_text("b")
        Path("a.txt").write_text("longer")
    assert "changed while the job ran" in capsys.readouterr().err
    assert checkpoint.exists()
    with recorded_job(declared) as job:
        job.no_longer_needed.append(checkpoint)
        Path("out/b.txt").write_text("b")
    assert sorted(path.name for path in Path("out").iterdir()) == ["b.txt", "s.record.json"]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ({"b": "out/b.txt"}, "output.record"),
        ({"b": "out/b.txt", "record": "out/s.json"}, "output.record"),
        ({"b": "b.txt", "record": "out/s.record.json"}, "output.b"),
    ],
)
def test_a_rule_without_a_record_beside_its_outputs_is_refused(
    declared: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    output: dict[str, str],
    says: str,
) -> None:
    declared.output = by_hand("s.py", output=output).output
    assert says in refusal(declared, capsys, lambda: None)


def test_a_folder_as_input_or_output_is_refused(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "a folder" in refusal(declared, capsys, lambda: Path("out/b.txt").mkdir())
    Path("a.txt").unlink()
    Path("a.txt").mkdir()
    assert "a folder" in refusal(declared, capsys, lambda: None)


def test_files_outside_the_working_directory_are_recorded_by_their_whole_path(
    declared: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "a.txt"
    shutil.move("a.txt", outside)
    declared.input = by_hand("s.py", input={"a": outside}).input
    declared.output = by_hand(
        "s.py",
        output={"b": Path.cwd() / "out/b.txt", "record": Path.cwd() / "out/s.record.json"},
    ).output
    with recorded_job(declared):
        Path("out/b.txt").write_text("b")
    record = read_record("out/s.record.json")
    assert record.inputs[0].path == outside.as_posix()
    assert (record.outputs[0].path, record.path) == ("out/b.txt", "out/s.record.json")


def test_a_broken_record_beside_an_input_is_named(
    declared: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.record.json").write_text("{")
    assert "other.record.json" in refusal(declared, capsys, lambda: None)


def test_a_record_is_plain_json_with_its_format(declared: SimpleNamespace) -> None:
    with recorded_job(declared):
        Path("out/b.txt").write_text("b")
    content = json.loads(Path("out/s.record.json").read_text())
    assert content["format"] == 1
    assert set(content) == {
        *("format", "recipe", "rule", "script", "code", "modules", "environment", "params"),
        *("wildcards", "inputs", "outputs", "path", "run", "checksum"),
    }
