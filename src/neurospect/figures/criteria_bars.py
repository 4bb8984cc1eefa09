"""How well maps show what distinguishes the classes: every decoder and method (figure 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.categories import category_colours
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.saliency_panels import (
    check_once,
    check_table,
    criterion_words,
    decimals,
    in_their_order,
    method_words,
    words_of,
)
from neurospect.figures.style import INK, LARGE, PAGE_WIDTH, SMALL, paper_style

SUMMARY_COLUMNS = {
    "decoder": "name of the decoder",
    "method": "how its maps were made",
    "criterion": "class_informative or pairwise_difference",
    "mean": "over seeds, of each training's mean correlation over test examples",
    "standard_error": "of that mean; missing for a single seed",
    "seeds": "how many trainings have a correlation",
    "undefined": "test examples without a correlation (constant map), summed over seeds",
    "examples": "test examples, summed over seeds",
}
ACCURACY_COLUMNS = {
    "decoder": "name of the decoder",
    "accuracy": "mean over seeds of the share of test examples classified right",
    "chance": "share of test examples that is of the largest class",
}
LETTERS = "differs_from_others"
"""Optional column: letters; methods that share one do not differ significantly."""
SCORE_COLUMNS = {
    "decoder": "name of the decoder",
    "method": "how its maps were made",
    "criterion": "class_informative or pairwise_difference",
    "seed": "of the training",
    "value": "mean correlation over test examples",
}
WHERE = "criteria"
Row = tuple[str, str]
MARGIN, NAMES, ASIDE, BETWEEN = 3.0, 40.0, 21.0, 3.0
"""Margin, names of rows, words beside the points, and from one criterion to the next, mm."""
ROW, HEADING, LINE, LETTER = 4.2, 4.4, 2.7, 1.45
"""Height of a row and of a decoder's name above its rows, what each further line above them adds,
and width of one of the name's letters, mm."""
BELOW = 0.26
"""How far under its mean a seed's point lies, rows."""


