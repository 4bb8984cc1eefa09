"""Gradients over the dimension in which a weight is tied: time, tokens, kernel positions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.gradient_values import WHOLE_BATCH, group_size, weight_nodes
from neurospect.figures.layout import Grid, add_axes, add_text, fit_text, new_figure, size_in_mm
from neurospect.figures.style import COLUMN_WIDTH, LARGE, PAGE_WIDTH, paper_style, tie_colours
from neurospect.figures.trajectories import STEP_LABEL
from neurospect.figures.weights import chosen_weights, layer_words, two_line_titles

TIE_COLUMNS = {
    "weight": "name of the weight, as in the model's named parameters",
    "layer": "its layer in words",
    "group": f"whose gradient; {WHOLE_BATCH} is the whole batch",
    "step": "training step, counted from 0",
    "tie": "place at which the weight is used, counted from 0: time step, token, kernel position",
    "value": "largest singular value of the gradient at that place, at mean scale (loss / weight)",
}
TIE_LABEL = "time step, token or\nkernel position"
MOST_WEIGHTS = 24
"""Weights that a figure shows at most."""
BAR_HEIGHT = 9.5
"""Height of a colour bar with its numbers, mm."""


def tie_table(spectra: xr.DataTree, *, words: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Give the largest singular value of the gradient at each place where a weight is tied.

    Parameters
    ----------
    spectra
        One node per weight; those recorded with `over_ties` hold `gradient_over_ties`
        (step, group, tie, rank).
    words
        Weight → layer in words, as in `layer_words`.

    Returns
    -------
    pandas.DataFrame
        With `TIE_COLUMNS`: one row per weight, group, recorded step and place.

    Raises
    ------
    BadInputError
        If no weight was recorded over ties.
    """
    nodes = weight_nodes(spectra)
    layers = layer_words(list(nodes), words)
    frames = []
    for weight, node in _tied(nodes).items():
        values = _mean_scale(node).transpose("group", "step", "tie")
        frame = values.to_dataframe("value").reset_index()
        frames.append(frame.assign(weight=weight, layer=layers[weight]))
    table = pd.concat(frames, ignore_index=True)
    return table.loc[table["value"].notna(), list(TIE_COLUMNS)].reset_index(drop=True)


