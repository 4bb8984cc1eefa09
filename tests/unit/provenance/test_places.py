"""Inside a results folder every path says what lies there; the folder itself may lie anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from neurospect.provenance.audit import audit, examine
from neurospect.provenance.breaks import BreakKind
from neurospect.provenance.trace import trace

if TYPE_CHECKING:
    from conftest import Project

RAW = "data/raw.txt"
FACTORS = {"one": 5.0, "other": 6.0}
NUMBERS = "results/digits/{name}/numbers.txt"
DRAWN = "results/drawn/one.svg"


@pytest.fixture
def panels(bare_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make two panels with a figure each, and a figure in another folder made from the first."""
    monkeypatch.chdir(bare_project.root)
    make(bare_project)
    return bare_project


def make(project: Project, results: str = "results") -> None:
    for name, factor in FACTORS.items():
        folder = f"{results}/digits/{name}"
        project.run(
            "scripts/prepare.py",
            input={"raw": RAW},
            output={
                "numbers": f"{folder}/numbers.txt",
                "remark": f"{folder}/remark.txt",
                "record": f"{folder}/prepare.record.json",
            },
            params={"factor": factor},
            config={"results": results},
        )
        draw(project, f"{folder}/numbers.txt", f"{folder}/line", results)
    draw(project, f"{results}/digits/one/numbers.txt", f"{results}/drawn/one", results)


def draw(project: Project, numbers: str, image: str, results: str) -> None:
    project.run(
        "scripts/draw.py",
        input={"numbers": numbers},
        output={"image": [f"{image}.svg"], "record": f"{image}.record.json"},
        params={"color": "red"},
        config={"results": results},
    )


def found(target: str | Path) -> list[tuple[BreakKind, str, str, set[str]]]:
    here = Path.cwd()
    return [
        (
            each.kind,
            each.file.relative_to(here).as_posix(),
            each.recorded,
            {path.relative_to(here).as_posix() for path in each.figures},
        )
        for each in audit(target)
    ]


def misplaced(here: str, written: str, *figures: str) -> tuple[BreakKind, str, str, set[str]]:
    return BreakKind.MISPLACED, here, f"written as {written}", set(figures)


def swap(one: str, other: str) -> None:
    Path(one).rename("aside")
    Path(other).rename(one)
    Path("aside").rename(other)


ONE, OTHER = "results/digits/one", "results/digits/other"


def test_two_folders_that_were_swapped_are_two_breaks_with_what_was_made_from_them(
    panels: Project,
) -> None:
    assert audit("results") == []
    swap(ONE, OTHER)
    assert found("results") == [
        misplaced(ONE, OTHER, f"{ONE}/line.svg"),
        misplaced(OTHER, ONE, f"{OTHER}/line.svg", DRAWN),
    ]
    assert found(f"{ONE}/line.svg") == [misplaced(ONE, OTHER, f"{ONE}/line.svg")]
    assert found(DRAWN) == [misplaced(OTHER, ONE, DRAWN)]
    swap(ONE, OTHER)
    assert audit("results") == []


