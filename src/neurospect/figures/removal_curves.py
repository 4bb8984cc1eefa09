"""What happens as the most salient values go, or come: deletion, insertion, retraining."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.method_lines import (
    OVER_SEEDS,
    Look,
    Way,
    draw_curve,
    draw_key,
    key_height,
    key_of,
    looks_of,
    minus,
    seeds_said,
    ways_of,
)
from neurospect.figures.saliency_panels import check_once, check_table, in_their_order
from neurospect.figures.style import INK, LARGE, PAGE_WIDTH, SMALL, paper_style

REMOVAL_COLUMNS = {
    "curve": "deletion, insertion, most, least or random",
    "decoder": "name of the decoder",
    "method": "of the maps by whose size values were ranked",
    "fraction": "share of the values that was taken away (insertion: put in), 0 to 1",
    **OVER_SEEDS,
}
PROBABILITY, ACCURACY = "probability of the class", "accuracy after retraining"
PANELS = {
    "deletion": ("deletion", "most salient values removed", PROBABILITY),
    "insertion": ("insertion", "most salient values put in", PROBABILITY),
    "most": ("remove and retrain", "most salient values removed", ACCURACY),
    "least": ("keep and retrain", "least salient values removed", ACCURACY),
}
"""By curve: name of its panel, and what its axes are."""
AT_RANDOM = "random"
ACROSS, LEFT, RIGHT, NAME, HIGH, FOOT = 2, 13.0, 4.0, 5.0, 44.0, 11.0
"""Panels side by side; margins beside axes, above, their height, and under them, mm."""


@paper_style()
def removal_figure(curves: pd.DataFrame, *, chance: float | None = None, title: str = "") -> Figure:
    """Draw what a model, or a training, loses with the values that maps rank high, or low.

    Each kind of curve that the table has is a panel. Where trainings on values removed at random
    are in the table, they are the dashed curves with open markers of both panels of retraining.

    Parameters
    ----------
    curves
        One row per curve, decoder, method and fraction, with the columns `REMOVAL_COLUMNS`.
    chance
        Accuracy, and probability, of guessing; drawn as a dotted line.
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, two panels a row.

    Raises
    ------
    BadInputError
        If the table is empty, lacks a column or has a row twice; if a curve is not known or a
        fraction lies outside 0 to 1; or if it has nothing but removal at random.
    """
    kinds = _check(curves)
    key = key_of(curves)
    looks = looks_of(curves)
    head, pitch = 8.0 if title else 2.0, NAME + HIGH + FOOT
    bottom = head + -(-len(kinds) // ACROSS) * pitch
    wide = PAGE_WIDTH - 2 * LEFT
    lines = keys.wrapped(_lines(curves, chance), wide)
    high = key_height(key, wide)
    figure = new_figure(PAGE_WIDTH, bottom + high + len(lines) * keys.LINE + 2.0)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    cell = PAGE_WIDTH / ACROSS
    for place, kind in enumerate(kinds):
        row, column = divmod(place, ACROSS)
        left, top = column * cell + LEFT, head + row * pitch
        axes = add_axes(figure, left, top + NAME, cell - LEFT - RIGHT, HIGH)
        name, across, up = PANELS[kind]
        letter = f"{'abcdefgh'[place]}  " if len(kinds) > 1 else ""
        said = add_text(figure, left, top + 0.8, f"{letter}{name}", weight="bold", size=SMALL)
        fit_text(said, cell - LEFT)
        draw_removal(axes, curves, kind, looks, chance=chance)
        axes.set(xlabel=across, ylabel=up)
    draw_key(figure, key, LEFT, bottom, wide)
    keys.add_lines(figure, lines, LEFT, bottom + high)
    return figure


def draw_removal(
    axes: Axes,
    curves: pd.DataFrame,
    kind: str,
    looks: dict[Way, Look],
    *,
    chance: float | None,
) -> None:
    """Draw the curves of one panel.

    Parameters
    ----------
    axes
        Where to draw.
    curves
        The whole table.
    kind
        A key of `PANELS`.
    looks
        Of each decoder and method.
    chance
        As in `removal_figure`.
    """
    if chance is not None:
        axes.axhline(chance, color=INK, linewidth=0.6, linestyle=(0, (1, 2)), gid="chance")
    shown: list[tuple[str, Any, bool]] = [(kind, "-", True)]
    if PANELS[kind][2] == ACCURACY:
        shown.insert(0, (AT_RANDOM, (0, (4, 2)), False))
    for name, line, filled in shown:
        for way, rows in ways_of(curves[curves["curve"].astype(str) == name]).items():
            rows = rows.sort_values("fraction")
            look = Look(f"{name}: {looks[way].name}", looks[way].colour, looks[way].marker)
            values = rows["mean"], rows["standard_error"]
            draw_curve(axes, rows["fraction"], *values, look, line=line, filled=filled)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(round(value, 6))))


def _lines(curves: pd.DataFrame, chance: float | None) -> list[str]:
    lines = [seeds_said(curves)]
    if AT_RANDOM in set(curves["curve"].astype(str)):
        lines.append("dashed, open markers: as many values removed at random")
    if chance is not None:
        lines.append(f"dotted: chance, {keys.short_number(chance)}")
    return ["; ".join(lines)]


def _check(curves: pd.DataFrame) -> list[str]:
    """Return the kinds of curves that have a panel, in the order of `PANELS`."""
    check_table(curves, REMOVAL_COLUMNS, "removal curves")
    check_once(curves, ["curve", "decoder", "method", "fraction"], "removal curves")
    found = in_their_order([str(name) for name in curves["curve"]])
    unknown = [name for name in found if name not in (*PANELS, AT_RANDOM)]
    fractions = curves["fraction"].to_numpy(dtype=np.float64)
    kinds = [name for name in PANELS if name in found]
    if unknown or not kinds or not ((fractions >= 0) & (fractions <= 1)).all():
        inside = unknown or not kinds
        raise BadInputError(
            "removal curves",
            "curve" if inside else "fraction",
            found=", ".join(unknown or found)
            if inside
            else f"{fractions.min()} to {fractions.max()}",
            expected=f"{', '.join(PANELS)}; {AT_RANDOM} besides" if inside else "0 to 1",
            remedy="Draw the table as it was written.",
        )
    return kinds