@paper_style()
def criteria_bars(
    summary: pd.DataFrame,
    scores: pd.DataFrame,
    accuracy: pd.DataFrame,
    *,
    letters_mean: str = "",
    title: str = "",
) -> Figure:
    """Draw the correlation of maps with what they should show, a row a decoder and method.

    A dot with a bar is the mean over seeds with its standard error; the small points under it are
    the seeds. The criteria stand side by side and share their axis. Under a decoder's name stands
    how well it decodes: maps of one that does not say nothing about the classes.

    Parameters
    ----------
    summary
        One row per decoder, method and criterion, with the columns `SUMMARY_COLUMNS`, and where
        there were tests `differs_from_others`, whose letters then stand beside the points. Rows
        are drawn in the order in which they appear, by decoder.
    scores
        One row per decoder, method, criterion and seed, with the columns `SCORE_COLUMNS`.
    accuracy
        One row per decoder, with the columns `ACCURACY_COLUMNS`; others may be there, too.
    letters_mean
        How the letters were found, e.g. "paired t-tests over 10 seeds, Bonferroni, α = .05".
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, as high as there are rows.

    Raises
    ------
    BadInputError
        If a table is empty or lacks a column, a row is there twice, or the tables do not tell of
        the same seeds and decoders.
    """
    _check(summary, scores, accuracy)
    criteria = in_their_order([str(name) for name in summary["criterion"]])
    places, high = _places(summary)
    wide = (PAGE_WIDTH - 2 * MARGIN - NAMES - (len(criteria) - 1) * BETWEEN) / len(criteria)
    wide -= ASIDE
    head = (8.0 if title else 2.0) + 4.5
    lines = keys.wrapped(_lines(summary, letters_mean), PAGE_WIDTH - 2 * MARGIN)
    figure = new_figure(PAGE_WIDTH, head + high + 10.0 + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    _name_rows(figure, places, accuracy, head)
    limits = _limits(summary, scores)
    for number, criterion in enumerate(criteria):
        left = MARGIN + NAMES + number * (wide + ASIDE + BETWEEN)
        axes = add_axes(figure, left, head, wide, high)
        axes.set(xlim=limits, ylim=(high, 0))
        letter = f"{'abcdefgh'[number]}  " if len(criteria) > 1 else ""
        said = f"{letter}{criterion_words(criterion)}"
        fit_text(add_text(figure, left, head - 4.0, said, weight="bold", size=SMALL), wide + ASIDE)
        of_criterion = summary["criterion"].astype(str) == criterion
        own = scores[scores["criterion"].astype(str) == criterion]
        draw_criterion(axes, summary[of_criterion], own, places)
        axes.set_xlabel(_axis_words(summary))
    keys.add_lines(figure, lines, MARGIN, head + high + 10.0)
    return figure


def draw_criterion(
    axes: Axes, summary: pd.DataFrame, scores: pd.DataFrame, places: dict[Row, float]
) -> None:
    """Draw the means of one criterion with their standard errors, and the seeds under them.

    Parameters
    ----------
    axes
        Where to draw; its y axis counts mm from the top.
    summary, scores
        As in `criteria_bars`, of one criterion.
    places
        Where each decoder and method is drawn.
    """
    decoders = in_their_order([decoder for decoder, _ in places])
    colours = dict(zip(decoders, category_colours(len(decoders)), strict=True))
    axes.axvline(0, color=INK, linewidth=0.6, gid="no correlation")
    axes.grid(axis="x", color="0.9", linewidth=0.4)
    axes.set_axisbelow(True)
    edge = axes.get_xlim()[1]
    for row in summary.to_dict("records"):
        way = _row(row)
        y = places[way]
        values = scores["value"][_of(scores, way)].to_numpy(dtype=np.float64)
        below = np.full(len(values), y + BELOW * ROW)
        look: dict[str, Any] = {"marker": "o", "linestyle": "none", "markeredgewidth": 0}
        name = ", ".join(way)
        axes.plot(
            values, below, color=colours[way[0]], markersize=1.9, alpha=0.75, gid=f"seeds: {name}",
            **look,
        )  # fmt: skip
        axes.errorbar(
            row["mean"], y, xerr=np.nan_to_num(row["standard_error"]), color=INK,
            ecolor=INK, elinewidth=0.8, capsize=1.4, capthick=0.6, markersize=3.0,
            markerfacecolor=colours[way[0]], marker="o", markeredgecolor=INK,
            markeredgewidth=0.5, gid=f"mean: {name}",
        )  # fmt: skip
        aside = axes.text(edge, y, f" {_aside(row)}", size=5.5, va="center", ha="left")
        fit_text(aside, ASIDE)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda r, _: f"{r:g}".replace("-", "−")))


def _row(row: Mapping[Any, Any]) -> Row:
    return str(row["decoder"]), str(row["method"])


def _of(table: pd.DataFrame, way: Row) -> pd.Series:
    decoder, method = way
    return (table["decoder"].astype(str) == decoder) & (table["method"].astype(str) == method)


def _aside(row: Mapping[Any, Any]) -> str:
    """Say the mean, which others it does not differ from, and how many examples do not count."""
    letters = row.get(LETTERS)
    said = [decimals(float(row["mean"])), str(letters) if isinstance(letters, str) else ""]
    undefined = int(row["undefined"])
    return " ".join(filter(None, [*said, f"({undefined:,} NaN)" if undefined else ""]))


def _places(summary: pd.DataFrame) -> tuple[dict[Row, float], float]:
    """Middle of each row, mm from the top, decoder by decoder; and the height of all."""
    rows = in_their_order([_row(row) for row in summary.to_dict("records")])
    places, y = {}, 0.0
    for decoder in in_their_order([decoder for decoder, _ in rows]):
        y += HEADING + len(_heading(decoder)) * LINE
        for row in rows:
            if row[0] == decoder:
                places[row] = y + ROW / 2
                y += ROW
    return places, y + 1.0


def _heading(decoder: str) -> list[str]:
    """Name of a decoder in lines."""
    return wrap(words_of(decoder), int(NAMES / LETTER)) or [""]


