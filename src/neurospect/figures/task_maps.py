"""Mean z maps of tasks, one row a task, all on the same cuts and the same scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.figures import brain_cuts
from neurospect.figures.brain_cuts import AXIAL, SAGITTAL
from neurospect.figures.keys import BAR, LINE, add_lines, colour_bar
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import (
    LARGE,
    PAGE_WIDTH,
    SMALL,
    difference_colours,
    difference_norm,
    paper_style,
)

DIRECTIONS = (SAGITTAL, *[AXIAL] * 6)
SCALE = 0.132
"""Mm on paper per mm of brain."""
MARGIN, GAP, CUT_LABEL = 3.0, 1.0, 4.0
LARGEST = 99.5
"""Percentile of the absolute values at which the colours end."""
OPAQUE = 0.4
"""Share of the scale from which a colour hides the brain under it."""


@paper_style()
def task_map_figure(
    means: ArrayLike, grid: VoxelGrid, classes: Sequence[str], *, title: str = ""
) -> Figure:
    """Draw the mean z map of every task on the MNI152 brain.

    All rows show the same cuts, chosen so that each task is cut where it is strong, and share
    one scale, symmetric about zero. There is no threshold: colours fade towards zero.

    Parameters
    ----------
    means
        Shape (tasks, voxels), z: mean over participants of maps that were each z-scored over
        voxels.
    grid
        The mask that the voxels lie in, in MNI space.
    classes
        Name of each task.
    title
        Which cohort; stands above the figure.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If maps, names and grid do not fit together, or a map is zero or not finite.
    """
    names = [str(name) for name in classes]
    maps = brain_cuts.checked_maps(means, grid, names)
    cuts = brain_cuts.choose_cuts(brain_cuts.profiles(np.abs(maps), grid), DIRECTIONS)
    largest = float(np.percentile(np.abs(maps), LARGEST)) or float(np.abs(maps).max())
    norm = difference_norm(_rounded_up(largest))
    sizes = [brain_cuts.picture_size(axis, SCALE) for axis in DIRECTIONS]
    high = max(height for _, height in sizes)
    edge = PAGE_WIDTH - MARGIN - sum(width for width, _ in sizes) - GAP * (len(sizes) - 1)
    head = (8.0 if title else 2.0) + CUT_LABEL
    bottom = head + len(names) * (high + GAP) + 2.0
    figure = new_figure(PAGE_WIDTH, bottom + 11.5)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    below = [brain_cuts.anatomy(cut) for cut in cuts]
    for row, name in enumerate(names):
        top = head + row * (high + GAP)
        label = add_text(figure, MARGIN, top + high / 2, name, weight="bold", va="center")
        fit_text(label, edge - MARGIN - 2.0)
        left = edge
        for cut, anatomy, (width, height) in zip(cuts, below, sizes, strict=True):
            axes = add_axes(figure, left, top + (high - height) / 2, width, height)
            picture = _coloured(brain_cuts.sampled(maps[row], grid, cut.points()), norm)
            brain_cuts.draw_cut(axes, cut, brain_cuts.laid_over(anatomy, picture))
            if row == 0:
                middle = left + width / 2
                add_text(figure, middle, head - CUT_LABEL + 0.3, cut.label, size=SMALL, ha="center")
            left += width + GAP
    _draw_key(figure, norm, clipped=bool(np.abs(maps).max() > (norm.vmax or 0)), top=bottom)
    return figure


def _coloured(values: NDArray[np.float64], norm: Normalize) -> NDArray[np.float64]:
    """Colour values by sign and size, the smaller the clearer."""
    picture = difference_colours()(norm(values))
    picture[..., 3] = np.clip(np.abs(values) / (OPAQUE * float(norm.vmax or 1)), 0, 1)
    return np.asarray(picture)


def _rounded_up(value: float) -> float:
    """Round up to two digits of which the second is 0 or 5."""
    step = 5 * 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(np.ceil(value / step - 1e-9) * step)


def _draw_key(figure: Figure, norm: Normalize, *, clipped: bool, top: float) -> None:
    limit = float(norm.vmax or 1)
    add_text(figure, MARGIN, top, "mean z over participants", size=SMALL)
    bar = add_axes(figure, MARGIN + 2.0, top + LINE, 60.0, BAR)
    mappable = ScalarMappable(norm, difference_colours())
    colour_bar(figure, bar, mappable, extend="both" if clipped else "neither")
    bar.xaxis.set_major_locator(FixedLocator([-limit, -limit / 2, 0, limit / 2, limit]))
    bar.xaxis.set_major_formatter(
        FuncFormatter(lambda z, _: f"{z:+.3g}".replace("-", "−") if z else "0")
    )
    bar.xaxis.set_minor_locator(NullLocator())
    words = [
        "Maps z-scored over the brain's voxels. Colours fade towards zero: there is no",
        "threshold. MNI152 brain, cuts in mm; L: the brain's left.",
    ]
    add_lines(figure, words, MARGIN + 72.0, top + 0.5)
