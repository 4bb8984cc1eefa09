"""How well the maps of a cohort's participants agree with the reference, and who is in it."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from neurospect.figures.categories import category_colours, in_order
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure, width_of
from neurospect.figures.participant_quality import (
    BASELINE,
    METHODS,
    OWN,
    left_out_counts,
    per_participant,
)
from neurospect.figures.style import (
    LARGE,
    NOISE,
    NOISE_EDGE,
    NOISE_TEXT,
    PAGE_WIDTH,
    SMALL,
    paper_style,
)

AGAINST = {
    "mean_framewise_displacement": "mean framewise displacement (mm)",
    "spectral_power_ratio": "spectral power ratio, median over components\n"
    "(power below 0.1 Hz / 0.15 to 0.25 Hz)",
}
"""Measures that the mean correlation is drawn against → label of the axis."""
FEW, MANY = 20, 200
"""Up to `FEW` participants, each is a dot; beyond `MANY`, dots are small and clear."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
WORDS = "dot: median, thick line: middle half, thin line: 5 to 95 %"
MOST_TICKS = 60
DOMAIN_GAP = 0.8
"""Room between domains, in components."""
LEFT, RIGHT, GAP = 15.0, 3.0, 7.0
HIGH, LOW, ENTRY = 50.0, 40.0, 5.8
"""Height of the upper and lower axes and of a count, mm."""
TICK = 5.0
"""Size of the components' numbers, points."""
NAMES: dict[str, Any] = {"ha": "center", "va": "bottom", "size": SMALL, "parse_math": False}


@paper_style()
def component_quality(
    quality: pd.DataFrame,
    runs: pd.DataFrame,
    exclusions: pd.DataFrame,
    *,
    title: str = "",
    method: str = "constrained_ica",
) -> Figure:
    """Draw how well maps agree with the reference, by component, motion and spectrum.

    Parameters
    ----------
    quality
        One row per participant and component: `participant_id`, `component`, where known
        `domain` and `label`, `reference_correlation`, `dual_regression_correlation`,
        `spectral_power_ratio`, `converged`.
    runs
        One row per participant: `participant_id`, and where known `mean_framewise_displacement`
        (mm).
    exclusions
        Who was left out, with the columns of `neurospect.arrays.exclusions`.
    title
        Which cohort; stands above the figure.
    method
        What made the maps, a key of `METHODS`. Dual regression stands beside constrained ICA.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide: above, quantiles of the correlation for each component; below, each
        participant's mean correlation against motion and spectrum, and who was left out.

    Raises
    ------
    BadInputError
        If a column is missing or the tables do not belong together.
    """
    summary = per_participant(quality, runs)
    head = 8.0 if title else 2.0
    second = head + 9.0 + HIGH + 11.0
    figure = new_figure(PAGE_WIDTH, second + LOW + 11.0)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    methods = {OWN: METHODS[method]}
    if method != "dual_regression":
        methods[BASELINE] = METHODS["dual_regression"]
    _explain(figure, list(methods.values()), len(summary), head)
    wide = PAGE_WIDTH - LEFT - RIGHT
    _draw_components(add_axes(figure, LEFT, head + 9.0, wide, HIGH), quality, list(methods))
    panel = (wide - 2 * GAP) / 3
    for place, (column, label) in enumerate(AGAINST.items()):
        axes = add_axes(figure, LEFT + place * (panel + GAP), second, panel, LOW)
        _draw_against(axes, summary, column, label)
        if place == 0:
            axes.set_ylabel(f"{METHODS[method]}, mean\ncorrelation over components")
        else:
            axes.tick_params(labelleft=False)
    left = LEFT + 2 * (panel + GAP)
    _draw_counts(figure, len(summary), exclusions, left, second, panel)
    return figure


def _explain(figure: Figure, methods: Sequence[str], participants: int, top: float) -> None:
    shown = "a dot a participant, line: median" if participants <= FEW else WORDS
    left = LEFT
    for method, colour in zip(methods, category_colours(len(methods)), strict=True):
        add_text(figure, left, top + 0.5, "●", size=SMALL, color=colour)
        name = add_text(figure, left + 3.0, top + 0.5, method, size=SMALL)
        left += 3.0 + width_of(name) + 4.0
    count = f"{participants} participant{'' if participants == 1 else 's'}"
    add_text(figure, left, top + 0.5, f"{count}; {shown}", size=SMALL)


