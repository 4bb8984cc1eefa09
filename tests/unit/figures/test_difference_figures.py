from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.clusters import draw_clusters, significant_clusters
from neurospect.figures.difference_figure import difference_figure
from neurospect.figures.group_differences import (
    borders,
    cell_colours,
    draw_differences,
    ratio_limit,
)
from neurospect.figures.paper_t_tests import strip_values
from neurospect.figures.style import difference_norm, paper_style

Differences = Callable[..., pd.DataFrame]
MakeClusters = Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
Edge = tuple[tuple[float, float], tuple[float, float]]


def drawn(table: pd.DataFrame, weight: str = "0.weight") -> Axes:
    with paper_style():
        axes = Figure(figsize=(3, 3)).add_subplot()
        draw_differences(axes, table, weight)
    return axes


def colours_of(axes: Axes, ranks: int) -> np.ndarray:
    (mesh,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    return np.asarray(mesh.get_array()).reshape(ranks, -1, 4)


def edges_around(cells: set[tuple[int, int]]) -> set[Edge]:
    """Edges that belong to one of the cells only: the cells' outline."""
    outline: set[Edge] = set()
    for y, x in cells:
        outline ^= {
            ((x, y), (x + 1, y)),
            ((x, y + 1), (x + 1, y + 1)),
            ((x, y), (x, y + 1)),
            ((x + 1, y), (x + 1, y + 1)),
        }
    return outline


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=6)))
def test_borders_are_the_edges_between_chosen_and_other_cells(chosen: np.ndarray) -> None:
    cells = {(int(y), int(x)) for y, x in np.argwhere(chosen)}
    found = list(borders(chosen))
    assert len(found) == len(set(found))
    assert set(found) == edges_around(cells)


def test_exactly_the_cells_with_p_at_most_alpha_are_outlined(differences: Differences) -> None:
    table = differences()
    table.loc[0, "p"] = 0.05
    axes = drawn(table, "0.weight")
    rows = table[table["weight"] == "0.weight"]
    steps = sorted(rows["step"].unique())
    cells = {
        (int(row.rank) - 1, steps.index(row.step))
        for row in rows.itertuples()
        if row.p <= row.alpha
    }
    assert (0, 0) in cells
    (outline,) = [c for c in axes.collections if c.get_gid() == "significant"]
    assert isinstance(outline, LineCollection)
    found = {tuple((float(x), float(y)) for x, y in edge) for edge in outline.get_segments()}
    assert found == edges_around(cells)


@given(st.floats(-3, 3))
def test_opposite_differences_stand_equally_far_from_the_middle_colour(ratio: float) -> None:
    norm = difference_norm(2.0)
    assert float(norm(ratio)) + float(norm(-ratio)) == pytest.approx(1)


def test_no_difference_is_drawn_without_a_hue() -> None:
    everywhere = np.ones((1, 1), dtype=bool)
    (colour,) = cell_colours(np.zeros((1, 1)), everywhere, everywhere, difference_norm(1.5))[0]
    assert np.ptp(colour[:3]) < 0.02
    assert colour[:3].min() > 0.9


def test_larger_in_the_first_group_is_orange_and_in_the_second_purple() -> None:
    everywhere = np.ones((1, 2), dtype=bool)
    ratios = np.array([[1.0, -1.0]])
    first, second = cell_colours(ratios, everywhere, everywhere, difference_norm(1.5))[0]
    assert first[0] > first[2]
    assert second[2] > second[0]


@given(st.floats(-2, 2))
def test_a_difference_that_is_not_significant_is_paler(ratio: float) -> None:
    ratios, tested = np.full((1, 2), ratio), np.ones((1, 2), dtype=bool)
    full, pale = cell_colours(ratios, tested, np.array([[True, False]]), difference_norm(2.0))[0]
    np.testing.assert_allclose(1 - pale[:3], 0.35 * (1 - full[:3]))


def test_untested_cells_are_clear_and_all_others_opaque(differences: Differences) -> None:
    colours = colours_of(drawn(differences(ranks=5)), 5)
    assert (colours[4, :, 3] == 0).all()
    assert (colours[:4, :, 3] == 1).all()


def test_layers_share_one_colour_scale(differences: Differences) -> None:
    table = differences()
    table["p"], table["log2_ratio"] = 0.01, 0.3
    # A large difference in one layer must pale the other, too.
    alone = colours_of(drawn(table), 5)[0, 0]
    table.loc[table["weight"] == "2.weight", "log2_ratio"] = 1.8
    beside = colours_of(drawn(table), 5)[0, 0]
    assert beside[:3].min() > alone[:3].min()


def test_the_scale_follows_tested_differences_only_and_ends_at_a_factor_of_four(
    differences: Differences,
) -> None:
    table = differences()
    table["log2_ratio"] = np.where(table["tested"], 0.7, 50.0)
    assert ratio_limit([table]) == (1.0, False)
    table.loc[0, "log2_ratio"] = -7.0
    assert ratio_limit([table]) == (2.0, True)


