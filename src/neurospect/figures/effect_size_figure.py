"""How large the difference of a singular value is over training, with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.group_differences import STEP_LABEL, target_words, weight_level
from neurospect.figures.layout import Grid, add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    INK,
    LARGE,
    NOISE,
    NOISE_EDGE,
    PAGE_WIDTH,
    paper_style,
)
from neurospect.figures.trajectories import mark_log_steps
from neurospect.figures.weights import chosen_weights, layer_words, two_line_titles

COLUMNS = (
    *("weight", "step", "rank", "group_a", "group_b", "log2_ratio", "tested"),
    *("low", "high", "confidence", "units"),
)
MOST_WEIGHTS = 60
"""Weights that a figure shows at most."""


@paper_style()
def effect_size_figure(
    effects: pd.DataFrame,
    weights: pd.DataFrame | None = None,
    *,
    rank: int = 1,
    title: str = "",
    words: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the log2 ratio of two groups' singular values over training, an axes a weight.

    All axes share their scale. It holds every ratio and nineteen of twenty ends of intervals;
    wider intervals go on beyond the frame.

    Parameters
    ----------
    effects
        Table of the effect sizes (columns `COLUMNS`).
    weights
        Table of the test of each weight as a whole; its p and q are written above the axes.
    rank
        Of the singular value, the largest being 1. A weight of lower rank stays empty.
    title
        What was trained, e.g. "Auto-encoding, [32], ReLU".
    words
        Weight → layer in words, where `layer_words` does not fit.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, up to three weights a row; 89 mm for a single weight. Of more than
        `MOST_WEIGHTS` weights so many are drawn, evenly from the first to the last.

    Raises
    ------
    BadInputError
        If a column or the rank is missing, or the table holds more than one pair of groups.
    """
    chosen = _rows(effects, rank)
    every = [str(name) for name in effects["weight"].drop_duplicates()]
    names, shown = layer_words(every, words), chosen_weights(every, MOST_WEIGHTS)
    across = min(3, len(shown))
    width = COLUMN_WIDTH if across == 1 else PAGE_WIDTH
    top = 8.2 if weights is None else 11.3
    grid = Grid(width, across, 13.0, 4.0, 8.0 if title else 2.0, top, 24.0, 10.0)
    bottom, limit = grid.bottom(len(shown)), _limit(chosen)
    said = [*_lines(chosen, rank, len(every), limit), *_target(weights)]
    lines = keys.wrapped(said, width - grid.left - 2.0)
    figure = new_figure(width, bottom + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    for place, weight in enumerate(shown):
        axes = add_axes(figure, *grid.corner(place), grid.wide, grid.high)
        draw_effect(axes, chosen[chosen["weight"].astype(str) == weight])
        axes.set(ylim=(-limit, limit), xlabel=STEP_LABEL)
        if place % across == 0:
            axes.set_ylabel("log₂ ratio")
        level = "" if weights is None else f"\n{weight_level(weights, weight)}"
        first, *others = (f"{text}{level}" for text in two_line_titles(names[weight], weight, None))
        text = axes.set_title(first, loc="left", pad=3.0, linespacing=1.1)
        fit_text(text, grid.cell - grid.left - 1.5, *others)
    keys.add_lines(figure, lines, grid.left, bottom)
    return figure


def draw_effect(axes: Axes, effects: pd.DataFrame) -> None:
    """Draw one weight's log2 ratio against the step, and its interval as a band.

    Parameters
    ----------
    axes
        Where to draw.
    effects
        Rows of one weight and rank; where the value was not tested, nothing is drawn.
    """
    rows = effects.sort_values("step")
    steps = rows["step"].to_numpy() + 1
    tested = rows["tested"].to_numpy(dtype=bool)
    low, ratio, high = (
        np.where(tested, rows[name].to_numpy(dtype=np.float64), np.nan)
        for name in ("low", "log2_ratio", "high")
    )
    axes.fill_between(steps, low, high, facecolor=NOISE, edgecolor=NOISE_EDGE, linewidth=0.4)
    axes.axhline(0, color=INK, linewidth=0.4, linestyle=(0, (4, 3)), gid="no difference")
    axes.plot(steps, ratio, color=INK, linewidth=0.8, marker="o", markersize=1.6, gid="log2 ratio")
    axes.set_xscale("log")
    if len(steps):
        axes.set_xlim(float(steps.min()), max(float(steps.max()), float(steps.min()) + 1))
        mark_log_steps(axes)


def _rows(effects: pd.DataFrame, rank: int) -> pd.DataFrame:
    missing = [name for name in COLUMNS if name not in effects]
    if missing:
        raise BadInputError(
            "effect sizes",
            "columns",
            found=f"no {', '.join(missing)}",
            expected=", ".join(COLUMNS),
            remedy="Draw the table of effect sizes as it was written.",
        )
    chosen = effects[effects["rank"] == rank]
    pairs = effects[["group_a", "group_b"]].drop_duplicates()
    if chosen.empty or len(pairs) != 1:
        raise BadInputError(
            "effect sizes",
            "rank" if chosen.empty else "group_a, group_b",
            found=f"no rank {rank}" if chosen.empty else f"{len(pairs)} pairs of groups",
            expected="a rank of the table" if chosen.empty else "one pair",
            remedy="Draw a recorded singular value of one comparison.",
        )
    return chosen


def _limit(effects: pd.DataFrame) -> float:
    """Limit of a symmetric axis: all ratios, and 95 % of the ends of intervals."""
    tested = effects[effects["tested"].astype(bool)]
    ratios = tested["log2_ratio"].abs().to_numpy(dtype=np.float64)
    ends = tested[["low", "high"]].abs().to_numpy(dtype=np.float64)
    ends = ends[np.isfinite(ends)]
    largest = float(ratios.max()) if ratios.size else 0.0
    usual = float(np.quantile(ends, 0.95)) if ends.size else 0.0
    return 1.1 * max(largest, usual, 0.1)


def _target(weights: pd.DataFrame | None) -> list[str]:
    """Say what p and q cannot mean, where the labels were what the model learned."""
    words = "" if weights is None or "target" not in weights else target_words(weights)
    return [f"p and q: {words}"] if words else []


def _lines(effects: pd.DataFrame, rank: int, weights: int, limit: float) -> list[str]:
    first = effects.iloc[0]
    a, b = (keys.group_words(str(first[name])) for name in ("group_a", "group_b"))
    place = "largest singular value" if rank == 1 else f"singular value of rank {rank}"
    lines = [
        f"line: log₂ (σ {a} / σ {b}), {place}, equal numbers of samples",
        f"band: {100 * first['confidence']:g} % interval of a step by itself, leaving out one of "
        f"{first['units']} units (blocks of samples, or families) at a time; one training",
    ]
    if effects[["low", "high"]].abs().max().max() > limit:
        lines.append("the widest bands go on beyond the frame")
    return lines + keys.more_weights(weights, MOST_WEIGHTS)
