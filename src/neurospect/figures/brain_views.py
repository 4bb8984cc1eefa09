"""Saliency maps of volumes as glass brains, a row a method (figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from nilearn.plotting.glass_brain import plot_brain_schematics
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures import brain_cuts
from neurospect.figures.keys import LINE, add_lines, wrapped
from neurospect.figures.layout import add_axes, add_text, new_figure
from neurospect.figures.map_captions import ONE_LINE, caption_map
from neurospect.figures.saliency_panels import (
    HEADS,
    LEGEND_HEIGHT,
    Block,
    all_rows,
    blocks_of,
    map_norm,
    name_block,
    name_column,
    name_rows,
    names_written,
    read_panels,
    scale_legend,
    scale_limit,
)
from neurospect.figures.style import (
    LARGE,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    difference_colours,
    paper_style,
)
from neurospect.figures.voxel_panels import EXTREME, checked_voxels, panel_lines

BOX = ((-77.0, 77.0), (-112.0, 80.0), (-77.0, 86.0))
"""What is drawn of MNI space: the outlines of the glass brain; x, y and z, mm."""
STEP = 2.0
"""Distance of the places that a map is read at, mm."""
OPAQUE = 0.4
"""Share of the scale from which a colour is opaque."""
VIEWS = ("xyz", "xz", "z")
"""Directions of view side by side in one cell, the more the better: x from the side, y from
behind, z from above."""
FINE, COARSE, LARGEST = 0.08, 0.05, 0.125
"""Mm on paper per mm of brain: from which all views are shown, at least, and at most."""
MARGIN, NAMES, GAP, INNER, BETWEEN, UNDER = 3.0, 32.0, 1.8, 0.4, 5.0, 1.0
"""Margin, names of rows, from one map to the next, from one view to the next, what comes to it
between criteria, and under a block; mm."""
SAID, SAID_WIDE = 5.6, 3.4
"""Heights of the words under a map, also of one that is `ONE_LINE` mm wide; mm."""


@dataclass(frozen=True)
class _Layout:
    """Blocks side by side or not; views in a cell; mm on paper per mm; lengths in mm."""

    beside: bool
    views: str
    scale: float
    pitch: float
    names: str

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of each view."""
        return [_view_size(view, self.scale) for view in self.views]

    @property
    def wide(self) -> float:
        """Width of a cell."""
        return sum(width for width, _ in self.sizes) + INNER * (len(self.views) - 1)

    @property
    def high(self) -> float:
        """Height of a cell."""
        return max(height for _, height in self.sizes)

    @property
    def said(self) -> float:
        """Height of the words under a cell."""
        return SAID_WIDE if self.wide >= ONE_LINE else SAID


@paper_style()
def glass_brain_figure(
    maps: ArrayLike,
    grid: VoxelGrid,
    panels: pd.DataFrame,
    *,
    views: str | None = None,
    percentile: float = EXTREME,
    averaged_over: int = 1,
    title: str = "",
) -> Figure:
    """Draw examples, what their maps should show, and the maps of every decoder and method.

    Seen through the brain: each place of a view has the value that is largest in size along the
    line of sight, with its sign. The outlines are those that nilearn ships.

    Parameters
    ----------
    maps
        Shape (panels, voxels), finite.
    grid
        The mask that the voxels lie in, in MNI space.
    panels
        One row per map, in their order, with the columns
        `neurospect.figures.saliency_panels.PANEL_COLUMNS`. Rows and columns of the figure stand in
        the order in which they appear.
    views
        Of `x` (from the side), `y` (from behind) and `z` (from above), those that are drawn of
        each map; None for as many as there is room for.
    percentile
        Of a map's absolute values, at which its colours end.
    averaged_over
        Over how many examples of each class the maps, and the correlations, are means; 1 for
        single examples.
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If maps, grid and table do not fit together, a map is not finite, a view is not known, or
        there are more maps than could be seen.
    """
    values = checked_voxels(maps, grid, panels)
    if views is not None and (not views or set(views) - set("xyz") or len(set(views)) < len(views)):
        raise BadInputError(
            "glass brains",
            "views",
            found=repr(views),
            expected="some of x, y and z",
            remedy='Give "xyz", or None.',
        )
    shown = read_panels(panels, len(values))
    blocks = blocks_of(shown)
    lines = wrapped(panel_lines(shown, averaged_over, percentile), PAGE_WIDTH - 2 * MARGIN - 80.0)
    head = 8.0 if title else 2.0
    foot = max(LEGEND_HEIGHT, (len(lines) + 1) * LINE) + 3.0
    layout = _layout(blocks, views, PAGE_HEIGHT - head - foot)
    heights = [_block_height(len(block.rows), layout) for block in blocks]
    if layout.beside:
        heights = [_block_height(len(all_rows(blocks)), layout)]
    bottom = head + sum(heights)
    figure = new_figure(PAGE_WIDTH, bottom + foot)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    left, top = MARGIN + NAMES, head
    for place, block in enumerate(blocks):
        rows = all_rows(blocks) if layout.beside else block.rows
        if place == 0 or not layout.beside:
            first = top + HEADS[layout.names]
            name_rows(figure, rows, MARGIN, first, layout.high, layout.said, NAMES)
        name_block(figure, left, top, place, blocks, len(block.columns) * layout.pitch + 4.0)
        _draw_block(figure, block, values, grid, rows, left, top, layout, percentile)
        if layout.beside:
            left += len(block.columns) * layout.pitch + BETWEEN
        else:
            top += heights[place]
    scale_legend(figure, MARGIN, bottom + 1.0)
    add_lines(figure, [*lines, _views_said(layout.views)], MARGIN + 80.0, bottom + 1.0)
    return figure


