"""Keys that explain colours, greys and outlines, once for all panels of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from neurospect.figures.layout import add_axes, add_text, fit_text, width_of
from neurospect.figures.style import (
    INK,
    NOISE,
    NOISE_EDGE,
    NOISE_HATCH,
    SMALL,
    difference_colours,
    powers_of_two,
    rank_colours,
)

BAR = 2.2
"""Thickness of a colour bar, mm."""
LINE = 3.6
"""Distance between lines of a key, mm."""
RANK_KEY_HEIGHT, WIDE_RANK_KEY_HEIGHT, WIDE = 11.0 + 2 * LINE, 10.5, 150.0
"""Height that `rank_key` takes, and that it takes where it is `WIDE` or more, mm."""
DIFFERENCE_KEY_HEIGHT = 18.5
"""Height that `difference_key` takes, mm; a line more with clusters."""
CLUSTER, CLUSTER_WIDTH = "#009E73", 1.5
"""Colour (Okabe and Ito's green, in neither half of the maps) and points of clusters' outlines."""


def rank_key(
    figure: Figure,
    norm: LogNorm,
    left: float,
    top: float,
    width: float,
    *,
    samples: str = "the samples shown",
) -> Axes:
    """Explain the colours of ranks, the greyed noise and the scale of the values.

    The words stand beside the colour bar where `width` allows (`WIDE` mm), else under it; `samples`
    says over whom gradients are averaged.

    Returns
    -------
    matplotlib.axes.Axes
        The colour bar.
    """
    bar = add_axes(figure, left, top + LINE, min(width, 84.0), BAR)
    colour_bar(figure, bar, ScalarMappable(norm, rank_colours()))
    highest = int(norm.vmax or 2)
    bar.xaxis.set_major_locator(FixedLocator([r for r in powers_of_two(highest) if r <= highest]))
    bar.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    bar.xaxis.set_minor_locator(NullLocator())
    add_text(figure, left, top, "rank of the singular value, 1 = largest", size=SMALL)
    x, y = (left + 92.0, top + 1.0) if width >= WIDE else (left, top + 11.0)
    swatch(figure, x, y, facecolor=NOISE, edgecolor=NOISE_EDGE)
    add_text(figure, x + 6, y, "under the noise floor: rounding, not drawn", size=SMALL)
    scale = f"mean scale: gradient averaged over {samples}"
    add_text(figure, x, y + LINE, scale, size=SMALL)
    return bar


def difference_key(
    figure: Figure,
    norm: Normalize,
    groups: tuple[str, str] | None,
    left: float,
    top: float,
    width: float,
    *,
    clipped: bool,
    clusters: bool = False,
) -> Axes:
    """Explain the colours, fading, outlines and hatching of difference maps.

    Parameters
    ----------
    norm
        Scale of the log2 ratios.
    groups
        Names of groups a and b; None where panels compare different pairs, which then say so.
    left, top, width
        Place, mm; `DIFFERENCE_KEY_HEIGHT` mm high.
    clipped
        Whether some ratios lie beyond the scale.
    clusters
        Whether clusters are outlined.

    Returns
    -------
    matplotlib.axes.Axes
        The colour bar.
    """
    bar = ratio_bar(figure, norm, groups, left, top, width, clipped=clipped)
    side = top + LINE + 6.4
    colours = difference_colours()
    x = left
    for text, look in (
        ("significant", {"facecolor": colours(0.85), "edgecolor": INK, "linewidth": 0.9}),
        ("not significant", {"facecolor": faded(colours(0.85)), "edgecolor": "none"}),
        ("rounding noise", UNTESTED),
    ):
        swatch(figure, x, side + LINE + 0.6, **look)
        written = add_text(figure, x + 5.7, side + LINE + 0.6, text, size=SMALL)
        x += 5.7 + width_of(written) + 3
    if clusters:
        below = side + 2 * LINE + 0.6
        swatch(figure, left, below, facecolor="none", edgecolor=CLUSTER, linewidth=CLUSTER_WIDTH)
        text = "significant cluster of neighbouring cells"
        add_text(figure, left + 5.7, below, text, size=SMALL)
    return bar


def ratio_bar(
    figure: Figure,
    norm: Normalize,
    groups: tuple[str, str] | None,
    left: float,
    top: float,
    width: float,
    *,
    clipped: bool,
) -> Axes:
    """Explain the colours of log2 ratios only; parameters as in `difference_key`, 13 mm high."""
    first, second = (
        (group_words(name) for name in groups) if groups else ("first group", "second group")
    )
    long = min(width, 84.0)
    ratio = f"log₂ (σ {first} / σ {second})"
    label = add_text(figure, left, top, f"{ratio}, equal numbers of samples", size=SMALL)
    fit_text(label, width, ratio)
    # The pointed ends of a clipped bar leave room for its outermost numbers; others need some.
    inset = 0.0 if clipped else 2.0
    bar = add_axes(figure, left + inset, top + LINE, long - 2 * inset, BAR)
    mappable = ScalarMappable(norm, difference_colours())
    colour_bar(figure, bar, mappable, extend="both" if clipped else "neither")
    limit = float(norm.vmax or 1)
    bar.xaxis.set_major_locator(FixedLocator([-limit, -limit / 2, 0, limit / 2, limit]))
    bar.xaxis.set_major_formatter(
        FuncFormatter(lambda ratio, _: f"{ratio:+g}".replace("-", "−") if ratio else "0")
    )
    bar.xaxis.set_minor_locator(NullLocator())
    side = top + LINE + 6.4
    low = add_text(figure, left, side, f"← larger in {second}", size=SMALL)
    high = add_text(figure, left + long, side, f"larger in {first} →", size=SMALL, ha="right")
    for end in (low, high):
        fit_text(end, long / 2 - 1)
    return bar


def group_words(name: str) -> str:
    """Words for a group: its name, but "group 3" where that is a bare number."""
    return f"group {name}" if name.isdecimal() else name


def significance_line(
    alpha: float,
    relabelings: int,
    threshold: float,
    *,
    target: str = "",
    retrained: bool = False,
    exchanged: str = "",
    prefix: str = "",
) -> str:
    """Say how significance was decided, in one line.

    Parameters
    ----------
    alpha, relabelings, threshold
        Of the test; the threshold is NaN where no p value could be as small as alpha.
    target
        What to add where the labels were learnt.
    retrained
        Whether networks were trained anew under each relabeling.
    exchanged
        Within what labels were exchanged; empty for among all samples.
    prefix
        Name of the panel.
    """
    level = short_number(alpha)
    drawn = f"{relabelings} {'retrainings under permuted labels' if retrained else 'relabelings'}"
    if isnan(threshold):
        return f"{prefix}nothing outlined: {drawn} are too few for p ≤ {level}"
    among = f" {exchanged}" if exchanged else ""
    line = (
        f"{prefix}outlined: p ≤ {level}, family-wise, maximum statistic over "
        f"{drawn}{among}, |z| ≥ {threshold:.2f}"
    )
    return f"{line}; {target}" if target else line


def more_weights(weights: int, most: int) -> list[str]:
    """Say, where a figure shows `most` of so many weights, where the others are."""
    if weights <= most:
        return []
    return [
        f"{most} of {weights} weights, evenly from the first to the last; the other "
        f"{weights - most} are in the table beside the figure"
    ]


def short_number(value: float) -> str:
    """Write a share or a level without its zero: ".05"."""
    return f"{value:.3g}".replace("0.", ".", 1)


def p_words(name: str, value: float) -> str:
    """Write a p or q value: "p = .012", "p < .001"; "no p" where it is missing."""
    if isnan(value):
        return f"no {name}"
    if value < 0.001:
        return f"{name} < .001"
    return f"{name} = {value:.3f}".replace("0.", ".", 1)


def wrapped(lines: Iterable[str], width: float) -> list[str]:
    """Break lines of small text so that each is at most `width` mm wide."""
    # Letters of this size are 1.3 mm wide at most, on average over a sentence.
    return [part for line in lines for part in wrap(line, int(width / 1.3))]


def add_lines(figure: Figure, lines: Sequence[str], left: float, top: float) -> None:
    """Write lines one under the other."""
    for place, line in enumerate(lines):
        add_text(figure, left, top + place * LINE, line, size=SMALL)


def colour_bar(figure: Figure, axes: Axes, mappable: ScalarMappable, **options: Any) -> None:
    """Fill axes with a horizontal colour bar without a heavy frame."""
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal", **options)
    bar.outline.set_linewidth(0.4)
    # A gradient made of one image, not of 256 quads with seams between them.
    assert bar.solids is not None
    bar.solids.set(rasterized=True, edgecolor="face")


def swatch(figure: Figure, left: float, top: float, **look: Any) -> None:
    """Draw a small sample of a look, 4.5 by 2.4 mm."""
    axes = add_axes(figure, left, top + 0.1, 4.5, 2.4)
    axes.set_axis_off()
    axes.add_patch(
        Rectangle(
            (0, 0), 1, 1, transform=axes.transAxes, clip_on=False, **({"linewidth": 0.4} | look)
        )
    )


def faded(colours: ArrayLike) -> NDArray[np.float64]:
    """Mix colours with white, 35 % of them being left; shape (..., 4) in and out."""
    mixed = np.array(colours, dtype=np.float64)
    mixed[..., :3] = 1 - 0.35 * (1 - mixed[..., :3])
    return mixed


UNTESTED: dict[str, Any] = {
    "facecolor": NOISE,
    "edgecolor": NOISE_EDGE,
    "hatch": NOISE_HATCH,
    "linewidth": 0.0,
}
"""Look of what was not tested."""
