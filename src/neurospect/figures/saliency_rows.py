"""Saliency maps of flat inputs, a row a method, under what they should show (figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from neurospect.errors import BadInputError
from neurospect.figures.keys import LINE, add_lines, wrapped
from neurospect.figures.layout import add_axes, add_text, new_figure
from neurospect.figures.map_captions import ONE_LINE, caption_map
from neurospect.figures.saliency_panels import (
    HEADS,
    LEGEND_HEIGHT,
    Block,
    MapPanel,
    all_rows,
    blocks_of,
    map_norm,
    maps_said,
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
    NOISE,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    difference_colours,
    paper_style,
)

MARGIN, NAMES = 3.0, 34.0
"""Left and right margin, and the width of the names of rows, mm."""
GAP, BETWEEN = 1.6, 5.0
"""From a map to the next, at least, and what comes to it between criteria, mm."""
SAID, SAID_WIDE = 6.0, 3.8
"""Heights of the words under a map, also of one that is `ONE_LINE` mm wide; mm."""
UNDER = 1.0
"""Under a block, mm."""
LARGEST, SMALLEST = 26.0, 6.0
"""Width and height of a map, mm."""
NARROWEST, WIDEST = 9.6, 12.0
"""Width of a column, mm: at least, for the words; and at most, or the map's if that is more."""
STRETCHED = (0.3, 1.6)
"""Least and largest height of a map in its widths; maps of other shapes are stretched."""
KEY = 80.0
"""Width of the explanation of the colours, mm."""


@dataclass(frozen=True)
class _Layout:
    """How blocks share the page: side by side or one under the other; lengths in mm."""

    beside: bool
    wide: float
    high: float
    pitch: float
    names: str

    @property
    def head(self) -> float:
        """Height of what stands above a block."""
        return HEADS[self.names]

    @property
    def said(self) -> float:
        """Height of the words under a map."""
        return SAID_WIDE if self.wide >= ONE_LINE else SAID


@paper_style()
def saliency_rows(
    maps: ArrayLike,
    panels: pd.DataFrame,
    *,
    averaged_over: int = 1,
    across: str = "",
    down: str = "",
    title: str = "",
) -> Figure:
    """Draw examples, what their maps should show, and the maps of every decoder and method.

    Each criterion has a block of its own: a column a class, or a pair of classes, and a row a
    method; the blocks stand side by side or one under the other, whichever leaves more room. Every
    map is coloured symmetrically about zero up to its own largest absolute value.

    Parameters
    ----------
    maps
        Shape (panels, height, width), floating point: images, or time courses as components by
        time. NaN outside a mask.
    panels
        One row per map, in their order, with the columns
        `neurospect.figures.saliency_panels.PANEL_COLUMNS`. Rows and columns of the figure stand in
        the order in which they appear.
    averaged_over
        Over how many examples of each class the maps, and the correlations, are means; 1 for
        single examples.
    across, down
        What the axes of a map are, e.g. "time" and "component".
    title
        What was decoded; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If the table does not fit the maps, lacks a column or has a panel twice; if a map is
        infinite somewhere or has no value at all; or if there are so many columns or rows that
        nobody could see the maps.
    """
    values = _checked(maps, panels)
    read = read_panels(panels, len(values))
    blocks = blocks_of(read)
    lines = wrapped(_lines(read, averaged_over, across, down), PAGE_WIDTH - 2 * MARGIN - KEY)
    head = 8.0 if title else 2.0
    foot = max(LEGEND_HEIGHT, len(lines) * LINE) + 3.0
    layout = _layout(blocks, values.shape[1] / values.shape[2], PAGE_HEIGHT - head - foot)
    bottom = head + _total_height(blocks, layout)
    figure = new_figure(PAGE_WIDTH, bottom + foot)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    rows = all_rows(blocks)
    left, top = MARGIN + NAMES, head
    for place, block in enumerate(blocks):
        shown = rows if layout.beside else block.rows
        if place == 0 or not layout.beside:
            name_rows(figure, shown, MARGIN, top + layout.head, layout.high, layout.said, NAMES)
        name_block(figure, left, top, place, blocks, len(block.columns) * layout.pitch)
        _draw_block(figure, block, values, shown, left, top, layout)
        if layout.beside:
            left += len(block.columns) * layout.pitch + BETWEEN
        else:
            top += _block_height(len(block.rows), layout)
    scale_legend(figure, MARGIN, bottom + 1.0)
    add_lines(figure, lines, MARGIN + KEY, bottom + 1.0)
    return figure