def draw_glass_brain(axes: Axes, view: str, seen: NDArray[np.float64], norm: Normalize) -> None:
    """Draw one view of one map through the brain, and the brain's outlines over it.

    Parameters
    ----------
    axes
        Where to draw, in mm.
    view
        "x" from the side (front on the right), "y" from behind or "z" from above (the brain's left
        on the left).
    seen
        Of `projections`, for that view.
    norm
        Scale of the colours.
    """
    picture = np.asarray(difference_colours()(norm(seen)))
    picture[..., 3] = np.clip(np.abs(seen) / (OPAQUE * float(norm.vmax or 1)), 0, 1)
    (left, right), (low, high) = _frame(view)
    axes.imshow(
        np.round(picture * 255).astype(np.uint8),
        origin="lower",
        extent=(left, right, low, high),
        # Resampled for the printer, a page of them would be many megabytes.
        interpolation="none",
        aspect="auto",
    )
    look = {"facecolor": "none", "edgecolor": "0.45", "linewidth": 0.35}
    axes.add_patch(PathPatch(_outlines(view), gid="outlines", **look))
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.set_axis_off()


def projections(values: NDArray[np.float64], grid: VoxelGrid) -> dict[str, NDArray[np.float64]]:
    """Look through a map: the value that is largest in size along each line of sight.

    Parameters
    ----------
    values
        Shape (voxels,).
    grid
        The mask that they lie in, in MNI space.

    Returns
    -------
    dict
        For the lines of sight along "x", "y" and "z": shape (rows, columns), lowest row first,
        2 mm apart, over the box that is drawn; zero where the line of sight misses the mask.
    """
    volume = brain_cuts.sampled(values, grid, _lattice())
    seen = {}
    for along, view in enumerate("xyz"):
        largest = np.expand_dims(np.abs(volume).argmax(axis=along), along)
        seen[view] = np.take_along_axis(volume, largest, axis=along).squeeze(along).T
    return seen


@cache
def _outlines(view: str) -> Path:
    """Outlines of the glass brain as one path, mm: nilearn draws each of hundreds by itself."""
    axes = new_figure(50.0, 50.0).add_axes((0, 0, 1, 1))
    plot_brain_schematics(axes, view)
    lines = []
    for outline in axes.patches:
        in_mm = outline.get_transform() - axes.transData
        curve = in_mm.transform_path(outline.get_path())
        lines += [
            Path(np.round(np.asarray(line), 1)) for line in curve.to_polygons(closed_only=False)
        ]
    return Path.make_compound_path(*lines)


@cache
def _lattice() -> NDArray[np.float64]:
    """Places that a map is read at, shape (x, y, z, 3), mm."""
    corners = np.meshgrid(*(_places(axis) for axis in range(3)), indexing="ij")
    return np.stack(corners, axis=-1)


def _places(axis: int) -> NDArray[np.float64]:
    low, high = BOX[axis]
    count = round((high - low) / STEP)
    return low + (np.arange(count) + 0.5) * (high - low) / count