def test_rank_one_is_at_the_top_and_steps_are_written_from_one(differences: Differences) -> None:
    axes = drawn(differences(ranks=5))
    assert axes.get_ylim() == (5, 0)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "2", "3", "4", "5"]
    assert axes.get_xticklabels()[0].get_text() == "1"
    assert axes.get_xticklabels()[-1].get_text() == "100"


@pytest.mark.parametrize("ranks", [32, 64, 128])
def test_rank_labels_are_apart_and_name_their_rows(differences: Differences, ranks: int) -> None:
    axes = drawn(differences(ranks=ranks))
    labels = [int(label.get_text()) for label in axes.get_yticklabels()]
    np.testing.assert_array_equal(axes.get_yticks(), np.array(labels) - 0.5)
    height = axes.get_position().height * 3 * 25.4 / ranks
    assert min(np.diff(labels)) * height > 2.4


def test_strips_show_minus_log10_p_at_the_steps_and_ranks_asked_for(t_tests: pd.DataFrame) -> None:
    found = strip_values(t_tests, "2.weight", "per step", [0, 50, 75, 500])
    np.testing.assert_allclose(found, [0.0, 1.0, 1.5, np.nan], atol=1e-12)
    found = strip_values(t_tests, "2.weight", "per singular value", [3, 1])
    np.testing.assert_allclose(found, [3.0, 1.0])


TARGET = "labels were the training target"
IN_SITES = {"exchanged": "within each site, families whole"}


@pytest.mark.parametrize(
    ("facts", "drawn", "target"),
    [
        ({}, "1000 relabelings", ""),
        ({"target": "yes"}, "1000 relabelings", f"; {TARGET}"),
        ({"target": "in part"}, "1000 relabelings", "; labels were in part the training target"),
        (IN_SITES, "1000 relabelings within each site, families whole", ""),
        (
            IN_SITES | {"never_exchanged": 4},
            "1000 relabelings within each site, families whole (4 of 24 blocks never exchanged)",
            "",
        ),
        (
            {"target": "yes", "retrained": True, "relabelings": 99},
            "99 retrainings under permuted labels",
            f"; {TARGET}, so networks were trained anew",
        ),
    ],
)
def test_the_figure_says_how_significance_was_decided(
    differences: Differences,
    t_tests: pd.DataFrame,
    drawn_texts: Callable[[Figure], list[Text]],
    clashes: Callable[[Figure], list[str]],
    facts: dict[str, Any],
    drawn: str,
    target: str,
) -> None:
    figure = difference_figure(differences().assign(**facts), t_tests, title="Classification")
    texts = [text.get_text() for text in drawn_texts(figure)]
    expected = f"outlined: p ≤ .05, family-wise, maximum statistic over {drawn}, |z| ≥ 4.10{target}"
    assert expected in " ".join(texts)
    assert texts.count("paper's t-test (uncorrected)") == 2
    assert "larger in group 0 →" in texts
    assert "← larger in group 3" in texts
    assert clashes(figure) == []


def test_too_few_relabelings_for_any_significance_are_said(
    differences: Differences, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    table = differences().assign(threshold=np.nan, relabelings=10, p=0.5)
    texts = [text.get_text() for text in drawn_texts(difference_figure(table))]
    assert "nothing outlined: 10 relabelings are too few for p ≤ .05" in texts


@pytest.mark.parametrize("weights", [1, 2, 4])
def test_no_texts_of_the_figure_overlap(
    differences: Differences,
    t_tests: pd.DataFrame,
    clashes: Callable[[Figure], list[str]],
    weights: int,
) -> None:
    more = t_tests.replace({"weight": {"0.weight": "4.weight", "2.weight": "6.weight"}})
    tests = pd.concat([t_tests, more])
    assert clashes(difference_figure(differences(weights, target="yes"), tests, title="A")) == []
    assert clashes(difference_figure(differences(weights))) == []


def test_long_group_names_keep_to_their_places(
    differences: Differences, clashes: Callable[[Figure], list[str]]
) -> None:
    table = differences().assign(
        group_a="women with schizophrenia, medicated", group_b="women without, unmedicated"
    )
    assert clashes(difference_figure(table)) == []


def test_exactly_the_significant_clusters_are_outlined_in_their_own_colour(
    differences: Differences, clusters: MakeClusters
) -> None:
    table = differences()
    found, cells = clusters(table)
    axes = drawn(table)
    draw_clusters(axes, found, cells, table, "0.weight")
    (outline,) = [c for c in axes.collections if c.get_gid() == "clusters"]
    assert isinstance(outline, LineCollection)
    edges = {tuple((float(x), float(y)) for x, y in edge) for edge in outline.get_segments()}
    # Cluster 2, at rank 2 of the third step, is not significant.
    assert edges == edges_around({(0, 1), (0, 2), (1, 1)})
    assert to_hex(outline.get_edgecolor()[0]) == "#009e73"
    (cellwise,) = [c for c in axes.collections if c.get_gid() == "significant"]
    assert outline.get_linewidth()[0] > 2 * cellwise.get_linewidth()[0]
    assert outline.get_zorder() < cellwise.get_zorder()


def test_touching_clusters_are_told_apart_by_the_line_between_them(
    differences: Differences, clusters: MakeClusters
) -> None:
    table = differences()
    found, cells = clusters(table)
    both = significant_clusters(found.assign(p=0.01), cells, table, "0.weight")
    assert [int(mask.sum()) for mask in both] == [3, 1]
    assert not (both[0] & both[1]).any()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "clusters in green: p ≤ .05, family-wise, by the mass of neighbouring cells"),
        ({"p": 0.2}, "no cluster has p ≤ .05, family-wise, by the mass of neighbouring cells"),
        ({"threshold": np.nan, "p": 1.0}, "clusters: 300 relabelings are too few for p ≤ .05"),
    ],
)
def test_the_figure_says_how_clusters_were_judged(
    differences: Differences,
    clusters: MakeClusters,
    drawn_texts: Callable[[Figure], list[Text]],
    clashes: Callable[[Figure], list[str]],
    changed: dict[str, float],
    expected: str,
) -> None:
    table = differences()
    found, cells = clusters(table)
    figure = difference_figure(table, clusters=found.assign(**changed), cells=cells)
    texts = " ".join(text.get_text() for text in drawn_texts(figure))
    assert expected in texts
    assert clashes(figure) == []


