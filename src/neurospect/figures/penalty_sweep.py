"""How the criteria depend on a setting: the weight penalty, or the temperature."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.method_lines import (
    OVER_SEEDS,
    Look,
    Way,
    dodges,
    draw_curve,
    draw_key,
    key_height,
    key_of,
    looks_of,
    minus,
    seeds_said,
    ways_of,
)
from neurospect.figures.saliency_panels import (
    check_once,
    check_table,
    criterion_words,
    in_their_order,
)
from neurospect.figures.style import INK, LARGE, PAGE_WIDTH, SMALL, paper_style

SWEEP_COLUMNS = {
    "decoder": "name of the decoder",
    "method": "how its maps were made",
    "criterion": "class_informative or pairwise_difference",
    "value": "of the setting that was changed",
    **OVER_SEEDS,
}
SETTING_WORDS = {"penalty": "weight penalty λ", "temperature": "temperature of the softmax"}
LEFT, RIGHT, HIGH = 13.0, 4.0, 52.0
"""Margins beside axes and their height, mm."""


@paper_style()
def penalty_sweep(sweep: pd.DataFrame, *, setting: str = "penalty", title: str = "") -> Figure:
    """Draw the mean correlation of maps against a setting of the training, a panel a criterion.

    Parameters
    ----------
    sweep
        One row per decoder, method, criterion and value of the setting, with the columns
        `SWEEP_COLUMNS`. Values are not negative; zero stands left of a logarithmic scale.
    setting
        What was changed, a key of `SETTING_WORDS`.
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If the table is empty, lacks a column or has a row twice, a value is negative, or the
        setting is not known.
    """
    _check(sweep, setting)
    criteria = in_their_order([str(name) for name in sweep["criterion"]])
    key = key_of(sweep)
    looks = looks_of(sweep)
    head = 8.0 if title else 2.0
    bottom = head + 5.0 + HIGH + 9.5
    wide = PAGE_WIDTH - 2 * LEFT
    figure = new_figure(PAGE_WIDTH, bottom + key_height(key, wide) + keys.LINE + 2.0)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    cell = PAGE_WIDTH / max(2, len(criteria))
    places = _places(sweep["value"].to_numpy(dtype=np.float64))
    drawn = []
    for number, criterion in enumerate(criteria):
        left = number * cell + LEFT
        axes = add_axes(figure, left, head + 5.0, cell - LEFT - RIGHT, HIGH)
        letter = f"{'abcdefgh'[number]}  " if len(criteria) > 1 else ""
        said = f"{letter}{criterion_words(criterion)}"
        name = add_text(figure, left, head + 0.8, said, weight="bold", size=SMALL)
        fit_text(name, cell - LEFT)
        own = sweep[sweep["criterion"].astype(str) == criterion]
        draw_sweep(axes, own, looks, places)
        axes.set_xlabel(SETTING_WORDS[setting])
        axes.set_ylabel("mean correlation" if number == 0 else "")
        drawn.append(axes)
    limits = [axes.get_ylim() for axes in drawn]
    for axes in drawn:
        axes.set_ylim(min(0.0, *(low for low, _ in limits)), max(high for _, high in limits))
    draw_key(figure, key, LEFT, bottom, wide)
    keys.add_lines(figure, [seeds_said(sweep)], LEFT, bottom + key_height(key, wide))
    return figure


def draw_sweep(
    axes: Axes, sweep: pd.DataFrame, looks: dict[Way, Look], places: dict[float, float]
) -> None:
    """Draw the curves of one criterion.

    Parameters
    ----------
    axes
        Where to draw.
    sweep
        Rows of one criterion.
    looks
        Of each decoder and method.
    places
        Value of the setting → place on the axis.
    """
    axes.axhline(0, color=INK, linewidth=0.6, gid="no correlation")
    aside = dodges(list(looks), 0.12 / len(looks))
    for way, rows in ways_of(sweep).items():
        rows = rows.sort_values("value")
        x = [places[float(value)] + aside[way] for value in rows["value"]]
        draw_curve(axes, x, rows["mean"], rows["standard_error"], looks[way])
    said = {place: minus(value) for value, place in places.items()}
    axes.xaxis.set_major_locator(FixedLocator(list(said)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: said.get(place, "")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(value)))
    room = 0.06 * max(np.ptp(list(said)), 1.0)
    axes.set_xlim(min(said) - room, max(said) + room)


def _places(values: np.ndarray) -> dict[float, float]:
    """Place each value at its logarithm, and zero a step left of the least other."""
    positive = np.unique(values[values > 0])
    places = {float(value): float(np.log10(value)) for value in positive}
    if (values == 0).any():
        least = min(places.values(), default=0.0)
        places = {0.0: least - 1.0, **places}
    return places


def _check(sweep: pd.DataFrame, setting: str) -> None:
    if setting not in SETTING_WORDS:
        raise BadInputError(
            "sweep",
            "setting",
            found=repr(setting),
            expected=" or ".join(SETTING_WORDS),
            remedy="Name the setting that was changed.",
        )
    check_table(sweep, SWEEP_COLUMNS, "sweep")
    check_once(sweep, ["decoder", "method", "criterion", "value"], "sweep")
    values = sweep["value"].to_numpy(dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise BadInputError(
            "sweep",
            "value",
            found=sorted(set(values[~(np.isfinite(values) & (values >= 0))].tolist())),
            expected="zero or positive numbers",
            remedy="Draw the table as it was written.",
        )
