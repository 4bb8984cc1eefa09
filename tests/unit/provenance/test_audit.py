"""Every kind of break, each made by hand in a real chain, is found where it is and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from neurospect.errors import BadInputError
from neurospect.provenance.audit import audit, examine
from neurospect.provenance.breaks import Break, BreakKind
from neurospect.provenance.content import file_sha256
from neurospect.provenance.environment import env_digest
from neurospect.provenance.record import read_record, recomputed_recipe, write_record
from neurospect.provenance.trace import chain_text, trace

if TYPE_CHECKING:
    from conftest import Project

RAW = "data/raw.txt"
NUMBERS = "results/digits/numbers.txt"
REMARK = "results/digits/remark.txt"
PREPARED = "results/digits/prepare.record.json"
LINE = "results/digits/figures/line.png"
DRAWN = "results/digits/figures/line.record.json"
EVERY_IMAGE = {
    f"results/digits/figures/{name}.{suffix}"
    for name in ("line", "thick")
    for suffix in ("png", "svg", "pdf")
}
LINE_IMAGES = {path for path in EVERY_IMAGE if "/line." in path}


def found(project: Project, breaks: list[Break]) -> list[tuple[BreakKind, str]]:
    return [(each.kind, each.file.relative_to(project.root).as_posix()) for each in breaks]


def reached(project: Project, fault: Break) -> set[str]:
    return {path.relative_to(project.root).as_posix() for path in fault.figures}


def edit_record(path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_a_chain_left_alone_has_no_break_and_every_file_is_hashed_once(project: Project) -> None:
    result = examine("results")
    assert result.breaks == ()
    assert result.unrecorded == ()
    # 1 raw file, 2 prepared files, 2 figures in 3 formats.
    assert (result.records, result.files) == (3, 9)


def test_one_figure_is_audited_by_its_own_chain_alone(project: Project) -> None:
    project.file(REMARK).unlink()
    project.file("results/digits/figures/thick.png").write_bytes(b"")
    result = examine(LINE)
    assert result.breaks == ()
    assert (result.records, result.files) == (2, 3)


def test_a_changed_raw_input_is_named_once_with_every_figure(project: Project) -> None:
    project.file(RAW).write_text("1\n2\n5\n")
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RAW_CHANGED, RAW)]
    assert reached(project, breaks[0]) == EVERY_IMAGE


def test_a_change_that_keeps_size_and_time_is_still_seen(bare_project: Project) -> None:
    bare_project.prepare()
    numbers = bare_project.file(NUMBERS)
    state = numbers.stat()
    with numbers.open("r+") as file:
        file.write("9")
    os.utime(numbers, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (numbers.stat().st_size, numbers.stat().st_ino) == (state.st_size, state.st_ino)
    assert found(bare_project, audit(bare_project.file("results"))) == [
        (BreakKind.TAMPERED, NUMBERS)
    ]


def test_a_missing_raw_input_is_named(project: Project) -> None:
    project.file(RAW).unlink()
    assert found(project, audit("results")) == [(BreakKind.RAW_MISSING, RAW)]
    assert found(project, audit(LINE)) == [(BreakKind.RAW_MISSING, RAW)]


def test_a_tampered_intermediate_is_named_once_with_every_figure(project: Project) -> None:
    project.file(NUMBERS).write_text("0\n0\n0")
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.TAMPERED, NUMBERS)]
    assert reached(project, breaks[0]) == EVERY_IMAGE
    alone = audit(LINE)
    assert found(project, alone) == [(BreakKind.TAMPERED, NUMBERS)]
    assert reached(project, alone[0]) == {LINE}


def test_a_tampered_file_that_no_figure_is_made_from_reaches_none(project: Project) -> None:
    project.file(REMARK).write_text("many numbers")
    (fault,) = audit("results")
    assert (fault.kind, reached(project, fault)) == (BreakKind.TAMPERED, set())


def test_a_missing_output_is_named(project: Project) -> None:
    project.file(NUMBERS).unlink()
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.OUTPUT_MISSING, NUMBERS)]
    assert reached(project, breaks[0]) == EVERY_IMAGE


@pytest.mark.parametrize("target", ["results", LINE])
def test_a_figure_with_edited_pixels_and_its_tag_kept_is_named(
    project: Project, target: str
) -> None:
    image = project.file(LINE)
    data = bytearray(image.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    image.write_bytes(data)
    breaks = audit(target)
    assert found(project, breaks) == [(BreakKind.FIGURE_EDITED, LINE)]
    assert "recipe id kept" in breaks[0].found
    assert reached(project, breaks[0]) == {LINE}


@pytest.mark.parametrize("target", ["results", LINE])
def test_an_edited_figure_that_lost_its_tag_is_known_by_its_place(
    project: Project, target: str
) -> None:
    project.file(LINE).write_bytes(b"\x89PNG\r\n\x1a\nsomething else")
    breaks = audit(target)
    assert found(project, breaks) == [(BreakKind.FIGURE_EDITED, LINE)]
    assert "recipe id gone" in breaks[0].found


def test_a_figure_put_in_the_place_of_another_is_edited(project: Project) -> None:
    shutil.copy(project.file("results/digits/figures/thick.png"), project.file(LINE))
    breaks = audit(LINE)
    assert found(project, breaks) == [(BreakKind.FIGURE_EDITED, LINE)]
    assert "recipe id of another job" in breaks[0].found


@pytest.mark.parametrize(
    "change", [{"params": {"color": "red"}}, {"script": "scripts/other.py"}, {"outputs": []}]
)
def test_an_edited_record_is_named(project: Project, change: dict[str, Any]) -> None:
    edit_record(project.file(DRAWN), change)
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RECORD_EDITED, DRAWN)]
    assert reached(project, breaks[0]) == LINE_IMAGES


def test_an_edited_record_of_an_intermediate_is_one_break(project: Project) -> None:
    record = project.file(PREPARED)
    content = json.loads(record.read_text())
    content["outputs"][0]["sha256"] = "0" * 64
    record.write_text(json.dumps(content))
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RECORD_EDITED, PREPARED)]
    assert reached(project, breaks[0]) == EVERY_IMAGE


def test_a_record_rewritten_up_to_its_checksum_does_not_fit_its_recipe(project: Project) -> None:
    path = project.file(DRAWN)
    write_record(path, replace(read_record(path), params={"color": "red"}))
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RECORD_EDITED, DRAWN)]
    assert reached(project, breaks[0]) == LINE_IMAGES


def test_a_record_forged_from_recipe_to_checksum_is_refuted_by_its_figure(
    project: Project,
) -> None:
    path = project.file(DRAWN)
    forged = replace(read_record(path), params={"color": "red"})
    write_record(path, replace(forged, recipe=recomputed_recipe(forged)))
    assert found(project, audit("results")) == [(BreakKind.RECORD_EDITED, DRAWN)]
    assert found(project, audit(LINE)) == [(BreakKind.RECORD_EDITED, DRAWN)]


def test_a_record_that_is_no_json_is_one_break_with_what_it_vouched_for(project: Project) -> None:
    project.file(PREPARED).write_text('{"format": 1, "recipe": ')
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RECORD_EDITED, PREPARED)]
    assert reached(project, breaks[0]) == EVERY_IMAGE
    assert found(project, audit(LINE)) == [(BreakKind.RECORD_EDITED, PREPARED)]


@pytest.mark.parametrize("target", ["results", LINE])
def test_the_deleted_record_of_a_figure_is_one_break_for_its_formats(
    project: Project, target: str
) -> None:
    project.file(DRAWN).unlink()
    (fault,) = audit(target)
    assert fault.kind is BreakKind.RECORD_DELETED
    images = LINE_IMAGES if target == "results" else {LINE}
    assert fault.file.relative_to(project.root).as_posix() == min(images)
    assert reached(project, fault) == images


@pytest.mark.parametrize("target", ["results", LINE])
def test_the_deleted_record_of_an_intermediate_is_named(project: Project, target: str) -> None:
    project.file(PREPARED).unlink()
    breaks = audit(target)
    assert found(project, breaks) == [(BreakKind.RECORD_DELETED, NUMBERS)]
    assert reached(project, breaks[0]) == (EVERY_IMAGE if target == "results" else {LINE})


@pytest.mark.parametrize("stated", ["results", None])
def test_a_result_that_was_taken_for_a_raw_file_has_lost_its_record(
    project: Project, stated: str | None
) -> None:
    # As jobs recorded it that did not ask for the record of what they read.
    for record in (project.file(DRAWN), project.file(DRAWN.replace("line", "thick"))):
        drawn = read_record(record)
        as_raw = tuple(replace(link, recipe=None) for link in drawn.inputs)
        write_record(record, replace(drawn, inputs=as_raw, results=stated))
    assert audit("results") == []
    project.file(PREPARED).unlink()
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.RECORD_DELETED, NUMBERS)]
    assert reached(project, breaks[0]) == EVERY_IMAGE
    assert "no record of its job" in chain_text(trace(LINE))


def test_all_records_deleted_leaves_figures_that_say_so(project: Project) -> None:
    for record in project.root.rglob("*.record.json"):
        record.unlink()
    assert {each.kind for each in audit("results")} == {BreakKind.RECORD_DELETED}


def test_a_figure_drawn_outside_the_workflow_counts_as_one_without_a_record(
    project: Project,
) -> None:
    stranger = project.file("results/digits/figures/stranger.png")
    stranger.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert found(project, audit("results")) == [
        (BreakKind.RECORD_DELETED, "results/digits/figures/stranger.png")
    ]


def test_changed_code_of_a_script_is_named_with_its_figures(project: Project) -> None:
    script = project.file("scripts/draw.py")
    script.write_text(script.read_text().replace("(1, 1)", "(1, 2)"))
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.CODE_CHANGED, "scripts/draw.py")]
    assert breaks[0].found == "changed: draw.py"
    assert reached(project, breaks[0]) == EVERY_IMAGE


def test_a_comment_in_a_script_breaks_nothing(project: Project) -> None:
    script = project.file("scripts/draw.py")
    script.write_text("# A remark.\n" + script.read_text())
    assert audit("results") == []


def test_a_missing_script_is_changed_code(project: Project) -> None:
    project.file("scripts/draw.py").unlink()
    breaks = audit(LINE)
    assert found(project, breaks) == [(BreakKind.CODE_CHANGED, "scripts/draw.py")]
    assert breaks[0].found == "no such script"


def test_a_changed_environment_is_named(project: Project) -> None:
    envs = project.file("envs/cohorts.yaml")
    project.prepare(environment=env_digest(envs))
    project.draw("line")
    project.draw("thick", color="blue")
    assert audit("results") == []
    envs.write_text("# Only a comment.\n" + envs.read_text())
    assert audit("results") == []
    envs.write_text(envs.read_text().replace("2.0", "2.1"))
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.ENVIRONMENT_CHANGED, "envs")]
    assert reached(project, breaks[0]) == EVERY_IMAGE


def test_a_figure_made_from_what_was_since_made_anew_is_stale(project: Project) -> None:
    project.prepare(factor=3.0)
    project.draw("thick", color="blue")
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.STALE, LINE)]
    assert reached(project, breaks[0]) == LINE_IMAGES


def test_a_copy_of_what_was_there_before_does_not_hide_that_it_was_made_anew(
    project: Project,
) -> None:
    shutil.copytree("results/digits", "results/digits_before")
    project.prepare(factor=3.0)
    project.draw("thick", color="blue")
    copied = (BreakKind.MISPLACED, "results/digits_before")
    assert found(project, audit("results")) == [copied, (BreakKind.STALE, LINE)]
    assert found(project, audit("results/digits_before")) == [copied]


def test_a_missing_output_is_missed_though_another_job_made_the_same_bytes(
    project: Project,
) -> None:
    project.run(
        "scripts/prepare.py",
        input={"raw": RAW},
        output={
            "numbers": "results/again/numbers.txt",
            "remark": "results/again/remark.txt",
            "record": "results/again/prepare.record.json",
        },
        params={"factor": 2.0},
    )
    project.file(NUMBERS).unlink()
    assert found(project, audit("results")) == [(BreakKind.OUTPUT_MISSING, NUMBERS)]


SHOW = '''
"""Show the chain of a figure."""
from pathlib import Path

from neurospect.provenance.job import recorded_job
from neurospect.provenance.trace import chain_html, trace


def main(snakemake):
    with recorded_job(snakemake):
        page = chain_html(trace(snakemake.input.figure))
        Path(snakemake.output.chain).write_text(page)
'''


def test_the_page_of_a_chain_that_has_since_changed_is_stale(project: Project) -> None:
    page = LINE.replace(".png", ".chain.html")
    record = LINE.replace(".png", ".chain.record.json")
    project.file("scripts/trace_figure.py").write_text(SHOW)

    def show() -> None:
        files = {"chain": page, "record": record}
        project.run("scripts/trace_figure.py", input={"figure": LINE}, output=files)

    show()
    assert audit("results") == []
    # Another recipe that gives the same bytes: the figure stays as it is, its chain does not.
    script = project.file("scripts/prepare.py")
    script.write_text(script.read_text().replace("scaled", "larger"))
    project.prepare()
    breaks = audit("results")
    assert found(project, breaks) == [(BreakKind.STALE, page)]
    assert reached(project, breaks[0]) == {LINE}
    assert read_record(PREPARED).recipe[:12] in breaks[0].found
    show()
    assert audit("results") == []


@pytest.mark.parametrize("text", ["{", None], ids=["edited", "deleted"])
def test_a_lost_record_reaches_a_figure_that_another_job_reads(
    project: Project, text: str | None
) -> None:
    project.file("scripts/trace_figure.py").write_text(SHOW)
    page = LINE.replace(".png", ".chain")
    files = {"chain": f"{page}.html", "record": f"{page}.record.json"}
    project.run("scripts/trace_figure.py", input={"figure": LINE}, output=files)
    project.file(DRAWN).unlink()
    if text:
        project.file(DRAWN).write_text(text)
    (fault,) = audit("results")
    kind = BreakKind.RECORD_EDITED if text else BreakKind.RECORD_DELETED
    assert (fault.kind, reached(project, fault)) == (kind, LINE_IMAGES)


def test_the_same_recipe_with_other_bytes_makes_what_follows_stale(project: Project) -> None:
    # As after a job that is not deterministic ran again.
    path = project.file(PREPARED)
    project.file(NUMBERS).write_text("7.0\n7.0\n7.0")
    record = read_record(path)
    numbers = replace(record.outputs[0], sha256=file_sha256(project.file(NUMBERS)))
    write_record(path, replace(record, outputs=(numbers, record.outputs[1])))
    breaks = audit("results")
    assert found(project, breaks) == [
        (BreakKind.STALE, LINE),
        (BreakKind.STALE, "results/digits/figures/thick.png"),
    ]


def test_an_upstream_job_of_another_recipe_with_the_same_bytes_breaks_nothing(
    project: Project,
) -> None:
    script = project.file("scripts/prepare.py")
    script.write_text(script.read_text().replace("scaled", "larger"))
    project.prepare()
    assert audit("results") == []


def test_a_copied_or_renamed_results_folder_still_audits(project: Project) -> None:
    project.file("results").rename(project.file("results_of_may"))
    assert audit("results_of_may") == []
    assert audit("results_of_may/digits/figures/line.png") == []
    shutil.copytree("results_of_may", project.root.parent / "elsewhere" / "kept")
    assert audit(project.root.parent / "elsewhere" / "kept") == []


def test_a_folder_that_was_moved_and_linked_back_is_audited(project: Project) -> None:
    scratch = project.root.parent / "scratch"
    project.file("results/digits/figures").rename(scratch)
    project.file("results/digits/figures").symlink_to(scratch)
    assert examine("results").records == 3
    assert audit("results") == []
    (scratch / "line.png").write_bytes(b"")
    assert found(project, audit("results")) == [(BreakKind.FIGURE_EDITED, LINE)]


def test_links_that_lead_in_circles_are_followed_once(project: Project) -> None:
    outside = project.root.parent / "outside"
    outside.mkdir()
    (outside / "notes.txt").write_text("mine")
    (outside / "back").symlink_to(project.root)
    (outside / "itself").symlink_to(outside)
    for name, target in {"up": "..", "beside": "digits", "a": outside, "b": outside}.items():
        project.file(f"results/{name}").symlink_to(target)
    result = examine("results")
    assert (result.records, result.breaks) == (3, ())
    assert result.unrecorded == (project.file("results/a/notes.txt"),)


def test_a_break_in_a_copied_results_folder_is_found_in_the_copy(project: Project) -> None:
    copy = project.root.parent / "elsewhere" / "kept"
    shutil.copytree("results", copy)
    (copy / "digits/numbers.txt").write_text("0")
    assert [(each.kind, each.file) for each in audit(copy)] == [
        (BreakKind.TAMPERED, copy / "digits/numbers.txt")
    ]
    assert audit("results") == []


def test_a_project_moved_whole_audits_from_anywhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = project.root.parent / "moved"
    monkeypatch.chdir("/")
    project.root.rename(moved)
    assert audit(moved / "results") == []
    (moved / RAW).write_text("8")
    assert [(each.kind, each.file) for each in audit(moved / LINE)] == [
        (BreakKind.RAW_CHANGED, moved / RAW)
    ]


def test_another_checkout_does_not_hide_what_changed_in_that_of_the_results(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.prepare(environment=env_digest(project.file("envs/cohorts.yaml")))
    for name, color in {"line": "black", "thick": "blue"}.items():
        project.draw(name, color)
    other = project.root.parent / "other"
    shutil.copytree(project.root, other)
    monkeypatch.chdir(other)
    assert audit(project.file("results")) == []
    project.file(RAW).write_text("5")
    script = project.file("scripts/draw.py")
    script.write_text(script.read_text().replace("(1, 1)", "(1, 2)"))
    environment = project.file("envs/cohorts.yaml")
    environment.write_text(environment.read_text().replace("2.0", "2.1"))
    assert found(project, audit(project.file("results"))) == [
        (BreakKind.RAW_CHANGED, RAW),
        (BreakKind.CODE_CHANGED, "scripts/draw.py"),
        (BreakKind.ENVIRONMENT_CHANGED, "envs"),
    ]
    assert audit("results") == []


def test_an_output_renamed_in_its_folder_is_found_by_its_bytes(project: Project) -> None:
    project.file(NUMBERS).rename(project.file("results/digits/scaled.txt"))
    result = examine("results")
    assert result.breaks == ()
    assert result.unrecorded == ()


def test_a_figure_copied_into_a_manuscript_audits_by_its_tag(project: Project) -> None:
    manuscript = project.root.parent / "manuscript"
    manuscript.mkdir()
    copy = shutil.copy(project.file(LINE), manuscript / "figure-1.png")
    assert audit(copy) == []
    assert audit(manuscript) == []
    data = bytearray(Path(copy).read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    Path(copy).write_bytes(data)
    assert [(each.kind, each.file) for each in audit(manuscript)] == [
        (BreakKind.FIGURE_EDITED, Path(copy))
    ]


def test_a_file_that_another_folder_of_the_project_fetched_is_linked(project: Project) -> None:
    project.run(
        "scripts/prepare.py",
        input={"raw": "data/raw.txt"},
        output={
            "numbers": "data/fetched/numbers.txt",
            "remark": "data/fetched/remark.txt",
            "record": "data/fetched/fetch.record.json",
        },
        params={"factor": 1},
    )
    project.run(
        "scripts/draw.py",
        input={"numbers": "data/fetched/numbers.txt"},
        output={
            "image": ["results/digits/figures/fetched.svg"],
            "record": "results/digits/figures/fetched.record.json",
        },
        params={"color": "red"},
    )
    assert audit("results") == []
    project.file("data/fetched/numbers.txt").write_text("0")
    assert found(project, audit("results")) == [(BreakKind.TAMPERED, "data/fetched/numbers.txt")]


def test_two_faults_are_two_breaks(project: Project) -> None:
    project.file(RAW).write_text("5")
    project.file(NUMBERS).unlink()
    assert sorted(found(project, audit("results")), key=str) == [
        (BreakKind.OUTPUT_MISSING, NUMBERS),
        (BreakKind.RAW_CHANGED, RAW),
    ]


def test_the_record_that_a_renamed_rule_left_behind_breaks_nothing(project: Project) -> None:
    old = project.file("results/digits/figures/old_name.record.json")
    shutil.copy(project.file(DRAWN), old)
    earlier = read_record(old)
    gone = replace(earlier.outputs[0], sha256="0" * 64)
    run = replace(earlier.run, ended="2001-01-01T00:00:00+00:00")
    write_record(old, replace(earlier, outputs=(gone, *earlier.outputs[1:]), run=run))
    assert audit("results") == []


def test_logs_and_benchmarks_are_no_results_and_other_files_are_notes(project: Project) -> None:
    for name in ("a.log", "a.benchmark.tsv", "report.html", ".gitkeep", ".hidden/x.png", "a.tsv"):
        project.file(f"results/{name}").parent.mkdir(exist_ok=True)
        project.file(f"results/{name}").write_text("")
    result = examine("results")
    assert result.breaks == ()
    # Nothing vouches for the report, though it shows figures.
    assert result.unrecorded == (project.file("results/a.tsv"), project.file("results/report.html"))


def test_what_is_named_as_a_figure_or_a_record_and_is_no_file_stops_no_audit(
    project: Project,
) -> None:
    project.file("results/nothing.png").symlink_to("/nowhere")
    os.mkfifo("results/pipe.svg")
    os.mkfifo("results/pipe.record.json")
    result = examine("results")
    assert found(project, list(result.breaks)) == [
        (BreakKind.RECORD_EDITED, "results/pipe.record.json")
    ]
    assert result.unrecorded == tuple(
        map(project.file, ("results/nothing.png", "results/pipe.svg"))
    )
    with pytest.raises(BadInputError, match="a device or a pipe"):
        audit("results/pipe.svg")


@pytest.mark.parametrize("target", ["nowhere", "data", "data/raw.txt", "scripts"])
def test_what_no_record_speaks_of_cannot_be_audited(project: Project, target: str) -> None:
    with pytest.raises(BadInputError, match=target):
        audit(target)
