"""How alike maps stay when the parameters of the model are made random, layer by layer."""

from __future__ import annotations

from itertools import product

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
    in_their_order,
    words_of,
)
from neurospect.figures.style import INK, LARGE, PAGE_WIDTH, SMALL, paper_style

SANITY_COLUMNS = {
    "decoder": "name of the decoder",
    "method": "how its maps were made",
    "mode": "cascading: this layer and all behind it are random; independent: this layer alone",
    "layer": "name of the layer; of a decoder and mode, the one nearest to the output first",
    "measure": "correlation, or rank_correlation_of_size (of absolute values)",
    **OVER_SEEDS,
}
MODE_WORDS = {"cascading": "from the output on", "independent": "one layer alone"}
MEASURE_WORDS = {
    "correlation": "correlation",
    "rank_correlation_of_size": "rank correlation of sizes",
}
LEFT, RIGHT, NAME, HIGH, FOOT, BETWEEN = 13.0, 3.0, 8.4, 34.0, 8.5, 2.0
"""Margins beside axes, above, their height, under them but for the layers, and from row to row,
mm."""
LABEL, LETTER = 14.0, 1.3
"""Longest name of a layer, and width of a letter, mm."""
UNCHANGED = "none"
"""Where a model stands none of whose layers is random: its maps are those compared with."""


@paper_style()
def sanity_figure(checks: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw how alike maps are to those of the trained model as its layers become random.

    Rows are decoders, each with its own layers from the output on; columns are measures and modes.
    All curves start at 1, with no layer random: that is what the maps are compared with.

    Parameters
    ----------
    checks
        One row per decoder, method, mode, layer and measure, with the columns `SANITY_COLUMNS`.
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, as high as there are decoders.

    Raises
    ------
    BadInputError
        If the table is empty, lacks a column or has a row twice, or a mode or measure is not known.
    """
    panels = _check(checks)
    decoders = in_their_order([str(name) for name in checks["decoder"]])
    key = key_of(checks.assign(decoder=""))
    looks = looks_of(checks.assign(decoder=""))
    cell = PAGE_WIDTH / max(2, len(panels))
    head, pitch = 8.0 if title else 2.0, NAME + HIGH + FOOT + _label_height(checks) + BETWEEN
    bottom, wide = head + len(decoders) * pitch, PAGE_WIDTH - 2 * LEFT
    high = key_height(key, wide)
    figure = new_figure(PAGE_WIDTH, bottom + high + keys.LINE + 2.0)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    for row, decoder in enumerate(decoders):
        top = head + row * pitch
        name = add_text(figure, LEFT, top + 0.8, words_of(decoder), weight="bold", size=SMALL)
        fit_text(name, wide)
        for column, (measure, mode) in enumerate(panels):
            left = column * cell + LEFT
            axes = add_axes(figure, left, top + NAME, cell - LEFT - RIGHT, HIGH)
            said = add_text(figure, left, top + NAME - 3.6, MODE_WORDS[mode], size=SMALL)
            fit_text(said, cell - LEFT)
            own = (checks["decoder"].astype(str) == decoder) & (checks["mode"] == mode)
            draw_sanity(axes, checks[own & (checks["measure"] == measure)], looks)
            axes.set_ylabel(MEASURE_WORDS[measure])
            axes.set_xlabel("layers made random")
    draw_key(figure, key, LEFT, bottom, wide)
    keys.add_lines(figure, [f"similarity to the maps of the trained model; {seeds_said(checks)}"],
                   LEFT, bottom + high)  # fmt: skip
    return figure


def draw_sanity(axes: Axes, checks: pd.DataFrame, looks: dict[Way, Look]) -> None:
    """Draw one panel: the similarity by layer.

    Parameters
    ----------
    axes
        Where to draw.
    checks
        Rows of one decoder, mode and measure.
    looks
        Of each method, under the name of no decoder.
    """
    layers = in_their_order([str(name) for name in checks["layer"]])
    axes.axhline(0, color=INK, linewidth=0.6, gid="not alike")
    ways = ways_of(checks)
    methods = {method for _, method in ways}
    aside = dodges([way for way in looks if way[1] in methods], 0.24 / len(looks))
    for (_, method), rows in ways.items():
        by_layer = rows.set_index(rows["layer"].astype(str)).reindex(layers)
        mean = np.concatenate([[1.0], by_layer["mean"].to_numpy(dtype=np.float64)])
        error = np.concatenate([[0.0], by_layer["standard_error"].to_numpy(dtype=np.float64)])
        x = np.arange(len(mean)) + aside["", method]
        draw_curve(axes, x, mean, error, looks["", method])
    axes.set_xlim(-0.3, max(len(layers), 1) + 0.3)
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.05)
    names = [UNCHANGED, *layers]
    axes.xaxis.set_major_locator(FixedLocator(list(range(len(names)))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(range(len(names)), names, rotation=90)
    for label in axes.get_xticklabels():
        label.set_rotation(0)
        fit_text(label, LABEL)
        label.set_rotation(90)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: minus(round(value, 6))))


def _label_height(checks: pd.DataFrame) -> float:
    longest = max(len(UNCHANGED), *(len(str(name)) for name in checks["layer"]))
    return min(LABEL, longest * LETTER)


def _check(checks: pd.DataFrame) -> list[tuple[str, str]]:
    """Return measure and mode of each panel, in the order in which they are known."""
    check_table(checks, SANITY_COLUMNS, "sanity checks")
    identity = ["decoder", "method", "mode", "layer", "measure"]
    check_once(checks, identity, "sanity checks")
    for column, known in (("mode", MODE_WORDS), ("measure", MEASURE_WORDS)):
        unknown = sorted(set(checks[column].astype(str)) - set(known))
        if unknown:
            raise BadInputError(
                "sanity checks",
                column,
                found=", ".join(unknown),
                expected=" or ".join(known),
                remedy="Draw the table as it was written.",
            )
    there = set(zip(checks["measure"], checks["mode"], strict=True))
    return [panel for panel in product(MEASURE_WORDS, MODE_WORDS) if panel in there]