def test_a_folder_of_swapped_folders_is_seen_from_anywhere_and_in_renamed_results(
    panels: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap(ONE, OTHER)
    monkeypatch.chdir("/")
    for target in ("results", ONE, f"{ONE}/line.svg"):
        assert {each.kind for each in audit(panels.file(target))} == {BreakKind.MISPLACED}
    panels.file("results").rename(panels.file("kept"))
    breaks = audit(panels.file("kept"))
    assert [(each.kind, each.file) for each in breaks] == [
        (BreakKind.MISPLACED, panels.file(f"kept/digits/{name}")) for name in FACTORS
    ]


def test_a_renamed_folder_is_one_break_and_its_outputs_are_not_missing(panels: Project) -> None:
    Path(ONE).rename("results/digits/first")
    assert found("results") == [
        misplaced("results/digits/first", ONE, "results/digits/first/line.svg", DRAWN)
    ]


def test_a_folder_copied_over_another_is_a_break_though_every_byte_has_its_record(
    panels: Project,
) -> None:
    shutil.copytree(ONE, OTHER, dirs_exist_ok=True)
    assert found("results") == [misplaced(OTHER, ONE, f"{OTHER}/line.svg")]


@pytest.mark.parametrize("copy", ["results/before", "results/results", "results/digits/one/deep"])
def test_results_copied_into_themselves_are_a_break(panels: Project, copy: str) -> None:
    shutil.copytree("results", "aside")
    shutil.move("aside", copy)
    ((kind, place, recorded, figures),) = found("results")
    assert (kind, place, recorded) == (BreakKind.MISPLACED, copy, "written as results")
    assert figures == {f"{copy}/digits/{name}/line.svg" for name in FACTORS} | {
        f"{copy}/drawn/one.svg"
    }


def test_a_record_that_was_copied_beside_itself_does_not_stand_for_the_first(
    panels: Project,
) -> None:
    shutil.copy(f"{ONE}/line.record.json", f"{ONE}/zz.record.json")
    assert audit("results") == []


@pytest.mark.parametrize("results", ["results", "out/may", "{tmp}/scratch/out"])
def test_results_of_any_name_may_be_renamed_moved_and_copied_whole(
    bare_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: str
) -> None:
    results = results.format(tmp=tmp_path)
    monkeypatch.chdir(bare_project.root)
    make(bare_project, results)
    assert audit(results) == []
    renamed = Path(results).with_name("june")
    Path(results).rename(renamed)
    for target in ("", "digits/one", "digits/one/line.svg"):
        assert audit(renamed / target) == []
    shutil.copytree(renamed, tmp_path / "elsewhere/kept")
    assert audit(tmp_path / "elsewhere/kept") == []
    swap(str(renamed / "digits/one"), str(renamed / "digits/other"))
    assert {each.kind for each in audit(renamed)} == {BreakKind.MISPLACED}


def test_results_of_a_module_may_lie_in_those_of_the_workflow_that_uses_it(
    panels: Project,
) -> None:
    make(panels, "results/module")
    assert audit("results") == []
    assert audit("results/module") == []
    Path("results").rename("kept")
    assert audit("kept") == []


def test_two_projects_beside_each_other_are_not_held_against_each_other(
    panels: Project, tmp_path: Path
) -> None:
    shutil.copytree(panels.root, tmp_path / "second")
    Path("results").rename("first_results")
    assert audit(tmp_path) == []


def test_results_that_lie_elsewhere_and_are_linked_here_belong_here(
    panels: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move("results", tmp_path / "disk/of_may")
    Path("results").symlink_to(tmp_path / "disk/of_may")
    assert audit("results") == []
    monkeypatch.chdir("/")
    assert audit(panels.file("results")) == []


@pytest.mark.parametrize("target", ["results", "results/digits", ONE, f"{ONE}/line.svg", "."])
def test_a_link_from_elsewhere_is_followed_to_the_results(
    panels: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    link = tmp_path / ("link.svg" if target.endswith(".svg") else "link")
    link.symlink_to(panels.file(target))
    monkeypatch.chdir(tmp_path)
    assert audit(link) == []
    assert examine(link).records == examine(panels.file(target)).records
    panels.file(RAW).write_text("9")
    assert [(each.kind, each.file.resolve()) for each in audit(link)] == [
        (BreakKind.RAW_CHANGED, panels.file(RAW))
    ]


def test_a_link_to_a_figure_is_traced(panels: Project, tmp_path: Path) -> None:
    (tmp_path / "link.svg").symlink_to(panels.file(DRAWN))
    assert trace(tmp_path / "link.svg").steps.keys() == trace(DRAWN).steps.keys()


def test_a_figure_that_was_copied_with_its_record_to_a_manuscript_is_not_misplaced(
    panels: Project, tmp_path: Path
) -> None:
    for folder in (tmp_path / "paper", tmp_path / "results/paper"):
        folder.mkdir(parents=True)
        for name in ("line.svg", "line.record.json"):
            shutil.copy(f"{ONE}/{name}", folder)
        assert audit(folder / "line.svg") == []