@paper_style()
def tie_figure(
    spectra: xr.DataTree,
    *,
    group: str = WHOLE_BATCH,
    title: str = "",
    words: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the largest singular value of the gradient by training step and place, a map a weight.

    Parameters
    ----------
    spectra, words
        As in `tie_table`.
    group
        Whose gradient.
    title
        What was trained, e.g. "Classification, [32], ReLU".

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide, up to three maps a row; 89 mm for a single map. Each map has its own colours.

    Raises
    ------
    BadInputError
        If no weight was recorded over ties, or the group is unknown.
    """
    nodes = weight_nodes(spectra)
    tied, names = _tied(nodes), layer_words(list(nodes), words)
    shown = chosen_weights(list(tied), MOST_WEIGHTS)
    across = min(3, len(shown))
    width = COLUMN_WIDTH if across == 1 else PAGE_WIDTH
    grid = Grid(width, across, 13.0, 4.0, 8.0 if title else 2.0, 8.2, 30.0, 12.0 + BAR_HEIGHT)
    bottom = grid.bottom(len(shown))
    lines = keys.wrapped(_lines(len(tied), group), width - grid.left - 2.0)
    figure = new_figure(width, bottom + len(lines) * keys.LINE + 1.5)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    for place, weight in enumerate(shown):
        values = _of_group(_mean_scale(tied[weight]), group)
        axes = add_axes(figure, *grid.corner(place), grid.wide, grid.high)
        norm = draw_ties(axes, values)
        if place % across == 0:
            axes.set_ylabel(STEP_LABEL)
        first, *others = two_line_titles(names[weight], weight, None)
        text = axes.set_title(first, loc="left", pad=3.0, linespacing=1.1)
        fit_text(text, grid.cell - grid.left - 1.5, *others)
        _add_bar(figure, axes, norm)
    keys.add_lines(figure, lines, grid.left, bottom)
    return figure


def draw_ties(axes: Axes, values: xr.DataArray) -> LogNorm:
    """Draw one weight's values; return the scale of the colours.

    Parameters
    ----------
    axes
        Where to draw.
    values
        Dims (step, tie), loss / weight; white where there is no value or it is zero.
    """
    shown = values.transpose("step", "tie")
    finite = shown.values[np.isfinite(shown.values) & (shown.values > 0)]
    low, high = (finite.min(), finite.max()) if finite.size else (1.0, 10.0)
    norm = LogNorm(float(low), float(max(high, 1.01 * low)))
    axes.pcolormesh(
        np.arange(shown.sizes["tie"] + 1) - 0.5,
        _edges(shown["step"].values + 1),
        np.ma.masked_less_equal(np.ma.masked_invalid(shown.values), 0.0),
        norm=norm,
        cmap=tie_colours(),
        rasterized=True,
    )
    axes.set(yscale="log", xlabel=TIE_LABEL)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1,), numticks=8))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    return norm


def _tied(nodes: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    tied = {name: node for name, node in nodes.items() if "gradient_over_ties" in node}
    if not tied:
        raise BadInputError(
            "spectra",
            "gradient_over_ties",
            found="in no weight",
            expected="gradients at the places where weights are tied",
            remedy="Record with over_ties, a model whose weights are used over time, tokens or a "
            "kernel.",
        )
    return tied


def _mean_scale(node: xr.Dataset) -> xr.DataArray:
    """Largest singular values at mean scale, dims (step, group, tie), of the steps that have some.

    The scale is as in `mean_scale` of `gradient_values`.
    """
    values = node["gradient_over_ties"].isel(rank=0, drop=True)
    if node.attrs.get("scale", "contribution") == "contribution":
        everybody = group_size(node, WHOLE_BATCH)
        factors = [
            everybody / np.maximum(group_size(node, str(g)), 1) for g in node["group"].values
        ]
        by_step = np.stack([np.broadcast_to(f, (node.sizes["step"],)) for f in factors], axis=1)
        values = values * xr.DataArray(by_step, dims=("step", "group"))
    ties = {"tie": np.arange(values.sizes["tie"])}
    return values.assign_coords(ties).dropna("step", how="all")


def _of_group(values: xr.DataArray, group: str) -> xr.DataArray:
    groups = [str(name) for name in values["group"].values]
    if group not in groups:
        raise BadInputError(
            "spectra",
            "group",
            found=group,
            expected=f"one of {', '.join(groups)}",
            remedy="Name a recorded group.",
        )
    return values.isel(group=groups.index(group))


def _edges(steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Boundaries between steps, halfway on a logarithmic axis."""
    logs = np.log(steps.astype(np.float64))
    halves = np.diff(logs) / 2 if len(logs) > 1 else np.array([0.2])
    edges: NDArray[np.float64] = np.exp([logs[0] - halves[0], *logs[:-1] + halves, logs[-1]])
    edges[-1] *= np.exp(halves[-1])
    return edges


def _add_bar(figure: Figure, axes: Axes, norm: LogNorm) -> None:
    box, (wide, high) = axes.get_position(), size_in_mm(figure)
    left, top = box.x0 * wide, (1 - box.y0) * high + 10.5
    bar = add_axes(figure, left, top, box.width * wide, keys.BAR)
    keys.colour_bar(figure, bar, ScalarMappable(norm, tie_colours()))
    bar.xaxis.set_major_locator(LogLocator(numticks=4))
    bar.xaxis.set_minor_locator(NullLocator())


def _lines(weights: int, group: str) -> list[str]:
    whose = "the whole batch" if group == WHOLE_BATCH else keys.group_words(group)
    return [
        f"colour: largest singular value of the gradient of {whose} at each place where the weight "
        "is used, mean scale (loss / weight); each map has its own scale",
        *keys.more_weights(weights, MOST_WEIGHTS),
    ]
