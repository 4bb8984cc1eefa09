"""A job may write a tree of folders, as BIDS wants it; its one record stands above them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from neurospect.provenance.audit import audit
from neurospect.provenance.breaks import BreakKind
from neurospect.provenance.record import producer
from neurospect.provenance.trace import chain_text, trace

if TYPE_CHECKING:
    from conftest import Project

SPREAD = '''
"""Write one file a participant."""
from pathlib import Path

from neurospect.provenance.job import recorded_job


def main(snakemake):
    with recorded_job(snakemake):
        for number, path in enumerate(snakemake.output.files):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(f"{number}\\n{number + 1}")
'''
HCP = "MNINonLinear/Results/tfMRI_WM/tfMRI_WM_hp200_s4_level2vol.feat/cope11.feat/stats"
FILES = [f"results/source/100083/{HCP}/numbers.txt", "results/source/sub-2/func/numbers.txt"]
RECORD = "results/source/spread.record.json"


@pytest.fixture
def deep(bare_project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(bare_project.root)
    bare_project.file("scripts/spread.py").write_text(SPREAD)
    bare_project.run("scripts/spread.py", output={"files": FILES, "record": RECORD})
    bare_project.run(
        "scripts/draw.py",
        input={"numbers": FILES[1]},
        output={"image": ["results/line.png"], "record": "results/line.record.json"},
        params={"color": "black"},
    )
    return bare_project


def test_the_producer_of_a_file_is_found_above_it(deep: Project) -> None:
    claim = producer(Path(FILES[0]))
    assert claim is not None
    assert (claim[0].rule, claim[1].path) == ("spread", FILES[0])
    assert producer(deep.file("data/raw.txt")) is None


def test_files_of_one_name_in_several_folders_are_told_apart(deep: Project) -> None:
    deep.file(FILES[0]).write_text("5\n6")
    found = audit("results")
    assert [(each.kind, each.file, each.figures) for each in found] == [
        (BreakKind.TAMPERED, deep.file(FILES[0]), ())
    ]
    deep.file(FILES[1]).write_text("7\n8")
    assert [each.figures for each in audit("results")][1] == (deep.file("results/line.png"),)


def test_the_chain_of_a_figure_reaches_the_job_above(deep: Project) -> None:
    text = chain_text(trace("results/line.png"))
    assert "spread" in text
    assert FILES[1] in text
    assert audit("results/line.png") == []


def test_a_renamed_results_folder_still_audits(deep: Project) -> None:
    shutil.move("results", "kept")
    assert audit("kept") == []


def test_a_record_that_is_no_json_is_one_break(deep: Project) -> None:
    deep.file(RECORD).write_text("{")
    assert [each.kind for each in audit("results")] == [BreakKind.RECORD_EDITED]


def test_a_deleted_record_is_named(deep: Project) -> None:
    deep.file(RECORD).unlink()
    assert [each.kind for each in audit("results")] == [BreakKind.RECORD_DELETED]


def test_an_output_beside_the_folder_of_the_record_is_refused(
    deep: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        deep.run("scripts/spread.py", output={"files": ["results/other.txt"], "record": RECORD})
    assert "a file in or under results/source" in capsys.readouterr().err
