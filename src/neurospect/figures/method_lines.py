"""Curves of decoders and methods: how they look, what they are called, their key."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from neurospect.figures.categories import category_colours
from neurospect.figures.keys import LINE
from neurospect.figures.layout import add_axes, add_text, fit_text
from neurospect.figures.saliency_panels import in_their_order, method_words, words_of
from neurospect.figures.style import INK, SMALL

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
SAMPLE, BETWEEN, LETTER = 7.0, 3.0, 1.2
"""Width of a line in the key, from one entry to the next, and of a letter, mm."""
OVER_SEEDS = {
    "mean": "over seeds",
    "standard_error": "of that mean; missing for a single seed",
    "seeds": "how many trainings",
}
Way = tuple[str, str]
"""A decoder and a method, as tables name them."""


@dataclass(frozen=True)
class Look:
    """How the curve of a decoder and method looks.

    Attributes
    ----------
    name
        Words for it.
    colour
        Red, green, blue, 0 to 1.
    marker
        Of matplotlib.
    """

    name: str
    colour: tuple[float, float, float]
    marker: str


def looks_of(table: pd.DataFrame) -> dict[Way, Look]:
    """Look of each decoder and method of a table, in order of appearance.

    Where there are several of both, the colour tells the decoder and the marker the method; else
    each curve has a colour and a marker of its own.

    Parameters
    ----------
    table
        With the columns `decoder` and `method`.
    """
    names = table[["decoder", "method"]].astype(str).itertuples(index=False, name=None)
    ways: list[Way] = in_their_order(list(names))
    decoders = in_their_order([decoder for decoder, _ in ways])
    methods = in_their_order([method for _, method in ways])
    both = len(decoders) > 1 and len(methods) > 1
    looks = {}
    for place, (decoder, method) in enumerate(ways):
        hue, shape = (decoders.index(decoder), methods.index(method)) if both else (place, place)
        name = ", ".join(
            [words_of(decoder)] * (len(decoders) > 1 or (len(methods) == 1 and decoder != ""))
            + [method_words(method)] * (len(methods) > 1 or decoder == "")
        )
        colours = category_colours(hue + 1)
        looks[decoder, method] = Look(name, colours[hue], MARKERS[shape % len(MARKERS)])
    return looks


def ways_of(table: pd.DataFrame) -> dict[Way, pd.DataFrame]:
    """Rows of each decoder and method, in order of appearance."""
    return {
        (str(decoder), str(method)): rows
        for (decoder, method), rows in _grouped(table, ["decoder", "method"])
    }


def _grouped(table: pd.DataFrame, by: list[str]) -> list[tuple[Any, pd.DataFrame]]:
    groups: Mapping[Hashable, Any] = table.groupby(by, sort=False).indices
    return [(key, table.iloc[np.sort(places)]) for key, places in groups.items()]


def draw_curve(
    axes: Axes,
    x: ArrayLike,
    mean: ArrayLike,
    error: ArrayLike,
    look: Look,
    *,
    line: Any = "-",
    filled: bool = True,
) -> None:
    """Draw means with bars of their standard errors; no bar where the error is missing.

    Parameters
    ----------
    axes
        Where to draw.
    x, mean, error
        Shape (points,); the curve breaks where a mean is NaN.
    look
        Of the curve; its name becomes the gid.
    line
        Style of matplotlib.
    filled
        Whether the markers are.
    """
    bars: NDArray[np.float64] = np.nan_to_num(np.asarray(error, dtype=np.float64))
    axes.errorbar(
        np.asarray(x, dtype=np.float64),
        np.asarray(mean, dtype=np.float64),
        yerr=bars,
        color=look.colour,
        linestyle=line,
        linewidth=0.8,
        elinewidth=0.6,
        marker=look.marker,
        markersize=3.0,
        markerfacecolor=look.colour if filled else "white",
        markeredgecolor=look.colour,
        markeredgewidth=0.5,
        gid=look.name,
    )


def key_of(table: pd.DataFrame) -> list[Look]:
    """Entries of the key of a table's curves.

    Where colours tell decoders and markers methods, first the one and then the other; else each
    curve.
    """
    looks = looks_of(table)
    decoders = in_their_order([decoder for decoder, _ in looks])
    methods = in_their_order([method for _, method in looks])
    if len(decoders) == 1 or len(methods) == 1:
        return list(looks.values())
    colours = {decoder: look.colour for (decoder, _), look in looks.items()}
    markers = {method: look.marker for (_, method), look in looks.items()}
    return [
        *(Look(words_of(name), colours[name], "") for name in decoders),
        *(Look(method_words(name), to_rgb(INK), markers[name]) for name in methods),
    ]


def key_height(key: Sequence[Look], width: float) -> float:
    """Height of a key in `width` mm."""
    return ceil(len(key) / _columns(key, width)) * LINE + 1.0


def draw_key(figure: Figure, key: Sequence[Look], left: float, top: float, width: float) -> None:
    """Explain the curves, in columns of equal width, column by column."""
    columns = _columns(key, width)
    long, step = ceil(len(key) / columns), width / columns
    for place, look in enumerate(key):
        column, row = divmod(place, long)
        x, y = left + column * step, top + row * LINE
        sample = add_axes(figure, x, y + 0.2, SAMPLE - 1.5, 2.4)
        sample.set(xlim=(0, 2), ylim=(0, 2))
        sample.set_axis_off()
        line = "none" if look.colour == to_rgb(INK) else "-"
        shown: dict[str, Any] = {
            "color": look.colour,
            "linewidth": 0.8,
            "markersize": 3.0,
            "linestyle": line,
        }
        sample.plot([0, 1, 2], [1, 1, 1], marker=look.marker, markevery=[1], clip_on=False, **shown)
        fit_text(add_text(figure, x + SAMPLE, y, look.name, size=SMALL), step - SAMPLE - 1.0)


def _columns(key: Sequence[Look], width: float) -> int:
    widest = max(len(look.name) for look in key) * LETTER + SAMPLE + BETWEEN
    return min(len(key), max(1, int(width // widest)))


def seeds_said(table: pd.DataFrame) -> str:
    """Say over how many seeds the means of a table are."""
    # Rows without any value have no seeds, and no mean.
    found = table.loc[table["seeds"] > 0, "seeds"].tolist() or [1]
    least, most = int(min(found)), int(max(found))
    if most == 1:
        return "a single training"
    counts = f"{most}" if least == most else f"{least} to {most}"
    return f"means over {counts} seeds; bars: their standard errors"


def dodges(ways: Sequence[Way], step: float) -> dict[Way, float]:
    """Move curves a little to the side, so that those of the same values are all seen."""
    return {way: (place - (len(ways) - 1) / 2) * step for place, way in enumerate(ways)}


def minus(value: float) -> str:
    """Write a number of an axis with a proper minus sign."""
    return f"{value:g}".replace("-", "−")