def _frame(view: str) -> tuple[tuple[float, float], tuple[float, float]]:
    across, up = (BOX[axis] for axis in range(3) if axis != "xyz".index(view))
    return across, up


def _view_size(view: str, scale: float) -> tuple[float, float]:
    (left, right), (low, high) = _frame(view)
    return (right - left) * scale, (high - low) * scale


def _block_height(rows: int, layout: _Layout) -> float:
    return HEADS[layout.names] + rows * (layout.high + layout.said) + UNDER


def _layout(blocks: Sequence[Block], views: str | None, room: float) -> _Layout:
    """Take as many views as can be seen well, and make them as large as the page allows."""
    found = []
    for seen in VIEWS if views is None else (views,):
        tried = [_laid(blocks, seen, room, beside=beside) for beside in (True, False)]
        best = max(tried, key=lambda layout: layout.scale)
        if best.scale >= FINE:
            return best
        found.append(best)
    best = max(found, key=lambda layout: layout.scale)
    if best.scale < COARSE:
        raise BadInputError(
            "panels of maps",
            "columns and rows",
            found=f"{max(len(b.columns) for b in blocks)} columns, {len(all_rows(blocks))} rows",
            expected=f"brains of at least {COARSE * (BOX[0][1] - BOX[0][0]):.0f} mm on a page",
            remedy="Show fewer classes, fewer methods or fewer views in one figure.",
        )
    return best


def _laid(blocks: Sequence[Block], views: str, room: float, *, beside: bool) -> _Layout:
    if beside:
        columns = sum(len(block.columns) for block in blocks)
        gaps, lines, heads = (len(blocks) - 1) * BETWEEN, len(all_rows(blocks)), 1
    else:
        columns, gaps = max(len(block.columns) for block in blocks), 0.0
        lines, heads = sum(len(block.rows) for block in blocks), len(blocks)
    pitch = (PAGE_WIDTH - 2 * MARGIN - NAMES - gaps + GAP) / columns
    names = names_written([column for block in blocks for column in block.columns], pitch)
    sizes = [_view_size(view, 1.0) for view in views]
    across = (pitch - GAP - INNER * (len(views) - 1)) / sum(width for width, _ in sizes)
    said = SAID_WIDE if pitch - GAP >= ONE_LINE else SAID
    high = (room - heads * (HEADS[names] + UNDER)) / lines - said
    down = high / max(height for _, height in sizes)
    layout = _Layout(beside, views, min(across, down, LARGEST), pitch, names)
    if layout.said > said:
        # Narrower than it might be: its words take two lines.
        smaller = layout.scale - (layout.said - said) / max(height for _, height in sizes)
        layout = _Layout(beside, views, smaller, pitch, names)
    return layout


def _draw_block(
    figure: Figure,
    block: Block,
    values: NDArray[np.float64],
    grid: VoxelGrid,
    rows: Sequence[tuple[str, str]],
    left: float,
    top: float,
    layout: _Layout,
    percentile: float,
) -> None:
    first = top + HEADS[layout.names]
    for number, column in enumerate(block.columns):
        start = left + number * layout.pitch
        middle = start + layout.wide / 2
        name_column(figure, middle, first - 0.8, column, layout.names, layout.pitch)
        for place, row in enumerate(rows):
            panel = block.panels.get((row, column))
            if panel is None:
                continue
            y = first + place * (layout.high + layout.said)
            limit = scale_limit(values[panel.place], percentile)
            seen, x = projections(values[panel.place], grid), start
            for view, (width, height) in zip(layout.views, layout.sizes, strict=True):
                axes = add_axes(figure, x, y + (layout.high - height) / 2, width, height)
                axes.set_gid(f"{view}: {block.criterion}: {column}: {', '.join(filter(None, row))}")
                draw_glass_brain(axes, view, seen[view], map_norm(limit))
                x += width + INNER
            size = {"wide": layout.wide, "pitch": layout.pitch}
            caption_map(figure, middle, y + layout.high + 0.2, panel, limit, **size)


def _views_said(views: str) -> str:
    said = {"x": "from the side", "y": "from behind", "z": "from above"}
    sides = "; the brain's left on the left" if set(views) & set("yz") else ""
    return f"seen {', '.join(said[view] for view in views)}{sides}"
