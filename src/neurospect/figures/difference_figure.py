"""The figure of one comparison of two groups: a map a layer, the paper's t-tests beside."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurospect.figures import keys, paper_t_tests
from neurospect.figures.group_differences import (
    RANK_LABEL,
    STEP_LABEL,
    compared_groups,
    draw_differences,
    grid,
    mark_steps,
    ratio_limit,
    significance_lines,
    weights_of,
)
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    LARGE,
    NOISE_TEXT,
    PAGE_WIDTH,
    SMALL,
    difference_norm,
    paper_style,
)
from neurospect.figures.weights import layer_words, weight_label

LEFT, RIGHT, GAP, STRIP = 12.5, 10.0, 1.0, 2.6
TITLE, FOOT = 5.0, 14.0


@paper_style()
def difference_figure(
    table: pd.DataFrame,
    t_tests: pd.DataFrame | None = None,
    *,
    title: str = "",
    words: Mapping[str, str] | None = None,
    shapes: Mapping[str, tuple[int, int]] | None = None,
) -> Figure:
    """Draw where and when two groups' singular values differ, layer by layer.

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
        Weight → layer in words, where the weights are not a chain of layers.
    shapes
        Weight → (outputs, inputs), to be written beside its name.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, two layers a row; 89 mm for a single layer.

    Raises
    ------
    BadInputError
        If a table lacks columns or weights, or holds more than one comparison.
    """
    weights = weights_of(table)
    limit, clipped = ratio_limit([table])
    norm = difference_norm(limit)
    across = min(2, len(weights))
    width = PAGE_WIDTH if across == 2 else COLUMN_WIDTH
    cell = width / across
    highest = int(table["rank"].max())
    high = min(max(1.9 * highest, 40.0), 80.0)
    pitch = TITLE + high + FOOT
    head = 8.0 if title else 2.0
    rows = ceil(len(weights) / across)
    beside = across == 2
    bottom = head + rows * pitch
    key_height = keys.DIFFERENCE_KEY_HEIGHT + (0.0 if beside or t_tests is None else 12.0)
    lines = keys.wrapped(significance_lines({"": table}), width - LEFT - 2.0)
    figure = new_figure(width, bottom + key_height + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    names = layer_words(weights, words)
    for place, weight in enumerate(weights):
        row, column = divmod(place, across)
        left, top = column * cell + LEFT, head + row * pitch + TITLE
        axes = add_axes(figure, left, top, cell - LEFT - RIGHT, high)
        draw_differences(axes, table, weight, norm=norm)
        label = f"{names[weight]}, {weight_label(weight, (shapes or {}).get(weight))}"
        fit_text(axes.set_title(label, loc="left", pad=3.0), cell - LEFT - 2.0)
        axes.set(xlabel=STEP_LABEL, ylabel=RANK_LABEL)
        if t_tests is not None:
            _add_strips(figure, axes, table, t_tests, weight, (left, top, cell, high))
    key_width = cell - LEFT - RIGHT
    groups = compared_groups(table)
    keys.difference_key(figure, norm, groups, LEFT, bottom, key_width, clipped=clipped)
    if t_tests is not None:
        x, y = (cell + LEFT, bottom) if beside else (LEFT, bottom + keys.DIFFERENCE_KEY_HEIGHT)
        paper_t_tests.t_test_key(figure, x, y, 40.0)
    keys.add_lines(figure, lines, LEFT, bottom + key_height)
    return figure


def _add_strips(
    figure: Figure,
    axes: Axes,
    table: pd.DataFrame,
    t_tests: pd.DataFrame,
    weight: str,
    place: tuple[float, float, float, float],
) -> None:
    """Put a strip of per-step tests under a map, and one of per-value tests to its right."""
    left, top, cell, high = place
    wide = cell - LEFT - RIGHT
    shown = grid(table, weight, "tested")
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
    aside.set_ylabel(paper_t_tests.NAME, size=SMALL, color=NOISE_TEXT)
