"""How much of the chain of a large cohort stands on its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neurospect.provenance.chain_page import Lengths, chain_html
from neurospect.provenance.record import InputFile, OutputFile, Record, Run
from neurospect.provenance.trace import Chain, Source, Step

VERSIONS = {f"package-{number}": "1.2.3" for number in range(20)}


def job(recipe: str, rule: str, wildcards: dict[str, str], files: int) -> Record:
    path = f"results/{recipe}"
    return Record(
        recipe=recipe,
        rule=rule,
        script=f"scripts/{rule}.py",
        code="c0de" * 16,
        modules={},
        environment="e0" * 32,
        params={"factor": 1},
        wildcards=wildcards,
        inputs=tuple(
            InputFile("raw", f"raw/{recipe}/run-{number}.nii.gz", f"{number:064x}", 1, None)
            for number in range(files)
        ),
        outputs=(OutputFile("map", f"{path}.npy", "0f" * 32, 1, 1, 1),),
        path=f"{path}.record.json",
        run=Run(
            host="node1",
            slurm_job_id=None,
            python="3.11.7",
            versions=VERSIONS,
            seed=0,
            threads=1,
            started="2026-11-21T20:00:00+00:00",
            ended="2026-11-21T20:00:09+00:00",
            device="cpu",
        ),
    )


def chain_of(participants: int, files: int, folder: Path) -> Chain:
    """A figure made from one array, gathered from each participant's maps."""
    figure = folder / "figure.png"
    figure.write_bytes(b"\x89PNG")
    makers = [
        job(f"{number:064x}", "extract", {"participant": f"sub-{number}"}, files)
        for number in range(1, participants + 1)
    ]
    gathering = job("a" * 64, "gather", {"cohort": "rest"}, 0)
    sources = tuple(
        Source(InputFile("map", one.outputs[0].path, "0f" * 32, 1, one.recipe), one.recipe, False)
        for one in makers
    )
    raw = {one.recipe: tuple(Source(file, None, True) for file in one.inputs) for one in makers}
    steps = {gathering.recipe: Step(gathering, sources)}
    steps |= {one.recipe: Step(one, raw[one.recipe]) for one in makers}
    return Chain(figure, "f" * 64, True, "tag", gathering.recipe, steps)


@pytest.mark.parametrize("participants", [3, 5, 6, 300, 4000])
def test_some_jobs_of_a_rule_stand_in_full_more_in_a_line_and_the_rest_is_counted(
    participants: int, tmp_path: Path
) -> None:
    page = chain_html(chain_of(participants, 2, tmp_path), lengths=Lengths())
    full = min(participants, 5)
    assert page.count("scripts/extract.py") == full
    lines = re.findall(r'<tr id="step-(\d+)"><td>\1</td><td>participant=(sub-\d+)</td>', page)
    assert lines == [(str(n + 1), f"sub-{n}") for n in range(6, min(participants, 505) + 1)]
    assert (f"extract, {participants - 5:,} more" in page) == (participants > 5)
    assert ("and 3,495 more jobs" in page) == (participants == 4000)
    assert f"Made by {participants + 1} jobs" in page


def test_some_files_of_a_job_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    page = chain_html(chain_of(300, 130, tmp_path), lengths=Lengths())
    assert page.count("<strong>raw file</strong>") == 5 * 100
    assert page.count("and 30 more files") == 5
    assert page.count("and 200 more files") == 1


@pytest.mark.parametrize("participants", [300, 4000])
def test_what_is_linked_to_is_on_the_page(participants: int, tmp_path: Path) -> None:
    chain = chain_of(participants, 2, tmp_path)
    page = chain_html(chain, lengths=Lengths(in_full=2, in_a_line=30))
    ids = set(re.findall(r'id="(step-\d+)"', page))
    assert set(re.findall(r'href="#(step-\d+)"', page)) <= ids
    assert len(ids) == 1 + 32
    assert f"from recipe <code>{100:064x}</code>" in page


@pytest.mark.parametrize(("participants", "files"), [(10_000, 1), (10, 2_000)])
def test_the_page_of_the_largest_cohorts_is_shown_inside_a_report(
    participants: int, files: int, tmp_path: Path
) -> None:
    """Browsers show no address of more than 2 MiB, and a report holds pages as such, in base64."""
    page = chain_html(chain_of(participants, files, tmp_path), b"preview" * 10_000, Lengths())
    assert len(page.encode()) * 4 / 3 < 2**21


def test_without_lengths_everything_stands_there(tmp_path: Path) -> None:
    page = chain_html(chain_of(300, 130, tmp_path))
    assert page.count("<strong>raw file</strong>") == 300 * 130
    assert page.count("scripts/extract.py") == 300
    assert "more files" not in page
