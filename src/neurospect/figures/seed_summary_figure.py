"""What trainings that differ only in their seed agree on, weight by weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.group_differences import (
    LARGEST_SHOWN,
    RANK_LABEL,
    STEP_LABEL,
    cell_colours,
    cell_map,
    draw_cells,
)
from neurospect.figures.layout import Grid, add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    LARGE,
    PAGE_WIDTH,
    SMALL,
    difference_norm,
    paper_style,
    share_colours,
)
from neurospect.figures.weights import chosen_weights, layer_words, weight_label

COLUMNS = (
    *("weight", "step", "rank", "group_a", "group_b", "seeds"),
    *("mean_log2_ratio", "significant_share", "alpha"),
)
BETWEEN = 5.0
"""From the map of means to that of shares, mm."""
MOST_WEIGHTS = 60
"""Weights that a figure shows at most."""
WHERE = "summary of seeds"


@paper_style()
def seed_summary_figure(
    summary: pd.DataFrame,
    weights: Sequence[pd.DataFrame] = (),
    *,
    title: str = "",
    words: Mapping[str, str] | None = None,
) -> Figure:
    """Draw two maps a weight: the mean difference, and the share of seeds that found it.

    Parameters
    ----------
    summary
        Table of the summary of seeds (columns `COLUMNS`).
    weights
        Tables of the test of each weight as a whole, one per seed; how many seeds find the weight
        (q at most alpha) is then written above its maps.
    title
        What was trained, e.g. "Auto-encoding, [32], ReLU".
    words
        Weight → layer in words, where `layer_words` does not fit.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, two weights a row; 89 mm for a single weight. Of more than `MOST_WEIGHTS`
        weights so many are drawn, evenly from the first to the last.

    Raises
    ------
    BadInputError
        If a table lacks columns or weights, or holds more than one pair of groups.
    """
    _check(summary)
    every = [str(name) for name in summary["weight"].drop_duplicates()]
    names, shown = layer_words(every, words), chosen_weights(every, MOST_WEIGHTS)
    across = min(2, len(shown))
    width = COLUMN_WIDTH if across == 1 else PAGE_WIDTH
    high = min(max(0.9 * int(summary["rank"].max()), 20.0), 32.0)
    grid = Grid(width, across, 12.5, 4.0, 8.0 if title else 2.0, 11.5, high, 10.0)
    bottom = grid.bottom(len(shown))
    key_height = 16.5 if across == 2 else 31.0
    lines = keys.wrapped(_lines(summary, len(every)), width - grid.left - 2.0)
    figure = new_figure(width, bottom + key_height + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    norm, clipped = _ratio_norm(summary)
    wide = (grid.wide - BETWEEN) / 2
    for place, weight in enumerate(shown):
        left, top = grid.corner(place)
        mean = add_axes(figure, left, top, wide, high)
        share = add_axes(figure, left + wide + BETWEEN, top, wide, high)
        draw_mean_and_share(mean, share, summary, weight, norm=norm)
        mean.set_ylabel(RANK_LABEL)
        for axes, what in ((mean, "mean log₂ ratio"), (share, "share of seeds")):
            axes.set_xlabel(STEP_LABEL)
            axes.set_title(what, loc="left", size=SMALL)
        label = add_text(figure, left, top - 10.9, "", linespacing=1.1)
        level = f"\n{_seeds_that_find(weights, weight)}" if weights else ""
        label.set_text(f"{names[weight]}, {weight_label(weight, None)}{level}")
        fit_text(label, grid.cell - grid.left - 2.0, f"{names[weight]}{level}")
    _add_keys(figure, summary, grid, bottom, norm, clipped=clipped)
    keys.add_lines(figure, lines, grid.left, bottom + key_height)
    return figure


def draw_mean_and_share(
    mean: Axes, share: Axes, summary: pd.DataFrame, weight: str, *, norm: Normalize
) -> None:
    """Draw one weight's mean log2 ratio on `mean`, and the share of its seeds on `share`.

    Cells that no training tested are hatched grey.

    Parameters
    ----------
    mean, share
        Where to draw.
    summary, weight
        As in `seed_summary_figure`.
    norm
        Colour scale of the ratios.
    """
    ratios = cell_map(summary, weight, "mean_log2_ratio", where=WHERE)
    shares = cell_map(summary, weight, "significant_share", where=WHERE).to_numpy(np.float64)
    tested = cell_map(summary, weight, "seeds", where=WHERE).to_numpy(np.float64) > 0
    draw_cells(mean, ratios, cell_colours(ratios.to_numpy(np.float64), tested, tested, norm))
    colours = np.array(share_colours()(np.nan_to_num(shares)), dtype=np.float64)
    colours[~tested] = 0
    draw_cells(share, ratios, colours)
    share.tick_params(labelleft=False)


def _ratio_norm(summary: pd.DataFrame) -> tuple[Normalize, bool]:
    ratios = summary["mean_log2_ratio"].abs().to_numpy(dtype=np.float64)
    largest = float(np.max(ratios[np.isfinite(ratios)], initial=0.0))
    limit = min(max(np.ceil(2 * largest) / 2, 0.5), LARGEST_SHOWN)
    return difference_norm(float(limit)), largest > LARGEST_SHOWN


def _seeds_that_find(tables: Sequence[pd.DataFrame], weight: str) -> str:
    """Say in how many seeds a weight as a whole is significant."""
    found = 0
    for table in tables:
        missing = [name for name in ("weight", "q", "alpha") if name not in table]
        rows = table if missing else table[table["weight"].astype(str) == weight]
        if missing or len(rows) != 1:
            raise BadInputError(
                "tests of weights",
                "columns" if missing else "weight",
                found=f"no {', '.join(missing)}" if missing else f"{len(rows)} rows of {weight}",
                expected="weight, q and alpha, and one row per weight of the summary",
                remedy="Draw the tables of the same seeds, as they were written.",
            )
        found += int(rows["q"].iloc[0] <= rows["alpha"].iloc[0])
    level = keys.short_number(float(tables[0]["alpha"].iloc[0]))
    return f"whole weight: q ≤ {level} in {found} of {len(tables)} seeds"


def _add_keys(
    figure: Figure,
    summary: pd.DataFrame,
    grid: Grid,
    top: float,
    norm: Normalize,
    *,
    clipped: bool,
) -> None:
    first = summary.iloc[0]
    groups = str(first["group_a"]), str(first["group_b"])
    wide = grid.wide
    keys.ratio_bar(figure, norm, groups, grid.left, top, wide, clipped=clipped)
    beside = grid.across > 1
    left, top = (grid.cell + grid.left, top) if beside else (grid.left, top + 15.5)
    add_text(figure, left, top, "share of seeds in which the cell is significant", size=SMALL)
    # Room for the outermost numbers.
    bar = add_axes(figure, left + 2.0, top + keys.LINE, min(wide, 84.0) - 6.0, keys.BAR)
    keys.colour_bar(figure, bar, ScalarMappable(Normalize(0, 1), share_colours()))
    bar.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    bar.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    bar.xaxis.set_minor_locator(NullLocator())
    keys.swatch(figure, left, top + 10.0, **keys.UNTESTED)
    add_text(figure, left + 5.7, top + 10.0, "tested in no training", size=SMALL)


def _lines(summary: pd.DataFrame, weights: int) -> list[str]:
    level = keys.short_number(float(summary["alpha"].iloc[0]))
    most = int(summary["seeds"].max())
    lines = [
        f"over {most} seeds, the same participants; significant: p ≤ {level}, family-wise within "
        "a training, maximum statistic"
    ]
    return lines + keys.more_weights(weights, MOST_WEIGHTS)


def _check(summary: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in summary]
    pairs = 0 if missing else len(summary[["group_a", "group_b"]].drop_duplicates())
    if missing or pairs != 1:
        raise BadInputError(
            WHERE,
            "columns" if missing else "group_a, group_b",
            found=f"no {', '.join(missing)}" if missing else f"{pairs} pairs of groups",
            expected=", ".join(COLUMNS) if missing else "one pair",
            remedy="Draw the summary of one comparison as it was written.",
        )
