"""Saliency maps of volumes on cuts through the brain, a row a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures import brain_cuts
from neurospect.figures.brain_cuts import AXIAL, CORONAL, SAGITTAL, Cut
from neurospect.figures.keys import LINE, add_lines, wrapped
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.saliency_panels import (
    LEGEND_HEIGHT,
    MapPanel,
    limit_said,
    map_norm,
    read_panels,
    scale_legend,
    scale_limit,
    write_row_name,
)
from neurospect.figures.style import (
    LARGE,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SMALL,
    difference_colours,
    paper_style,
)
from neurospect.figures.voxel_panels import EXTREME, checked_voxels, panel_lines

DIRECTIONS = (SAGITTAL, CORONAL, *[AXIAL] * 5)
"""Cuts side by side."""
LARGEST, SMALLEST = 0.13, 0.09
"""Mm on paper per mm of brain."""
MARGIN, NAMES, GAP, CUT_LABEL = 3.0, 32.0, 1.0, 4.0
"""Margin, names of rows, from one cut to the next, and where the cuts lie, mm."""
OPAQUE = 0.4
"""Share of the scale from which a colour hides the brain under it."""


@paper_style()
def saliency_cuts(
    maps: ArrayLike,
    grid: VoxelGrid,
    panels: pd.DataFrame,
    *,
    percentile: float = EXTREME,
    averaged_over: int = 1,
    title: str = "",
) -> Figure:
    """Draw maps on the same cuts through the MNI152 brain, each with its own scale.

    The cuts are chosen so that each map is cut where it is strong. There is no threshold: colours
    fade towards zero.

    Parameters
    ----------
    maps
        Shape (panels, voxels), finite.
    grid
        The mask that the voxels lie in, in MNI space.
    panels
        One row per map, in their order, which is that of the rows of the figure; with the columns
        `neurospect.figures.saliency_panels.PANEL_COLUMNS`.
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
        If maps, grid and table do not fit together, a map is not finite, or there are more maps
        than could be seen on a page.
    """
    values = checked_voxels(maps, grid, panels)
    shown = read_panels(panels, len(values))
    where = "MNI152 brain, cuts in mm; L: the brain's left"
    lines = wrapped(
        [*panel_lines(shown, averaged_over, percentile), where], PAGE_WIDTH - 2 * MARGIN - 80.0
    )
    head = (8.0 if title else 2.0) + CUT_LABEL
    foot = max(LEGEND_HEIGHT, len(lines) * LINE) + 3.0
    scale = _scale(len(shown), PAGE_HEIGHT - head - foot)
    sizes = [brain_cuts.picture_size(axis, scale) for axis in DIRECTIONS]
    high = max(height for _, height in sizes)
    bottom = head + len(shown) * (high + GAP)
    figure = new_figure(PAGE_WIDTH, bottom + foot)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    cuts = brain_cuts.choose_cuts(brain_cuts.profiles(np.abs(values), grid), DIRECTIONS)
    _name_cuts(figure, cuts, sizes, head)
    for place, panel in enumerate(shown):
        limit = scale_limit(values[place], percentile)
        top = head + place * (high + GAP)
        _name_row(figure, panel, limit, top + high / 2)
        left = MARGIN + NAMES
        for cut, (width, height) in zip(cuts, sizes, strict=True):
            axes = add_axes(figure, left, top + (high - height) / 2, width, height)
            on_cut = brain_cuts.sampled(values[place], grid, cut.points())
            picture = _coloured(on_cut, map_norm(limit))
            brain_cuts.draw_cut(axes, cut, brain_cuts.laid_over(brain_cuts.anatomy(cut), picture))
            left += width + GAP
    scale_legend(figure, MARGIN, bottom + 1.0)
    add_lines(figure, lines, MARGIN + 80.0, bottom + 1.0)
    return figure


def _scale(rows: int, room: float) -> float:
    sizes = [brain_cuts.picture_size(axis, 1.0) for axis in DIRECTIONS]
    gaps = GAP * (len(sizes) - 1)
    across = (PAGE_WIDTH - 2 * MARGIN - NAMES - gaps) / sum(width for width, _ in sizes)
    down = (room / rows - GAP) / max(height for _, height in sizes)
    scale = min(across, down, LARGEST)
    if scale < SMALLEST:
        raise BadInputError(
            "panels of maps",
            "rows",
            found=rows,
            expected=f"brains of at least {SMALLEST * sizes[-1][1]:.0f} mm on a page",
            remedy="Choose one class, or fewer methods.",
        )
    return scale


def _name_cuts(
    figure: Figure, cuts: Sequence[Cut], sizes: Sequence[tuple[float, float]], foot: float
) -> None:
    left = MARGIN + NAMES
    for cut, (width, _) in zip(cuts, sizes, strict=True):
        top = foot - CUT_LABEL + 0.3
        add_text(figure, left + width / 2, top, cut.label, size=SMALL, ha="center")
        left += width + GAP


def _name_row(figure: Figure, panel: MapPanel, limit: float, middle: float) -> None:
    rest = ", ".join(filter(None, (panel.column, panel.method)))
    edge = write_row_name(figure, MARGIN, middle - 1.4, (panel.decoder, rest), NAMES - 2.0)
    said = "   ".join(filter(None, (panel.correlation_said, limit_said(limit))))
    fit_text(add_text(figure, MARGIN, edge + 0.3, said, size=5.5), NAMES - 2.0)


def _coloured(values: NDArray[np.float64], norm: Normalize) -> NDArray[np.float64]:
    """Colour values by sign and size, the smaller the clearer."""
    picture = np.asarray(difference_colours()(norm(values)))
    picture[..., 3] = np.clip(np.abs(values) / (OPAQUE * float(norm.vmax or 1)), 0, 1)
    return picture
