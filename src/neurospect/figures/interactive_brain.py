"""Pages on which a map of the brain is looked through cut by cut, with nothing from elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from html import escape

import nibabel
import numpy as np
import pandas as pd
from nilearn.datasets import load_mni152_template
from nilearn.plotting import view_img
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.html_page import html_page
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.saliency_panels import (
    MapPanel,
    limit_said,
    power_of_ten,
    read_panels,
    scale_limit,
)
from neurospect.figures.shared_frames import shared_frames
from neurospect.figures.style import difference_colours, paper_style
from neurospect.figures.voxel_panels import EXTREME, checked_voxels

BACKGROUND_MM = 2
"""Voxels of the brain under the map, to which the map is resampled."""
SHOWN = 0.1
"""Share of a map's voxels that are coloured, the largest in size."""
MOST = 8
"""Maps on a page."""
WIDTH = 760
"""Of a view, pixels."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_STYLE = """\
:root { color-scheme: light dark; --quiet: #6b6b6b; }
@media (prefers-color-scheme: dark) { :root { --quiet: #a5a5a5; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .2rem; }
p { margin: .2rem 0 .6rem; }
.quiet { color: var(--quiet); }
iframe { border: 0; background: #fff; width: 100%; max-width: 776px; }
"""


@paper_style()
def interactive_brain_html(
    maps: ArrayLike, grid: VoxelGrid, panels: pd.DataFrame, *, title: str
) -> str:
    """Write a page of views of maps on the MNI152 brain that follow the pointer.

    Each view is nilearn's `view_img` in a frame of its own; scripts and pictures are inside the
    page, the brain only once.

    Parameters
    ----------
    maps
        Shape (panels, voxels), finite.
    grid
        The mask that the voxels lie in, in MNI space.
    panels
        One row per map, in their order, with the columns
        `neurospect.figures.saliency_panels.PANEL_COLUMNS`.
    title
        What the maps are of; the heading of the page.

    Returns
    -------
    str
        HTML, of half a megabyte and some fifty kilobytes a map. The same maps give the same text.

    Raises
    ------
    BadInputError
        If maps, grid and table do not fit together, a map is not finite, or there are more than
        `MOST` maps.
    """
    values = checked_voxels(maps, grid, panels)
    if len(values) > MOST:
        raise BadInputError(
            "interactive brain",
            "maps",
            found=len(values),
            expected=f"at most {MOST}",
            remedy="Choose some classes and methods, or write several pages.",
        )
    shown = read_panels(panels, len(values))
    return html_page(
        title, _STYLE, [f'<p class="quiet">{_explained()}</p>', *_sections(values, grid, shown)]
    )


def _sections(
    values: NDArray[np.float64], grid: VoxelGrid, panels: Sequence[MapPanel]
) -> list[str]:
    limits = [scale_limit(row, EXTREME) for row in values]
    views = [_view(row, grid, limit) for row, limit in zip(values, limits, strict=True) if limit]
    frames, shared = shared_frames([page for page, _ in views])
    in_turn = zip(frames, (height for _, height in views), strict=True)
    sections = []
    for panel, limit in zip(panels, limits, strict=True):
        name = ", ".join(filter(None, (panel.column, panel.decoder, panel.method)))
        said = "; ".join(filter(None, (panel.correlation_said, f"colours: {limit_said(limit)}")))
        sections.append(f"<h2>{escape(name)}</h2>\n<p>{escape(said)}</p>")
        if limit:
            page, height = next(in_turn)
            sections.append(f'<iframe title="{escape(name)}" height="{height}" {page}></iframe>')
    return [*sections, *shared]


def _view(values: NDArray[np.float64], grid: VoxelGrid, limit: float) -> tuple[str, int]:
    """Page of one view, and its height in pixels."""
    # The view writes numbers with three decimals: those of small values would all be zero.
    power = power_of_ten(limit)
    values, limit = values / 10.0**power, limit / 10.0**power
    image = nibabel.Nifti1Image(grid.whole(values.astype(np.float32)), grid.affine)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        # Of numpy, where nilearn takes a percentile of the masked background.
        warnings.filterwarnings("ignore", message=".*'partition' will ignore the 'mask'")
        view = view_img(
            image,
            bg_img=load_mni152_template(resolution=BACKGROUND_MM),
            threshold=float(np.quantile(np.abs(values), 1 - SHOWN)),
            vmax=limit,
            title=f"colours × 10{str(power).translate(RAISED)}" if power else None,
            cmap=difference_colours(),
            black_bg=False,
            width_view=WIDTH,
        )
    return str(view.html), int(view.height) + 24


def _explained() -> str:
    return (
        f"Point at a place to cut there. Coloured: the {100 * SHOWN:g} % of the brain's voxels "
        "that are largest in size, more in orange, less in purple; the colours of each map end at "
        f"the {EXTREME:g}th percentile of its absolute values. MNI152 brain; x, y, z in mm."
    )
