"""The figure of one comparison of two groups: a map a layer, the paper's t-tests beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurospect.figures import keys, paper_t_tests
from neurospect.figures.clusters import check_clusters, cluster_lines, draw_clusters
from neurospect.figures.group_differences import (
    RANK_LABEL,
    STEP_LABEL,
    cell_map,
    compared_groups,
    draw_differences,
    mark_steps,
    ratio_limit,
    significance_lines,
    weight_level,
    weights_of,
)
from neurospect.figures.layout import Grid, add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    LARGE,
    NOISE_TEXT,
    PAGE_WIDTH,
    SMALL,
    difference_norm,
    paper_style,
)
from neurospect.figures.weights import chosen_weights, layer_words, two_line_titles, weight_label

LEFT, RIGHT, GAP, STRIP = 12.5, 10.0, 1.0, 2.6
TITLE, LINE, FOOT = 5.0, 3.1, 14.0
TALL_ENOUGH = 40.0
"""Height of axes beside which the name of the t-tests has room, mm."""
ROOMY, MOST_WEIGHTS = 4, 60
"""Weights that two maps a row are for, and that a figure shows at most."""


@paper_style()
def difference_figure(
    table: pd.DataFrame,
    t_tests: pd.DataFrame | None = None,
    *,
    title: str = "",
    words: Mapping[str, str] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    clusters: pd.DataFrame | None = None,
    cells: pd.DataFrame | None = None,
    weights: pd.DataFrame | None = None,
) -> Figure:
    """Draw where and when two groups' singular values differ, weight by weight.

    Parameters
    ----------
    table
        Table of the permutation test (see `draw_differences`).
    t_tests
        Table of the paper's two t-tests; drawn as thin grey strips, for they are uncorrected
        and their observations are not independent.
    title
        What was trained, e.g. "Auto-encoding, [32], ReLU".
    words
        Weight → layer in words, where `layer_words` does not fit.
    shapes
        Weight → (rows, columns), to be written beside its name.
    clusters, cells
        The two tables of the cluster test; significant clusters are outlined.
    weights
        Table of the test of each weight as a whole; its p and q are written above the maps.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, two maps a row, or three where there are many; 89 mm for a single map. Of more
        than `MOST_WEIGHTS` weights so many are drawn, evenly from the first to the last.

    Raises
    ------
    BadInputError
        If a table lacks columns or weights, or holds more than one comparison.
    """
    check_clusters(clusters, cells)
    every = weights_of(table)
    names, shown = layer_words(every, words), chosen_weights(every, MOST_WEIGHTS)
    grid = _grid(len(shown), int(table["rank"].max()), bool(title), weights is not None)
    limit, clipped = ratio_limit([table])
    norm, bottom = difference_norm(limit), grid.bottom(len(shown))
    beside = grid.across > 1
    key_height = keys.DIFFERENCE_KEY_HEIGHT + (keys.LINE if clusters is not None else 0.0)
    lines = keys.wrapped(_lines(table, clusters, len(every)), grid.width - LEFT - 2.0)
    strips_below = 12.0 if t_tests is not None and not beside else 0.0
    below = key_height + strips_below
    figure = new_figure(grid.width, bottom + below + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    for place, weight in enumerate(shown):
        corner = grid.corner(place)
        axes = add_axes(figure, *corner, grid.wide, grid.high)
        draw_differences(axes, table, weight, norm=norm)
        if clusters is not None and cells is not None:
            draw_clusters(axes, clusters, cells, table, weight)
        _name(axes, grid, names[weight], weight, (shapes or {}).get(weight), weights)
        axes.set(xlabel=STEP_LABEL, ylabel=RANK_LABEL)
        if t_tests is not None:
            _add_strips(figure, axes, table, t_tests, weight, (*corner, grid.wide, grid.high))
    half = grid.width / (2 if beside else 1)
    keys.difference_key(
        figure, norm, compared_groups(table), LEFT, bottom, half - LEFT - RIGHT,
        clipped=clipped, clusters=clusters is not None,
    )  # fmt: skip
    if t_tests is not None:
        corner = (half + LEFT, bottom) if beside else (LEFT, bottom + key_height)
        paper_t_tests.t_test_key(figure, *corner, 40.0)
    keys.add_lines(figure, lines, LEFT, bottom + below)
    return figure


def _grid(maps: int, highest: int, titled: bool, judged: bool) -> Grid:
    across = min(2, maps) if maps <= ROOMY else 3
    few = across < 3
    high = (
        min(max(1.9 * highest, TALL_ENOUGH), 80.0) if few else min(max(1.0 * highest, 22.0), 34.0)
    )
    title = TITLE + LINE * ((not few) + judged)
    width = COLUMN_WIDTH if across == 1 else PAGE_WIDTH
    return Grid(width, across, LEFT, RIGHT, 8.0 if titled else 2.0, title, high, FOOT)


def _name(
    axes: Axes,
    grid: Grid,
    words: str,
    weight: str,
    shape: Sequence[int] | None,
    weights: pd.DataFrame | None,
) -> None:
    """Name a weight above its map, on one line where maps are few, and say how it was judged."""
    titles = two_line_titles(words, weight, shape)
    if grid.across < 3:
        titles = [f"{words}, {weight_label(weight, shape)}", f"{words}, {weight}", words]
    level = f"\n{weight_level(weights, weight)}" if weights is not None else ""
    first, *others = (f"{title}{level}" for title in titles)
    text = axes.set_title(first, loc="left", pad=3.0, linespacing=1.1)
    fit_text(text, grid.cell - LEFT - 2.0, *others)


def _lines(table: pd.DataFrame, clusters: pd.DataFrame | None, weights: int) -> list[str]:
    """Say how significance was decided, and what is not shown."""
    lines = significance_lines({"": table})
    if clusters is not None:
        lines += cluster_lines({"": clusters})
    return lines + keys.more_weights(weights, MOST_WEIGHTS)


def _add_strips(
    figure: Figure,
    axes: Axes,
    table: pd.DataFrame,
    t_tests: pd.DataFrame,
    weight: str,
    place: tuple[float, float, float, float],
) -> None:
    """Put a strip of per-step tests under a map, and one of per-value tests to its right."""
    left, top, wide, high = place
    shown = cell_map(table, weight, "tested")
    steps, ranks = [int(step) for step in shown.columns], [int(rank) for rank in shown.index]
    under = add_axes(figure, left, top + high + GAP, wide, STRIP)
    paper_t_tests.draw_step_strip(
        under, paper_t_tests.strip_values(t_tests, weight, paper_t_tests.PER_STEP, steps)
    )
    # Steps are written under the lowest row, which is now the strip.
    mark_steps(under, steps)
    under.set_xlabel(axes.get_xlabel())
    axes.set_xlabel("")
    axes.tick_params(labelbottom=False, bottom=False)
    under.set_yticks([0.5], ["t-test"], color=NOISE_TEXT)
    under.tick_params(left=False, length=1.5)
    aside = add_axes(figure, left + wide + GAP, top, STRIP, high)
    values = paper_t_tests.strip_values(t_tests, weight, paper_t_tests.PER_SINGULAR_VALUE, ranks)
    paper_t_tests.draw_rank_strip(aside, values)
    aside.yaxis.set_label_position("right")
    # The key says in full which test it is, where the axes are too low for that.
    name = paper_t_tests.NAME if high >= TALL_ENOUGH else "t-test"
    aside.set_ylabel(name, size=SMALL, color=NOISE_TEXT)
