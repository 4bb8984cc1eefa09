from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.errors import BadInputError
from neurospect.figures.effect_size_figure import draw_effect, effect_size_figure
from neurospect.figures.style import paper_style

Differences = Callable[..., pd.DataFrame]


@pytest.fixture
def effects(differences: Differences) -> Callable[..., pd.DataFrame]:
    """Build a table of effect sizes with intervals of a quarter to either side."""

    def build(weights: int = 2) -> pd.DataFrame:
        table = differences(weights)
        columns = ["weight", "step", "rank", "group_a", "group_b", "log2_ratio", "tested"]
        low, high = table["log2_ratio"] - 0.25, table["log2_ratio"] + 0.25
        return table[columns].assign(low=low, high=high, confidence=0.95, units=12)

    return build


Effects = Callable[..., pd.DataFrame]


def curves(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if any(x.get_gid() == "log2 ratio" for x in axes.lines)]


def ratio_line(axes: Axes) -> tuple[np.ndarray, np.ndarray]:
    (line,) = [line for line in axes.lines if line.get_gid() == "log2 ratio"]
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize("rank", [1, 3])
def test_lines_are_the_ratios_of_one_rank_of_each_weight(effects: Effects, rank: int) -> None:
    table = effects()
    for axes, weight in zip(
        curves(effect_size_figure(table, rank=rank)), ("0.weight", "2.weight"), strict=True
    ):
        rows = table[(table["weight"] == weight) & (table["rank"] == rank)]
        steps, ratios = ratio_line(axes)
        np.testing.assert_array_equal(steps, rows["step"] + 1)
        np.testing.assert_array_equal(ratios, rows["log2_ratio"])


def test_the_band_ends_where_the_interval_does(effects: Effects) -> None:
    rows = effects().query("weight == '0.weight' and rank == 1")
    with paper_style():
        axes = Figure().add_subplot()
        draw_effect(axes, rows)
    (band,) = [c for c in axes.collections if isinstance(c, PolyCollection)]
    vertices = {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}
    for row in rows.itertuples():
        assert {(row.step + 1.0, row.low), (row.step + 1.0, row.high)} <= vertices


def test_where_the_value_was_not_tested_nothing_is_drawn(effects: Effects) -> None:
    table = effects()
    table.loc[(table["rank"] == 1) & (table["step"] == 3), "tested"] = False
    _, ratios = ratio_line(curves(effect_size_figure(table))[0])
    assert list(np.isnan(ratios)) == [False, False, True, False, False, False]


def test_all_weights_share_a_scale_that_is_symmetric_and_holds_every_ratio(
    effects: Effects,
) -> None:
    table = effects(4)
    axes = curves(effect_size_figure(table))
    (limits,) = {one.get_ylim() for one in axes}
    assert limits[0] == -limits[1]
    assert limits[1] > table.query("rank == 1")["log2_ratio"].abs().max()


def test_one_very_wide_interval_does_not_flatten_the_others_and_is_said_to_go_on(
    effects: Effects,
) -> None:
    table = effects(4)
    exact = table.assign(low=table["log2_ratio"], high=table["log2_ratio"])
    assert "beyond the frame" not in said(effect_size_figure(exact))
    table.loc[table["rank"] == 1, "high"] = table["log2_ratio"] + np.where(table.index == 0, 99, 0)
    figure = effect_size_figure(table)
    assert curves(figure)[0].get_ylim()[1] < 4
    assert "beyond the frame" in said(figure)


def said(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_the_figure_says_what_line_and_band_are(
    effects: Effects, weight_tests: pd.DataFrame, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    table = effects().assign(group_a="patient female", group_b="control female")
    figure = effect_size_figure(table, weight_tests, title="Auto-encoding")
    texts = " ".join(text.get_text() for text in drawn_texts(figure))
    for expected in (
        "Auto-encoding",
        "log₂ (σ patient female / σ control female), largest singular value",
        "95 % interval",
        "one of 12 units",
        "input layer\n0.weight\nwhole weight: p < .001, q = .002",
        "output layer\n2.weight\nwhole weight: no p, no q",
    ):
        assert expected in texts


@pytest.mark.parametrize("weights", [1, 2, 7])
def test_no_texts_of_the_figure_overlap(
    effects: Effects, clashes: Callable[[Figure], list[str]], weights: int
) -> None:
    table = effects(weights)
    names = table["weight"].drop_duplicates()
    judged = pd.DataFrame({"weight": names, "p": 0.01, "q": 0.02})
    assert clashes(effect_size_figure(table, judged, title="A")) == []
    assert clashes(effect_size_figure(table)) == []


def test_no_long_name_of_a_weight_is_cut_or_leaves_the_figure(
    effects: Effects, clashes: Callable[[Figure], list[str]]
) -> None:
    table, block = effects(4), "encoder.encoder.layer.0"
    names = ("attention.self.query", "attention.self.key", "attention.output.dense")
    long = ["embedding.weight", *(f"{block}.{name}.weight" for name in names)]
    table["weight"] = table["weight"].map(
        dict(zip(table["weight"].drop_duplicates(), long, strict=True))
    )
    judged = pd.DataFrame({"weight": long, "p": 0.01, "q": 0.02})
    figure = effect_size_figure(table, judged, title="BERT")
    assert clashes(figure) == []
    titles = [axes.get_title(loc="left") for axes in curves(figure)]
    assert titles[1].startswith("block 1\nattention query\n")
    assert not any("…" in title for title in titles)


@pytest.mark.parametrize("target", ["yes", "no"])
def test_the_figure_says_where_labels_were_the_training_target(
    effects: Effects, weight_tests: pd.DataFrame, target: str
) -> None:
    figure = effect_size_figure(effects(), weight_tests.assign(target=target, retrained=False))
    assert ("labels were the training target" in said(figure)) == (target == "yes")


def test_a_table_that_cannot_be_drawn_is_refused(effects: Effects) -> None:
    with pytest.raises(BadInputError, match="no low, units"):
        effect_size_figure(effects().drop(columns=["low", "units"]))
    with pytest.raises(BadInputError, match="no rank 9"):
        effect_size_figure(effects(), rank=9)
    table = effects()
    table.loc[0, "group_b"] = 2
    with pytest.raises(BadInputError, match="2 pairs of groups"):
        effect_size_figure(table)
