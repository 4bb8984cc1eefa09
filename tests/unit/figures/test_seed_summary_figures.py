from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.seed_summary_figure import seed_summary_figure
from neurospect.figures.style import share_colours
from neurospect.stats.seed_summary import seed_summary

Differences = Callable[..., pd.DataFrame]


@pytest.fixture
def summary(differences: Differences) -> Callable[..., pd.DataFrame]:
    """Summarise four trainings whose ratios and p values differ."""

    def build(weights: int = 2, ranks: int = 5) -> pd.DataFrame:
        random = np.random.default_rng(0)
        table = differences(weights, ranks)
        shape = (4, len(table))
        ratios, p = random.normal(0.5, 0.4, shape), random.uniform(0, 0.12, shape)
        return seed_summary(
            [
                table.assign(log2_ratio=each, p=np.where(table["tested"], ps, np.nan))
                for each, ps in zip(ratios, p, strict=True)
            ]
        )

    return build


Summary = Callable[..., pd.DataFrame]


def maps_of(figure: Figure, ranks: int) -> list[np.ndarray]:
    meshes = [mesh_of(axes) for axes in figure.axes]
    return [np.asarray(m.get_array()).reshape(ranks, -1, 4) for m in meshes if m is not None]


def mesh_of(axes: Axes) -> QuadMesh | None:
    found = [c for c in axes.collections if isinstance(c, QuadMesh)]
    return found[0] if found and found[0].get_gid() == "differences" else None


def test_shares_of_seeds_are_drawn_cell_by_cell(summary: Summary) -> None:
    table = summary()
    share = maps_of(seed_summary_figure(table), 5)[1]
    steps = sorted(table["step"].unique())
    for row in table[(table["weight"] == "0.weight") & (table["seeds"] > 0)].itertuples():
        expected = share_colours()(row.significant_share)
        np.testing.assert_allclose(share[row.rank - 1, steps.index(row.step)], expected)
    assert table["significant_share"].nunique() > 2


def test_a_mean_ratio_is_orange_above_zero_and_purple_below(summary: Summary) -> None:
    table = summary()
    mean = maps_of(seed_summary_figure(table), 5)[0]
    rows = table[(table["weight"] == "0.weight") & (table["mean_log2_ratio"].abs() > 0.2)]
    steps = sorted(table["step"].unique())
    for row in rows.itertuples():
        red, _, blue, _ = mean[row.rank - 1, steps.index(row.step)]
        assert (red > blue) == (row.mean_log2_ratio > 0)


def test_cells_that_no_training_tested_are_clear_on_both_maps(summary: Summary) -> None:
    for drawn in maps_of(seed_summary_figure(summary()), 5):
        assert (drawn[4, :, 3] == 0).all()
        assert (drawn[:4, :, 3] == 1).all()


def test_the_figure_counts_the_seeds_that_find_each_weight(
    summary: Summary, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    tests = [
        pd.DataFrame({"weight": ["0.weight", "2.weight"], "q": q, "alpha": 0.05})
        for q in ([0.01, 0.2], [0.05, np.nan], [0.3, 0.6], [0.001, 0.9])
    ]
    figure = seed_summary_figure(summary(), tests, title="Auto-encoding")
    texts = [text.get_text() for text in drawn_texts(figure)]
    assert "input layer, 0.weight\nwhole weight: q ≤ .05 in 3 of 4 seeds" in texts
    assert "output layer, 2.weight\nwhole weight: q ≤ .05 in 0 of 4 seeds" in texts
    with pytest.raises(BadInputError, match=r"0 rows of 2\.weight"):
        seed_summary_figure(summary(), [tests[0][:1]])


def test_the_figure_says_that_seeds_share_their_participants(
    summary: Summary, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    texts = " ".join(text.get_text() for text in drawn_texts(seed_summary_figure(summary())))
    assert "over 4 seeds, the same participants; significant: p ≤ .05, family-wise" in texts


@pytest.mark.parametrize("weights", [1, 2, 5])
def test_no_texts_of_the_figure_overlap(
    summary: Summary, clashes: Callable[[Figure], list[str]], weights: int
) -> None:
    table = summary(weights, 32)
    assert clashes(seed_summary_figure(table, title="A")) == []
    long = table.assign(
        group_a="women with schizophrenia, medicated", group_b="women without, unmedicated"
    )
    assert clashes(seed_summary_figure(long)) == []


def test_a_table_that_cannot_be_drawn_is_refused(summary: Summary) -> None:
    with pytest.raises(BadInputError, match="no seeds"):
        seed_summary_figure(summary().drop(columns="seeds"))
    table = summary()
    table.loc[0, "group_b"] = 2
    with pytest.raises(BadInputError, match="2 pairs of groups"):
        seed_summary_figure(table)
