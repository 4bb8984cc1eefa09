"""Trajectories of singular values over training, one line a rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    LARGE,
    NOISE,
    NOISE_EDGE,
    NOISE_TEXT,
    PAGE_WIDTH,
    SMALL,
    paper_style,
    rank_colours,
    rank_norm,
)
from neurospect.figures.weights import layer_words, shape_of, weight_label

WHOLE_BATCH = "all"
STEP_LABEL = "training step"
VALUE_LABEL = "singular value,\nmean scale\n(loss / weight)"
COLUMNS = 6
"""Axes side by side; further groups go to a further line."""


def mean_scale(
    node: xr.Dataset, group: str = WHOLE_BATCH
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Singular values of a group's gradient and their noise floor, at mean scale.

    Mean scale is contribution scale times N / n_g: the gradient of the loss averaged over the
    group's own samples, so that groups of unlike size can stand side by side.

    Parameters
    ----------
    node
        Spectra of one weight: `gradient` (step, group, rank) and `noise_floor` (step, group).
    group
        Name of the group; "all" is the whole batch.

    Returns
    -------
    values
        Shape (steps, ranks), loss / weight.
    floor
        Shape (steps,), loss / weight.

    Raises
    ------
    BadInputError
        If the node holds no gradient spectra, or not of this group.
    """
    _check(node, group)
    one = node.sel(group=group)
    factor: NDArray[np.float64] = np.ones(node.sizes["step"])
    if node.attrs.get("scale", "contribution") == "contribution":
        samples, members = group_size(node, WHOLE_BATCH), group_size(node, group)
        factor = np.where(members > 0, samples / np.maximum(members, 1), np.nan) * factor
    values = one["gradient"].transpose("step", "rank").values.astype(np.float64)
    floor = one["noise_floor"].values.astype(np.float64)
    return values * factor[:, np.newaxis], floor * factor


def group_size(node: xr.Dataset, group: str) -> NDArray[np.float64]:
    """Count the samples of a group: one number, or one a step where batches vary."""
    if "group_size" in node:
        return node["group_size"].sel(group=group).values.astype(np.float64)
    sizes = np.atleast_1d(node.attrs.get("group_sizes", []))
    place = [str(name) for name in node["group"].values].index(group)
    if len(sizes) <= place:
        raise BadInputError(
            "spectra",
            "group_sizes",
            found=f"{len(sizes)} sizes",
            expected=f"one for each of {node.sizes['group']} groups",
            remedy="Record the spectra again: mean scale needs the size of every group.",
        )
    return np.asarray(sizes[place], dtype=np.float64)


def signal(node: xr.Dataset, group: str = WHOLE_BATCH) -> NDArray[np.float64]:
    """Singular values at mean scale that stand above their noise floor; NaN elsewhere.

    Returns
    -------
    numpy.ndarray
        Shape (steps, ranks), loss / weight.
    """
    values, floor = mean_scale(node, group)
    return np.where(values > floor[:, np.newaxis], values, np.nan)


