"""Pages and figures: no text from data becomes markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.figures.family_splits import family_split_figure
from neurospect.figures.interactive_brain import interactive_brain_html
from neurospect.figures.quality_page import participants_html, task_map_html
from neurospect.figures.saving import save_figure
from neurospect.preprocess.splits import assign_splits
from neurospect.provenance.chain_page import chain_html
from neurospect.provenance.record import InputFile, OutputFile, Record, Run
from neurospect.provenance.trace import Chain, Source, Step

EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style><script>alert(1)</script>",
    "'><svg onload=alert(1)>",
    "<!--",
    "]]><a href='javascript:alert(1)'>x</a>",
]


class Markup(HTMLParser):
    """Tags, attributes and text of a page, as a browser would take them apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_inert(page: str, evil: str) -> None:
    found = Markup(page)
    assert not found.tags & {"script", "svg", "iframe", "object", "embed", "form", "base"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    links = [value for name, value in found.attributes if name in ("href", "src")]
    assert all(value.startswith(("#", "data:image/")) for value in links)
    assert evil in found.text


def excluded(text: str) -> pd.DataFrame:
    return pd.DataFrame([{name: text for name in EXCLUSION_COLUMNS}])


@pytest.mark.parametrize("evil", EVIL)
def test_the_page_of_a_cohort_shows_names_and_classes_as_text(evil: str) -> None:
    people = pd.DataFrame({"participant_id": ["a", "b"], "diagnosis": [evil, "control"]})
    people[evil] = "level"
    page = participants_html(people, excluded(evil), classes=["diagnosis", evil], title=evil)
    assert_inert(page, evil)


@pytest.mark.parametrize("evil", EVIL)
def test_the_page_of_task_maps_shows_tasks_and_contrasts_as_text(evil: str) -> None:
    examples = pd.DataFrame({"participant_id": [evil], "task": [evil], "contrast": [evil]})
    lost = excluded(evil).assign(what=f"task {evil}")
    assert_inert(task_map_html(examples, lost, title="Cohort"), evil)


@pytest.mark.parametrize("evil", EVIL)
def test_the_page_of_a_chain_shows_a_record_from_elsewhere_as_text(
    evil: str, tmp_path: Path
) -> None:
    figure = tmp_path / f"{evil.replace('/', '_')}.png"
    figure.write_bytes(b"\x89PNG")
    record = Record(
        recipe=evil,
        rule=evil,
        script=evil,
        code=evil,
        modules={evil: evil},
        environment=evil,
        params={evil: evil, "list": [evil]},
        wildcards={evil: evil},
        inputs=(InputFile(evil, evil, evil, 1, evil),),
        outputs=(OutputFile(evil, evil, evil, 1, 1, 1),),
        path=evil,
        run=Run(evil, evil, evil, {evil: evil}, evil, 1, evil, evil),
    )
    own = replace(record, recipe="other")
    raw = Source(record.inputs[0], None, raw=True)
    made = Source(record.inputs[0], "other", raw=False)
    steps = {evil: Step(record, (raw, made)), "other": Step(own, (raw,))}
    assert_inert(chain_html(Chain(figure, evil, False, evil, evil, steps)), evil)


@pytest.mark.parametrize("evil", EVIL)
def test_the_page_of_interactive_views_shows_classes_and_decoders_as_text(evil: str) -> None:
    panels = pd.DataFrame(
        {
            "criterion": ["class_informative"],
            "column": evil,
            "kind": "saliency",
            "decoder": evil,
            "method": "gradient",
            "correlation": 0.4,
        }
    )
    grid = VoxelGrid(np.ones((2, 2, 2), dtype=bool), np.diag([8.0, 8.0, 8.0, 1.0]))
    # of zeros, so that nothing but text is on the page
    assert_inert(interactive_brain_html(np.zeros((1, 8)), grid, panels, title=evil), evil)


@pytest.mark.parametrize("evil", [*EVIL, r"$\foo$", "$5 to $9"])
def test_a_figure_in_svg_shows_classes_as_text(evil: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    people = pd.DataFrame({"participant_id": [f"sub-{k}" for k in range(60)]})
    people["diagnosis"] = random.choice([evil, "control"], 60)
    shares = {"training": 0.6, "validation": 0.2, "test": 0.2}
    splits = assign_splits(people, None, fractions=shares, seed=0)
    save_figure(family_split_figure(splits, people), [tmp_path / "f.svg"], "0a" * 32)
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    tags = {str(each.tag).rpartition("}")[2] for each in root.iter()}
    shown = ["".join(each.itertext()) for each in root.iter() if str(each.tag).endswith("}text")]
    assert [text for text in shown if text.startswith(evil[:6])]
    assert not tags & {"script", "foreignObject", "a", "iframe", "img"}
    assert not [n for each in root.iter() for n in each.attrib if n.lower().startswith("on")]
