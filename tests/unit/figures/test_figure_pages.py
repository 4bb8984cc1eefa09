from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.page import figure_page

Spectra = Callable[..., xr.DataTree]
Differences = Callable[..., pd.DataFrame]
Panels = list[dict[str, Any]]


@pytest.fixture
def panels(spectra: Spectra, differences: Differences) -> Callable[[list[int], int], Panels]:
    """Panels with the given numbers of weights; the last few are differences."""

    def build(weights: list[int], maps: int) -> Panels:
        first_map = len(weights) - maps
        return [
            {
                "name": "ABCDEFGHIJK"[place],
                "title": f"Auto-encoding, {[32] * (count - 1)}, ReLU",
                "kind": "differences" if place >= first_map else "trajectories",
                "data": differences(count, target="yes" if place % 2 else "no")
                if place >= first_map
                else spectra(count, steps=30),
            }
            for place, count in enumerate(weights)
        ]

    return build


MakePanels = Callable[[list[int], int], Panels]


@pytest.mark.parametrize(
    ("weights", "maps"),
    [
        ([2], 0),
        ([4], 1),
        ([2, 2], 1),
        ([1, 3, 2], 1),
        ([2, 2, 4, 3, 2], 2),
        ([2] * 8, 2),
        ([2] * 10, 4),
        ([2, 4, 4, 3, 2, 2, 4, 4, 2, 2], 2),
        ([4] * 10, 0),
    ],
)
def test_a_page_keeps_its_size_and_no_texts_overlap(
    panels: MakePanels, clashes: Callable[[Figure], list[str]], weights: list[int], maps: int
) -> None:
    figure = figure_page("Multi-layer perceptrons on handwritten digits", panels(weights, maps))
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247.001
    assert clashes(figure) == []


def test_steps_of_a_long_training_stay_on_the_page(
    spectra: Spectra, clashes: Callable[[Figure], list[str]]
) -> None:
    data = spectra(9, steps=1000, ranks=2)
    panels = [{"name": n, "title": "t", "kind": "trajectories", "data": data} for n in "AB"]
    assert clashes(figure_page("Digits", panels)) == []


def test_no_axes_of_a_page_overlap_or_leave_it(panels: MakePanels) -> None:
    figure = figure_page("Digits", panels([2, 2, 4, 3, 2, 2], 2))
    boxes = [axes.get_position() for axes in figure.axes]
    for place, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1 and box.y1 <= 1
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_trajectories_of_a_page_share_their_axes_and_rows_align(panels: MakePanels) -> None:
    figure = figure_page("Digits", panels([2, 2, 2, 2], 0))
    axes = [one for one in figure.axes if one.get_yscale() == "log"]
    assert len(axes) == 8
    assert len({one.get_ylim() for one in axes}) == 1
    assert len({one.get_xlim() for one in axes}) == 1
    tops = [round(one.get_position().y1, 9) for one in axes]
    lefts = [round(one.get_position().x0, 9) for one in axes]
    assert tops[:4] == tops[:1] * 4
    assert lefts[:4] == lefts[4:]


@pytest.mark.parametrize("noted", [0, 1])
def test_rows_align_where_only_one_panel_has_a_note(
    panels: MakePanels, clashes: Callable[[Figure], list[str]], noted: int
) -> None:
    two = panels([2, 2], 0)
    renamed = {"group": ["all", "0", "patients with medication"]}
    nodes = {n: c.to_dataset().assign_coords(renamed) for n, c in two[noted]["data"].items()}
    two[noted] |= {"data": xr.DataTree.from_dict(nodes), "group": "patients with medication"}
    figure = figure_page("Digits", two)
    axes = [one for one in figure.axes if one.get_yscale() == "log"]
    assert len({round(one.get_position().y1, 9) for one in axes}) == 1
    assert clashes(figure) == []


def test_a_panel_shows_the_group_that_it_asks_for(spectra: Spectra) -> None:
    data = spectra(weights=1)
    panel = {"name": "A", "title": "t", "kind": "trajectories", "data": data, "group": "1"}
    (axes,) = [one for one in figure_page("Digits", [panel]).axes if one.get_yscale() == "log"]
    (line,) = [line for line in axes.lines if line.get_gid() == "rank 1"]
    contribution = data["0.weight"]["gradient"].sel(group="1", rank=1).values
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), contribution * 10 / 6)