def _draw_components(axes: Axes, quality: pd.DataFrame, columns: Sequence[str]) -> None:
    """Draw the correlations of each component over participants, domains side by side."""
    axes.set_ylabel("correlation of map\nand reference")
    axes.set_xlabel("component")
    components = quality.drop_duplicates("component")
    if components.empty:
        axes.set(xticks=[], yticks=[])
        _say(axes, "no participant has components")
        return
    domains = _domains(components)
    places, ticks, at = {}, [], 0.0
    for domain, rows in in_order(domains):
        first = at
        for number in components["component"].iloc[rows]:
            places[number] = at
            ticks.append(str(number))
            at += 1.0
        axes.text((first + at - 1) / 2, 1.02, domain, transform=axes.get_xaxis_transform(), **NAMES)
        if first:
            axes.axvline(first - 0.5 - DOMAIN_GAP / 2, color=NOISE, linewidth=0.5, zorder=0)
        at += DOMAIN_GAP
    asides = (-0.18, 0.18) if len(columns) == 2 else (0.0,)
    for column, colour, aside in zip(columns, category_colours(2), asides, strict=False):
        for number, place in places.items():
            values = quality.loc[quality["component"] == number, column]
            kept = values.dropna().to_numpy(dtype=np.float64)
            _draw_spread(axes, place + aside, kept, colour, f"{column} {number}")
    every = max(1, ceil(len(ticks) / MOST_TICKS))
    axes.set_xticks(list(places.values())[::every], ticks[::every], size=TICK)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.8, at - DOMAIN_GAP - 0.2)
    drawn = [np.asarray(line.get_ydata(), float) for line in axes.lines if line.get_gid()]
    axes.set_ylim(*_limits(np.concatenate([*drawn, []])))
    axes.grid(axis="y", color=NOISE, linewidth=0.4)
    axes.set_axisbelow(True)


def _domains(components: pd.DataFrame) -> list[str]:
    if "domain" not in components:
        return [""] * len(components)
    return ["" if pd.isna(name) else str(name) for name in components["domain"]]


def _draw_spread(
    axes: Axes,
    at: float,
    values: NDArray[np.float64],
    colour: tuple[float, float, float],
    gid: str,
) -> None:
    """Draw each value of a few participants, or quantiles of many."""
    if not len(values):
        return
    if len(values) <= FEW:
        axes.plot(
            np.full(len(values), at), values, ".", color=colour, markersize=2.2, mew=0, gid=gid
        )
        middle = float(np.median(values))
        axes.plot(
            [at - 0.17, at + 0.17], [middle] * 2, color=colour, linewidth=0.9, gid=f"median {gid}"
        )
        return
    lowest, low, middle, high, highest = np.quantile(values, QUANTILES)
    axes.plot([at, at], [lowest, highest], color=colour, linewidth=0.4, gid=f"range {gid}")
    axes.plot([at, at], [low, high], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(
        [at], [middle], "o", color=colour, mfc="white", markersize=1.8, mew=0.5, gid=f"median {gid}"
    )


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits of a correlation axis: the tenths around all values that are known."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.floor(known.min() * 10 - 0.1) / 10, np.ceil(known.max() * 10 + 0.1) / 10
    return float(low), min(float(high), 1.0) + 0.005


def _draw_against(axes: Axes, summary: pd.DataFrame, column: str, label: str) -> None:
    """Draw each participant's mean correlation against one measure of the run."""
    axes.set_xlabel(label)
    mean = summary["mean_correlation"].to_numpy(dtype=np.float64)
    if column in summary:
        measure = pd.to_numeric(summary[column]).to_numpy(dtype=np.float64)
    else:
        measure = np.full(len(summary), np.nan)
    known = np.isfinite(measure) & np.isfinite(mean)
    axes.set_ylim(*_limits(mean))
    if not known.any():
        axes.set_xticks([])
        _say(axes, "not known for any participant")
        return
    many = len(summary) > MANY
    axes.plot(
        measure[known],
        mean[known],
        "o",
        color=category_colours(1)[0],
        alpha=0.35 if many else 0.8,
        markersize=1.6 if many else 2.4,
        mew=0,
        gid=column,
    )
    axes.margins(x=0.06)
    if not known.all():
        axes.set_title(f"not known for {np.count_nonzero(~known)}", size=SMALL, loc="right")


def _say(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, size=SMALL, ha="center", color=NOISE_TEXT)


def _draw_counts(
    figure: Figure, included: int, exclusions: pd.DataFrame, left: float, top: float, width: float
) -> None:
    """Draw how many participants are included, and how many were left out for which reason."""
    counts = [("included", included), *left_out_counts(exclusions)]
    most = max(1, *(count for _, count in counts))
    axes = add_axes(figure, left, top, width, ENTRY * len(counts))
    axes.set(xlim=(0, most), ylim=(ENTRY * len(counts), 0), gid="counts")
    axes.set_axis_off()
    for place, (name, count) in enumerate(counts):
        y = place * ENTRY
        words = axes.text(0, y + 2.0, f"{name}: {count}", size=SMALL, va="center")
        fit_text(words, width)
        axes.add_patch(
            Rectangle(
                (0, y + 3.4),
                count,
                1.6,
                facecolor=category_colours(1)[0] if place == 0 else NOISE_EDGE,
                gid=name,
            )
        )