def test_no_clusters_at_all_are_said(
    differences: Differences, clusters: MakeClusters, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    found, cells = clusters(differences())
    figure = difference_figure(differences(), clusters=found[:0], cells=cells.assign(cluster=0))
    texts = " ".join(text.get_text() for text in drawn_texts(figure))
    assert "clusters: no neighbouring cells differ enough to form one" in texts


def test_clusters_without_their_cells_are_refused(
    differences: Differences, clusters: MakeClusters
) -> None:
    found, cells = clusters(differences())
    with pytest.raises(BadInputError, match="one of two"):
        difference_figure(differences(), clusters=found)
    with pytest.raises(BadInputError, match="no forming"):
        difference_figure(differences(), clusters=found.drop(columns="forming"), cells=cells)


def test_p_and_q_of_each_weight_stand_above_its_map(
    differences: Differences,
    weight_tests: pd.DataFrame,
    drawn_texts: Callable[[Figure], list[Text]],
    clashes: Callable[[Figure], list[str]],
) -> None:
    figure = difference_figure(differences(), weights=weight_tests)
    texts = [text.get_text() for text in drawn_texts(figure)]
    assert "input layer, 0.weight\nwhole weight: p < .001, q = .002" in texts
    assert "output layer, 2.weight\nwhole weight: no p, no q" in texts
    assert clashes(figure) == []
    with pytest.raises(BadInputError, match=r"0 rows of 2\.weight"):
        difference_figure(differences(), weights=weight_tests[:1])


def test_many_maps_stand_three_a_row_and_more_than_can_be_shown_are_counted(
    differences: Differences, clashes: Callable[[Figure], list[str]]
) -> None:
    figure = difference_figure(differences(63, ranks=2))
    maps = [axes for axes in figure.axes if axes.get_ylabel() == "rank"]
    assert len(maps) == 60
    assert len({round(axes.get_position().x0, 6) for axes in maps}) == 3
    assert "60 of 63 weights" in " ".join(text.get_text() for text in figure.texts)
    assert clashes(difference_figure(differences(9))) == []


def test_an_unknown_weight_is_refused(differences: Differences) -> None:
    with pytest.raises(BadInputError, match=r"one of 0\.weight, 2\.weight"):
        drawn(differences(), "9.weight")


def test_a_table_without_its_columns_is_refused(differences: Differences) -> None:
    with pytest.raises(BadInputError, match="no tested, alpha"):
        drawn(differences().drop(columns=["tested", "alpha"]))


def test_two_comparisons_in_one_table_are_refused(differences: Differences) -> None:
    table = differences()
    table.loc[0, "group_b"] = 2
    with pytest.raises(BadInputError, match="2 pairs of groups"):
        drawn(table)


def test_repeated_rows_are_refused(differences: Differences) -> None:
    with pytest.raises(BadInputError, match="repeated rows"):
        drawn(pd.concat([differences(), differences()]))


def test_t_tests_of_other_weights_are_refused(
    differences: Differences, t_tests: pd.DataFrame
) -> None:
    with pytest.raises(BadInputError, match=r"no rows of 2\.weight"):
        difference_figure(differences(), t_tests[t_tests["weight"] == "0.weight"])
    with pytest.raises(BadInputError, match="no rank"):
        difference_figure(differences(), t_tests.drop(columns="rank"))
