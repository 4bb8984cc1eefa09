"""Trajectories of singular values over training, one line a rank."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from neurospect.figures import keys
from neurospect.figures.gradient_values import (
    WHOLE_BATCH,
    group_size,
    mean_scale,
    signal,
    thinned,
    value_limits,
    weight_nodes,
)
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    COLUMN_WIDTH,
    LARGE,
    NOISE,
    NOISE_EDGE,
    NOISE_TEXT,
    NORMAL,
    PAGE_WIDTH,
    SMALL,
    paper_style,
    rank_colours,
    rank_norm,
)
from neurospect.figures.weights import chosen_weights, layer_words, shape_of, weight_label

STEP_LABEL = "training step"
VALUE_LABEL = "singular value,\nmean scale\n(loss / weight)"
COLUMNS = 6
"""Axes side by side; further groups go to a further line."""
LEFT, RIGHT, GAP = 19.5, 4.0, 5.0
COMPACT_HEIGHT = 15.0
"""Margins, and the height of axes of many weights, mm."""
ROOMY, MOST_WEIGHTS = 5, 40
"""Weights that high axes are for, and that a figure shows at most."""


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
    mark_log_steps(axes)
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


@dataclass(frozen=True)
class _Grid:
    """Where the axes of a figure stand: a row a weight, a column a group; mm."""

    width: float
    groups: int
    head: float
    compact: bool

    @property
    def across(self) -> int:
        """Axes side by side."""
        return min(self.groups, COLUMNS)

    @property
    def wide(self) -> float:
        """Width of axes."""
        return (self.width - LEFT - RIGHT - GAP * (self.across - 1)) / self.across

    @property
    def high(self) -> float:
        """Height of axes."""
        return COMPACT_HEIGHT if self.compact else min(34.0, max(24.0, 1.1 * self.wide))

    @property
    def row_height(self) -> float:
        """From a weight to the next."""
        lines = ceil(self.groups / self.across)
        return self.high + 7.3 if self.compact else 9.0 + lines * (self.high + 10.0)

    def bottom(self, rows: int) -> float:
        """Where so many rows end, with what stands under the last."""
        return self.head + rows * self.row_height + (14.5 if self.compact else 2.0)

    def label_corner(self, row: int) -> tuple[float, float]:
        """Left and upper edge of a weight's name; groups are named under the first, or under all.

        Where rows are low, what the axes show stands to the left of all of them.
        """
        top = self.head + row * self.row_height
        return (LEFT, top + (6.5 if row else 0.5)) if self.compact else (3.0, top + 0.5)

    def corner(self, row: int, place: int) -> tuple[float, float]:
        """Left and upper edge of the axes of a group."""
        line, column = divmod(place, self.across)
        top = self.head + row * self.row_height + 11.0 + line * (self.high + 10.0)
        return LEFT + column * (self.wide + GAP), top


@paper_style()
def trajectory_figure(
    spectra: xr.DataTree, *, title: str = "", words: Mapping[str, str] | None = None
) -> Figure:
    """Draw one training's spectra: a row a weight, a column for the whole batch and each group.

    What is drawn is what `trajectory_table` gives. Of many weights the rows are low; of more than
    `MOST_WEIGHTS`, so many are drawn, evenly from the first to the last.

    Parameters
    ----------
    spectra
        One node per weight (see `mean_scale`).
    title
        What was trained, e.g. "Auto-encoding, [32], ReLU"; stands above the figure.
    words
        Weight → layer in words, where `layer_words` does not fit.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide; 89 mm where there are no groups.

    Raises
    ------
    BadInputError
        If there is no weight, or a weight has no gradient spectra.
    """
    every = weight_nodes(spectra)
    words = layer_words(list(every), words)
    nodes = {name: thinned(every[name]) for name in chosen_weights(list(every), MOST_WEIGHTS)}
    recorded = max(every[name].sizes["step"] for name in nodes)
    groups = [str(name) for name in next(iter(nodes.values()))["group"].values]
    norm = rank_norm(max(int(node["rank"].max()) for node in nodes.values()))
    width = COLUMN_WIDTH if len(groups) == 1 else PAGE_WIDTH
    compact = len(nodes) > ROOMY and len(groups) <= COLUMNS
    grid = _Grid(width, len(groups), 7.0 if title else 2.0, compact)
    bottom, key_width = grid.bottom(len(nodes)), width - LEFT - RIGHT
    key_height = keys.RANK_KEY_HEIGHT if width < keys.WIDE else keys.WIDE_RANK_KEY_HEIGHT
    lines = keys.wrapped([*thinning_lines(nodes, recorded), *_left_out(every, spectra)], key_width)
    figure = new_figure(width, bottom + key_height + len(lines) * keys.LINE)
    if title:
        add_text(figure, 3.0, 2.5, title, size=LARGE, weight="bold")
    for row, (name, node) in enumerate(nodes.items()):
        shape = shape_of(node)
        left, top = grid.label_corner(row)
        label = add_text(figure, left, top, "", size=LARGE)
        label.set_text(f"{words[name]}, {weight_label(name, shape)}")
        fit_text(label, width - left - 3.0, f"{words[name]}, {name}", words[name])
        named, marked = (not compact or row == end for end in (0, len(nodes) - 1))
        _draw_row(figure, grid, row, node, norm, named=named, marked=marked)
    if compact:
        middle = (grid.corner(0, 0)[1] + grid.corner(len(nodes) - 1, 0)[1] + grid.high) / 2
        text = VALUE_LABEL.replace("\n", " ")
        add_text(figure, 4.0, middle, text, rotation=90, va="center", gid="value label")
    keys.rank_key(figure, norm, LEFT, bottom, key_width)
    keys.add_lines(figure, lines, LEFT, bottom + key_height)
    return figure


def thinning_lines(drawn: Mapping[str, xr.Dataset], recorded: int) -> list[str]:
    """Say through how many of the recorded steps lines are drawn, where not through all."""
    steps = max((node.sizes["step"] for node in drawn.values()), default=recorded)
    if steps == recorded:
        return []
    return [
        f"lines pass through {steps} of {recorded} recorded steps, spread on a logarithmic axis"
    ]


def _draw_row(
    figure: Figure,
    grid: _Grid,
    row: int,
    node: xr.Dataset,
    norm: LogNorm,
    *,
    named: bool,
    marked: bool,
) -> None:
    """Draw a weight; its groups are `named` above the axes, and steps `marked` under them."""
    groups = [str(name) for name in node["group"].values]
    limits = value_limits([(node, group) for group in groups])
    for place, group in enumerate(groups):
        axes = add_axes(figure, *grid.corner(row, place), grid.wide, grid.high)
        draw_trajectories(axes, node, group, norm=norm, limits=limits)
        if named:
            fit_text(axes.set_title(_group_label(node, group), linespacing=1.1), grid.wide + 1.0)
        if place % grid.across:
            axes.tick_params(labelleft=False)
        elif not grid.compact:
            axes.set_ylabel(VALUE_LABEL, size=NORMAL)
        if not marked:
            axes.tick_params(labelbottom=False)
        elif place >= len(groups) - grid.across:
            axes.set_xlabel(STEP_LABEL)
        if place == 0:
            name_noise(axes)


def _left_out(nodes: Mapping[str, xr.Dataset], spectra: xr.DataTree) -> list[str]:
    """Say which weights the figure does not show, and why."""
    lines = keys.more_weights(len(nodes), MOST_WEIGHTS)
    unrecorded = json.loads(spectra.attrs.get("unrecorded", "{}"))
    for reason in dict.fromkeys(unrecorded.values()):
        # A vector never has a spectrum: that is no gap in what was recorded.
        if "vector" not in reason:
            names = [name for name, why in unrecorded.items() if why == reason]
            lines.append(f"not recorded: {', '.join(names)} ({reason})")
    return lines


def _alone(values: NDArray[np.float64]) -> list[int]:
    """Places of values between two gaps: a line cannot show them, a dot does."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return [int(i) for i in np.flatnonzero(there[1:-1] & ~there[:-2] & ~there[2:])]


def _group_label(node: xr.Dataset, group: str) -> str:
    sizes = np.unique(group_size(node, group))
    count = f"{sizes[0]:g}" if len(sizes) == 1 else f"{sizes[0]:g}–{sizes[-1]:g}"
    name = "whole batch" if group == WHOLE_BATCH else keys.group_words(group)
    return f"{name}\nn = {count}"


def mark_log_steps(axes: Axes) -> None:
    """Write powers of ten on a logarithmic axis of steps; also 2 and 5 where these are few."""
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