def _name_rows(
    figure: Figure, places: dict[Row, float], accuracy: pd.DataFrame, top: float
) -> None:
    said = {
        str(name): f"accuracy {decimals(right)}, chance {decimals(chance)}"
        for name, right, chance in accuracy[list(ACCURACY_COLUMNS)].itertuples(index=False)
    }
    before = ""
    for (decoder, method), y in places.items():
        if decoder != before:
            foot = top + y - ROW / 2 - HEADING / 2 + 0.4
            for place, line in enumerate([said[decoder], *reversed(_heading(decoder))]):
                look: dict[str, Any] = {"weight": "bold", "size": SMALL} if place else {"size": 5.5}
                name = add_text(figure, MARGIN, foot - place * LINE, line, va="center", **look)
                fit_text(name, NAMES - 0.5)
        before = decoder
        label = add_text(
            figure, MARGIN + 2.0, top + y, method_words(method), size=SMALL, va="center"
        )
        fit_text(label, NAMES - 4.0)


def _limits(summary: pd.DataFrame, scores: pd.DataFrame) -> tuple[float, float]:
    errors = summary["standard_error"].fillna(0.0)
    ends = [scores["value"], summary["mean"] - errors, summary["mean"] + errors]
    values = pd.concat(ends).to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    low, high = min(float(np.min(values, initial=0.0)), 0.0), float(np.max(values, initial=0.1))
    room = 0.03 * (high - low)
    return low - room, high + room


def _axis_words(summary: pd.DataFrame) -> str:
    # Rows without any correlation say so themselves.
    counts = in_their_order(summary.loc[summary["seeds"] > 0, "seeds"].tolist()) or [0]
    if len(counts) > 1:
        return f"mean correlation over {min(counts)} to {max(counts)} seeds"
    return f"mean correlation over {counts[0]} seed{'' if counts[0] == 1 else 's'}"


def _lines(summary: pd.DataFrame, letters_mean: str) -> list[str]:
    lines = []
    if int(summary["seeds"].max()) > 1:
        lines.append(
            "dot and number: mean over seeds; bar: its standard error over seeds; small points: "
            "seeds, each the mean correlation over its test examples"
        )
    else:
        lines.append("dot and number: mean correlation over test examples, a single training")
    lines.append(
        "accuracy: share of the test split classified right, mean over seeds; chance: share of its "
        "largest class"
    )
    undefined, examples = int(summary["undefined"].sum()), int(summary["examples"].sum())
    if undefined:
        lines.append(
            f"NaN: examples of constant maps, whose correlation is undefined; left out of the "
            f"means, {undefined:,} of {examples:,} in all"
        )
    if LETTERS in summary and summary[LETTERS].notna().any():
        said = "methods that share a letter do not differ significantly"
        lines.append(f"{said}: {letters_mean}".rstrip(": "))
    return lines


def _check(summary: pd.DataFrame, scores: pd.DataFrame, accuracy: pd.DataFrame) -> None:
    for table, columns, what in (
        (summary, SUMMARY_COLUMNS, "summary"),
        (scores, SCORE_COLUMNS, "scores"),
        (accuracy, ACCURACY_COLUMNS, "accuracy"),
    ):
        check_table(table, columns, f"{WHERE}, {what}")
    identity = ["decoder", "method", "criterion"]
    check_once(summary, identity, WHERE)
    check_once(scores, [*identity, "seed"], WHERE)
    check_once(accuracy, ["decoder"], f"{WHERE}, accuracy")
    unscored = sorted({*summary["decoder"].astype(str)} - {*accuracy["decoder"].astype(str)})
    if unscored:
        raise BadInputError(
            f"{WHERE}, accuracy",
            "decoder",
            found=f"no row of {', '.join(unscored)}",
            expected="one row for each decoder of the summary",
            remedy="Give the accuracies of all decoders.",
        )
    with_value = scores[scores["value"].notna()].to_dict("records")
    scored = Counter(tuple(str(row[n]) for n in identity) for row in with_value)
    counted: dict[tuple[str, ...], int] = dict(scored)
    said = {
        tuple(str(row[name]) for name in identity): int(row["seeds"])
        for row in summary.to_dict("records")
    }
    differing = [way for way in [*said, *counted] if said.get(way, 0) != counted.get(way, 0)]
    if differing:
        way = differing[0]
        raise BadInputError(
            WHERE,
            ", ".join(way),
            found=f"{said.get(way, 0)} seeds in the summary, {counted.get(way, 0)} scores",
            expected="as many scores with a value as the summary has seeds",
            remedy="Give summary and scores from the same step.",
        )