def value_limits(shown: Iterable[tuple[xr.Dataset, str]]) -> tuple[float, float]:
    """Limits of a value axis that holds all signal of (node, group) and some of the noise."""
    lows, highs = [], []
    for node, group in shown:
        values, (_, floor) = signal(node, group), mean_scale(node, group)
        found, floors = values[np.isfinite(values)], floor[np.isfinite(floor) & (floor > 0)]
        if found.size:
            lows.append(found.min())
            highs.append(found.max())
        if floors.size:
            lows.append(np.sort(floors)[floors.size // 4])
            highs.append(floors.max())
    if not lows:
        return 1e-3, 1.0
    return float(min(lows)) / 2, float(max(highs)) * 2


def draw_trajectories(
    axes: Axes,
    node: xr.Dataset,
    group: str = WHOLE_BATCH,
    *,
    norm: LogNorm | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw the singular values of one weight's gradient against the training step.

    One thin line a rank, the largest value darkest and on top. Under the noise floor, which is
    greyed, nothing is drawn: what stands there is rounding. Both axes are logarithmic; steps are
    counted from 1, because training moves fastest at its start.

    Parameters
    ----------
    axes
        Where to draw.
    node
        Spectra of one weight (see `mean_scale`).
    group
        Which group's gradient.
    norm
        Scale of the ranks' colours, when several axes share it.
    limits
        Limits of the value axis, when several axes share them.

    Raises
    ------
    BadInputError
        If the node holds no gradient spectra, or not of this group.
    """
    values, (_, floor) = signal(node, group), mean_scale(node, group)
    bottom, top = limits or value_limits([(node, group)])
    steps = node["step"].values + 1
    ranks = node["rank"].values
    colours, scale = rank_colours(), norm or rank_norm(int(ranks.max()))
    edge = np.clip(np.where(np.isfinite(floor), floor, bottom), bottom, None)
    axes.fill_between(steps, bottom, edge, color=NOISE, linewidth=0, zorder=0.5)
    axes.plot(steps, edge, color=NOISE_EDGE, linewidth=0.4, zorder=0.6, gid="noise floor")
    for place, rank in reversed(list(enumerate(ranks))):
        axes.plot(
            steps,
            values[:, place],
            color=colours(scale(rank)),
            linewidth=0.55 if len(ranks) <= 32 else 0.35,
            marker=".",
            markersize=1.0,
            markeredgewidth=0,
            markevery=_alone(values[:, place]),
            gid=f"rank {rank}",
            zorder=2 + 1 / float(rank),
        )
    axes.set(xscale="log", yscale="log", ylim=(bottom, top))
    axes.set_xlim(float(steps.min()), max(float(steps.max()), float(steps.min()) + 1))
    _mark_steps(axes)
    _mark_values(axes, bottom, top)


def name_noise(axes: Axes) -> None:
    """Write "rounding noise" into the greyed region where there is room for it."""
    floor = next(line for line in axes.lines if line.get_gid() == "noise floor")
    bottom, top = axes.get_ylim()
    reach = np.log(np.asarray(floor.get_ydata(), dtype=np.float64) / bottom) / np.log(top / bottom)
    points = 72 / axes.figure.dpi
    height = axes.get_window_extent().height * points
    # The two words are some nine times as wide as their letters are high.
    if axes.get_window_extent().width * points < 9 * SMALL:
        return
    steps = np.log(np.asarray(floor.get_xdata(), dtype=np.float64)) / np.log(axes.get_xlim()[1])
    if reach[steps <= 0.65].min() * height > 1.6 * SMALL:
        axes.annotate(
            "rounding noise",
            (0, 0),
            (2.5, 2.5),
            xycoords="axes fraction",
            textcoords="offset points",
            size=SMALL,
            color=NOISE_TEXT,
        )


@paper_style()
def trajectory_figure(
    spectra: xr.DataTree, *, title: str = "", words: Mapping[str, str] | None = None
) -> Figure:
    """Draw one training's spectra: a row a weight, a column for the whole batch and each group.

    Parameters
    ----------
    spectra
        One node per weight (see `mean_scale`).
    title
        What was trained, e.g. "Auto-encoding, [32], ReLU"; stands above the figure.
    words
        Weight → layer in words, where the weights are not a chain of layers.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide; 89 mm where there are no groups.

    Raises
    ------
    BadInputError
        If there is no weight, or a weight has no gradient spectra.
    """
    nodes = weight_nodes(spectra)
    groups = [str(name) for name in next(iter(nodes.values()))["group"].values]
    norm = rank_norm(max(int(node["rank"].max()) for node in nodes.values()))
    across = min(len(groups), COLUMNS)
    lines = ceil(len(groups) / across)
    width = COLUMN_WIDTH if len(groups) == 1 else PAGE_WIDTH
    left, right, gap = 19.5, 3.0, 3.0
    wide = (width - left - right - gap * (across - 1)) / across
    high = min(34.0, max(24.0, 1.1 * wide))
    line_height = high + 10.0
    head = 7.0 if title else 2.0
    row_height = 4.5 + lines * line_height + 4.5
    key_height = keys.RANK_KEY_HEIGHT if width < keys.WIDE else keys.WIDE_RANK_KEY_HEIGHT
    figure = new_figure(width, head + len(nodes) * row_height + 2.0 + key_height)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    words = layer_words(list(nodes), words)
    for row, (name, node) in enumerate(nodes.items()):
        top = head + row * row_height
        label = f"{words[name]}, {weight_label(name, shape_of(node))}"
        fit_text(add_text(figure, 3.0, top + 0.5, label, size=LARGE), width - 6.0)
        limits = value_limits([(node, group) for group in groups])
        for place, group in enumerate(groups):
            line, column = divmod(place, across)
            x, y = left + column * (wide + gap), top + 11.0 + line * line_height
            axes = add_axes(figure, x, y, wide, high)
            draw_trajectories(axes, node, group, norm=norm, limits=limits)
            fit_text(axes.set_title(_group_label(node, group), linespacing=1.1), wide + 1.0)
            if column == 0:
                axes.set_ylabel(VALUE_LABEL)
            else:
                axes.tick_params(labelleft=False)
            if place >= len(groups) - across:
                axes.set_xlabel(STEP_LABEL)
            if place == 0:
                name_noise(axes)
    keys.rank_key(figure, norm, left, head + len(nodes) * row_height + 2.0, width - left - right)
    return figure


def weight_nodes(spectra: xr.DataTree) -> dict[str, xr.Dataset]:
    """Weight → its spectra, in the order of the model.

    Raises
    ------
    BadInputError
        If there is none.
    """
    nodes = {name: node.to_dataset() for name, node in spectra.children.items()}
    if not nodes:
        raise BadInputError(
            "spectra",
            "weights",
            found="none",
            expected="one node per recorded weight",
            remedy="Record at least one weight; the file's attribute `unrecorded` says why not.",
        )
    return nodes


def weight_node(spectra: xr.DataTree, weight: str) -> xr.Dataset:
    """Spectra of one weight.

    Raises
    ------
    BadInputError
        If it was not recorded.
    """
    nodes = weight_nodes(spectra)
    if weight not in nodes:
        raise BadInputError(
            "spectra",
            "weight",
            found=weight,
            expected=f"one of {', '.join(nodes)}",
            remedy="Name a recorded weight.",
        )
    return nodes[weight]


def _check(node: xr.Dataset, group: str) -> None:
    missing = [name for name in ("gradient", "noise_floor") if name not in node]
    if missing:
        raise BadInputError(
            "spectra",
            "variables",
            found=f"no {' and no '.join(missing)}",
            expected="gradient (step, group, rank) and noise_floor (step, group)",
            remedy="Record the gradient's singular values.",
        )
    groups = [str(name) for name in node["group"].values]
    if group not in groups or WHOLE_BATCH not in groups:
        raise BadInputError(
            "spectra",
            "group",
            found=f"{group} asked for, {', '.join(groups)} recorded",
            expected=f"a recorded group, and {WHOLE_BATCH} for the whole batch",
            remedy="Name a recorded group.",
        )


def _alone(values: NDArray[np.float64]) -> list[int]:
    """Places of values between two gaps: a line cannot show them, a dot does."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return [int(i) for i in np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])]


def _group_label(node: xr.Dataset, group: str) -> str:
    sizes = np.unique(group_size(node, group))
    count = f"{sizes[0]:g}" if len(sizes) == 1 else f"{sizes[0]:g}–{sizes[-1]:g}"
    name = "whole batch" if group == WHOLE_BATCH else f"group {group}"
    return f"{name}\nn = {count}"


def _mark_steps(axes: Axes) -> None:
    first, last = axes.get_xlim()
    fine = last / first < 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if fine else (1,), numticks=12))
    axes.xaxis.set_minor_locator(LogLocator(subs=tuple(range(2, 10)), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _mark_values(axes: Axes, bottom: float, top: float) -> None:
    decades = range(ceil(np.log10(bottom)), int(np.floor(np.log10(top))) + 1)
    if len(decades) >= 2:
        stride = ceil(len(decades) / 5)
        # Written from 1 downwards, so that axes of other ranges mark the same decades.
        marks = [10.0**power for power in decades if power % stride == 0]
        axes.yaxis.set_major_locator(FixedLocator(marks))
        axes.yaxis.set_minor_locator(FixedLocator([10.0**power for power in decades]))
    axes.yaxis.set_minor_formatter(NullFormatter())