def _checked(maps: ArrayLike, panels: pd.DataFrame) -> NDArray[np.float64]:
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 3 or not values.size:
        raise BadInputError(
            "maps",
            "shape",
            found=values.shape,
            expected=f"({len(panels)} panels, height, width)",
            remedy="Draw volumes with glass_brain_figure.",
        )
    for place, map_ in enumerate(values):
        if np.isinf(map_).any() or np.isnan(map_).all():
            raise BadInputError(
                "maps",
                f"panel {place + 1}",
                found="an infinite value" if np.isinf(map_).any() else "no value",
                expected="finite values, NaN only outside a mask",
                remedy="Look at the file that the map was read from.",
            )
    return values


def _layout(blocks: Sequence[Block], shape: float, room: float) -> _Layout:
    """Lay blocks out so that maps are as large as the page allows."""
    found = [_laid(blocks, shape, room, beside=beside) for beside in (True, False)]
    best = max(found, key=lambda layout: layout.wide * layout.high)
    least = SMALLEST * min(1.0, max(shape, STRETCHED[0]))
    if best.wide < SMALLEST or best.high < least or best.pitch < NARROWEST:
        columns = max(len(block.columns) for block in blocks)
        raise BadInputError(
            "panels of maps",
            "columns and rows",
            found=f"{columns} columns, {len(all_rows(blocks))} rows",
            expected=f"maps of at least {SMALLEST:g} mm on a page",
            remedy="Show fewer classes, or fewer methods, in one figure.",
        )
    return best


def _laid(blocks: Sequence[Block], shape: float, room: float, *, beside: bool) -> _Layout:
    if beside:
        columns = sum(len(block.columns) for block in blocks)
        gaps, lines, heads = (len(blocks) - 1) * BETWEEN, len(all_rows(blocks)), 1
    else:
        columns, gaps = max(len(block.columns) for block in blocks), 0.0
        lines, heads = sum(len(block.rows) for block in blocks), len(blocks)
    pitch = (PAGE_WIDTH - 2 * MARGIN - NAMES - gaps + GAP) / columns
    names = names_written([column for block in blocks for column in block.columns], pitch)
    room -= heads * (HEADS[names] + UNDER)
    wide = pitch - GAP
    high = room / lines - (SAID_WIDE if wide >= ONE_LINE else SAID)
    if STRETCHED[0] <= shape <= STRETCHED[1]:
        wide = min(wide, (room / lines - SAID) / shape, LARGEST * max(1.0, 0.6 / shape))
        high = wide * shape
    else:
        # Neither axis is a length in space: as wide as there is room.
        high = min(high, wide * float(np.clip(shape, *STRETCHED)))
    return _Layout(beside, wide, high, min(pitch, max(wide + GAP, WIDEST)), names)


def _block_height(rows: int, layout: _Layout) -> float:
    return layout.head + rows * (layout.high + layout.said) + UNDER


def _total_height(blocks: Sequence[Block], layout: _Layout) -> float:
    if layout.beside:
        return _block_height(len(all_rows(blocks)), layout)
    return sum(_block_height(len(block.rows), layout) for block in blocks)


def _draw_block(
    figure: Figure,
    block: Block,
    values: NDArray[np.float64],
    rows: Sequence[tuple[str, str]],
    left: float,
    top: float,
    layout: _Layout,
) -> None:
    for number, column in enumerate(block.columns):
        x = left + number * layout.pitch
        foot = top + layout.head - 0.8
        name_column(figure, x + layout.wide / 2, foot, column, layout.names, layout.pitch)
        for place, row in enumerate(rows):
            panel = block.panels.get((row, column))
            if panel is not None:
                y = top + layout.head + place * (layout.high + layout.said)
                axes = add_axes(figure, x, y, layout.wide, layout.high)
                limit = draw_map(axes, values[panel.place])
                axes.set_gid(f"{block.criterion}: {column}: {', '.join(filter(None, row))}")
                middle, under = x + layout.wide / 2, y + layout.high + 0.5
                size = {"wide": layout.wide, "pitch": layout.pitch}
                caption_map(figure, middle, under, panel, limit, **size)


def draw_map(axes: Axes, values: NDArray[np.float64]) -> float:
    """Draw a flat map, shape (height, width), its first row on top; NaN is grey.

    Returns
    -------
    float
        Largest absolute value, at which its colours end.
    """
    limit = scale_limit(values, 100.0)
    axes.set_facecolor(NOISE)
    axes.imshow(
        np.ma.masked_invalid(values),
        cmap=difference_colours(),
        norm=map_norm(limit),
        interpolation="nearest",
        aspect="auto",
    )
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set(visible=True, linewidth=0.3)
    return limit


def _lines(read: list[MapPanel], averaged_over: int, across: str, down: str) -> list[str]:
    axes = "; ".join(filter(None, (across and f"across: {across}", down and f"down: {down}")))
    return [*maps_said(read, averaged_over), *([axes] if axes else [])]
