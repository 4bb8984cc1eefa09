"""The chain from a figure to its raw files, as data, text and a page."""

from __future__ import annotations

import base64
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from neurospect.errors import BadInputError
from neurospect.provenance.content import file_sha256
from neurospect.provenance.record import read_record
from neurospect.provenance.tags import read_recipe
from neurospect.provenance.trace import chain_html, chain_text, trace

if TYPE_CHECKING:
    from conftest import Project

LINE = "results/digits/figures/line.png"
RAW = "data/raw.txt"


def merge(project: Project) -> str:
    """Draw a figure of two tables that both come from one job."""
    script = project.file("scripts/merge.py")
    script.write_text(
        project.file("scripts/draw.py")
        .read_text()
        .replace("snakemake.input.numbers", "snakemake.input.tables[0]")
    )
    project.run(
        "scripts/merge.py",
        input={"tables": ["results/digits/numbers.txt", "results/digits/remark.txt", RAW]},
        output={
            "image": ["results/digits/both.svg"],
            "record": "results/digits/both.record.json",
        },
        params={"color": "red", "remark": "<b>&"},
    )
    return "results/digits/both.svg"


def test_a_chain_leads_from_the_figure_to_the_raw_file(project: Project) -> None:
    chain = trace(LINE)
    assert (chain.found_by, chain.as_recorded) == ("tag", True)
    assert chain.recipe == read_recipe(LINE)
    drawn, prepared = chain.steps.values()
    assert (drawn.record.rule, prepared.record.rule) == ("draw", "prepare")
    assert (drawn.sources[0].step, drawn.sources[0].raw) == (prepared.record.recipe, False)
    assert (prepared.sources[0].step, prepared.sources[0].raw) == (None, True)
    assert prepared.sources[0].file.sha256 == file_sha256(project.file(RAW))


def test_the_tree_names_rules_recipes_params_and_files_in_order(project: Project) -> None:
    text = chain_text(trace(LINE))
    recipe = str(read_recipe(LINE))[:12]
    prepared = read_record("results/digits/prepare.record.json")
    lines = [line.strip() for line in text.splitlines()]
    assert lines == [
        f"{LINE}  sha256 {file_sha256(Path(LINE))[:12]}",
        f"└─ draw  recipe {recipe}",
        "name=line  color=black",
        f"results/digits/numbers.txt  sha256 {prepared.outputs[0].sha256[:12]}",
        f"└─ prepare  recipe {prepared.recipe[:12]}",
        "factor=2.0",
        f"{RAW}  sha256 {file_sha256(Path(RAW))[:12]}  raw file",
    ]


def test_a_step_that_is_reached_twice_is_shown_once(project: Project) -> None:
    text = chain_text(trace(merge(project)))
    assert text.count("└─ prepare") == 2
    assert text.count("(shown above)") == 1
    assert text.count("factor=2.0") == 1
    assert len(trace("results/digits/both.svg").steps) == 2


def test_a_figure_whose_tag_an_editor_dropped_is_found_by_its_bytes(project: Project) -> None:
    bare = project.file("scripts/bare.py")
    bare.write_text(
        project.file("scripts/draw.py")
        .read_text()
        .replace("metadata=figure_metadata(job.recipe, Path(path).suffix)", "metadata=None")
    )
    project.run(
        "scripts/bare.py",
        input={"numbers": "results/digits/numbers.txt"},
        output={"image": ["results/bare.png"], "record": "results/bare.record.json"},
        params={"color": "red"},
    )
    assert read_recipe("results/bare.png") is None
    elsewhere = shutil.copy("results/bare.png", "for_the_paper.png")
    chain = trace(elsewhere)
    assert (chain.found_by, chain.as_recorded) == ("sha256", True)
    assert [step.record.rule for step in chain.steps.values()] == ["bare", "prepare"]


def test_an_edited_figure_still_leads_to_its_chain_with_a_warning(project: Project) -> None:
    with Image.open(LINE) as image:
        image.save(LINE)
    chain = trace(LINE)
    assert (chain.found_by, chain.as_recorded) == ("place", False)
    assert "not the bytes" in chain_text(chain)
    assert "not the bytes" in chain_html(chain)


def test_a_deleted_record_ends_the_chain_with_a_mark(project: Project) -> None:
    recipe = read_record("results/digits/prepare.record.json").recipe
    project.file("results/digits/prepare.record.json").unlink()
    chain = trace(LINE)
    assert f"no record of recipe {recipe[:12]}" in chain_text(chain)
    assert "no record of its job" in chain_html(chain)


def test_many_raw_files_of_one_step_are_counted(project: Project) -> None:
    for number in range(30):
        project.file(f"data/{number}.txt").write_text(str(number))
    project.run(
        "scripts/prepare.py",
        input={"raw": RAW, "more": [f"data/{number}.txt" for number in range(30)]},
        output={
            "numbers": "results/many/numbers.txt",
            "remark": "results/many/remark.txt",
            "record": "results/many/prepare.record.json",
        },
        params={"factor": 1},
    )
    chain = trace("results/many/numbers.txt")
    text = chain_text(chain, most=8)
    assert text.count("raw file") == 9
    assert "and 23 more raw files" in text
    assert chain_html(chain).count("<strong>raw file</strong>") == 31


class Page(HTMLParser):
    """Collects the tags of a page and the places that it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.add(str(value))
            if name == "id":
                self.ids.add(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_closes_what_it_opens(project: Project) -> None:
    chain = trace(merge(project))
    page = Page()
    page.feed(chain_html(chain))
    assert page.open == []
    assert not {"script", "link", "iframe"} & set(page.tags)
    inside = {link[1:] for link in page.links if link.startswith("#")}
    assert inside == {"step-2"}
    assert inside <= page.ids
    assert all(link.startswith(("#", "data:image/svg+xml")) for link in page.links)


def test_a_page_shows_the_preview_that_it_is_given_and_not_the_figure(project: Project) -> None:
    chain = trace(merge(project))
    html = chain_html(chain, preview=b"RIFF small WEBP")
    assert f"data:image/webp;base64,{base64.b64encode(b'RIFF small WEBP').decode()}" in html
    assert "data:image/svg+xml" not in html


def test_the_page_tells_everything_and_escapes_it(project: Project) -> None:
    chain = trace(merge(project))
    html = chain_html(chain)
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html
    for step in chain.steps.values():
        record = step.record
        assert all(
            fact in html for fact in (record.recipe, record.code, record.script, record.run.host)
        )
        assert all(file.sha256 in html for file in (*record.inputs, *record.outputs))
    assert re.search(r"Made by 2 jobs from 1 raw file\.", html)


def test_the_page_of_a_chain_is_the_same_each_time(project: Project) -> None:
    assert chain_html(trace(LINE)) == chain_html(trace(LINE))


@pytest.mark.parametrize("path", ["nowhere.png", RAW, "results"])
def test_what_is_no_figure_of_ours_is_refused(project: Project, path: str) -> None:
    with pytest.raises(BadInputError, match=path):
        trace(path)