def test_letters_are_bold_and_targets_are_said(
    panels: MakePanels, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    texts = drawn_texts(figure_page("Digits", panels([2, 2, 2, 2], 2)))
    by_text = {text.get_text(): text for text in texts}
    assert all(by_text[letter].get_weight() == "bold" for letter in "ABCD")
    assert "groups 0 and 3" in by_text
    assert "groups 0 and 3; labels were the training target" in by_text
    assert (
        "D outlined: p ≤ .05, family-wise, maximum statistic over 1000 relabelings, |z| ≥ 4.10; "
        "labels were the training target"
    ) in by_text


def test_panels_that_compare_different_groups_have_a_key_that_names_none(
    panels: MakePanels,
    drawn_texts: Callable[[Figure], list[Text]],
    clashes: Callable[[Figure], list[str]],
) -> None:
    two = panels([2, 2], 2)
    two[1]["data"] = two[1]["data"].assign(group_a="SZ", group_b="HC")
    figure = figure_page("Digits", two)
    texts = [text.get_text() for text in drawn_texts(figure)]
    assert "larger in first group →" in texts
    assert clashes(figure) == []


def test_too_many_panels_are_refused(panels: MakePanels) -> None:
    with pytest.raises(BadInputError, match="11 panels"):
        figure_page("Digits", panels([1] * 11, 0))
    with pytest.raises(BadInputError, match="0 panels"):
        figure_page("Digits", [])


def test_panels_that_do_not_fit_on_a_page_are_refused(panels: MakePanels) -> None:
    groups = {"group_a": "patients " * 40, "group_b": "controls " * 40}
    ten = [panel | {"data": panel["data"].assign(**groups)} for panel in panels([4] * 10, 10)]
    with pytest.raises(BadInputError, match="10 panels of up to 4 weights"):
        figure_page("Digits", ten)


def test_of_many_weights_a_page_shows_the_first_the_middle_and_the_last(
    panels: MakePanels, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    figure = figure_page("Recurrent", panels([9, 9], 1))
    texts = [text.get_text() for text in drawn_texts(figure)]
    for place in ("input layer\n0.weight", "hidden layer 4\n8.weight", "output layer\n16.weight"):
        assert sum(text.startswith(place) for text in texts) == 2
    assert sum("layer" in text for text in texts) == 6
    assert texts.count("first, middle, last; and 6 more: see the panel's own figure") == 2


def test_a_page_of_eight_panels_of_many_weights_keeps_its_size(
    panels: MakePanels, clashes: Callable[[Figure], list[str]]
) -> None:
    figure = figure_page("Recurrent", panels([17] * 8, 2))
    assert figure.get_size_inches()[1] * 25.4 <= 247.001
    assert clashes(figure) == []


def test_a_page_outlines_clusters_and_explains_them(
    panels: MakePanels,
    clusters: Callable[..., tuple[pd.DataFrame, pd.DataFrame]],
    drawn_texts: Callable[[Figure], list[Text]],
    clashes: Callable[[Figure], list[str]],
) -> None:
    two = panels([2, 2], 1)
    two[1]["clusters"], two[1]["cells"] = clusters(two[1]["data"])
    figure = figure_page("Digits", two)
    drawn = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "clusters"]
    assert [len(lines.get_segments()) for lines in drawn] == [8, 0]
    texts = " ".join(text.get_text() for text in drawn_texts(figure))
    assert "significant cluster of neighbouring cells" in texts
    assert "B clusters in green: p ≤ .05, family-wise" in texts
    assert clashes(figure) == []


def test_panels_of_one_name_are_refused(panels: MakePanels) -> None:
    with pytest.raises(BadInputError, match="A, A"):
        figure_page("Digits", panels([2], 1) * 2)


def test_a_panel_without_data_is_refused(panels: MakePanels) -> None:
    (panel,) = panels([2], 0)
    del panel["data"]
    with pytest.raises(BadInputError, match="panel 1: found no data"):
        figure_page("Digits", [panel])


def test_a_panel_with_data_of_another_kind_is_refused(panels: MakePanels) -> None:
    (panel,) = panels([2], 0)
    with pytest.raises(BadInputError, match="'differences' with data of type DataTree"):
        figure_page("Digits", [panel | {"kind": "differences"}])


def test_a_panel_of_a_group_that_was_not_recorded_is_refused(panels: MakePanels) -> None:
    (panel,) = panels([2], 0)
    with pytest.raises(BadInputError, match="patients asked for"):
        figure_page("Digits", [panel | {"group": "patients"}])
