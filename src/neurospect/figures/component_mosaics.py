"""Maps of components on the brain, as the field shows them: one row of cuts a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures import brain_cuts
from neurospect.figures.brain_cuts import AXIAL, CORONAL, SAGITTAL, Cut
from neurospect.figures.categories import category_colours, dark, in_order
from neurospect.figures.keys import BAR, LINE, add_lines, colour_bar
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure
from neurospect.figures.style import LARGE, PAGE_WIDTH, SMALL, paper_style
from neurospect.preprocess.neuromark import DOMAINS

DIRECTIONS = (SAGITTAL, CORONAL, AXIAL, AXIAL, AXIAL)
"""Cuts side by side in one line of a domain's row."""
MOST_LINES = 2
"""Lines of cuts in a row, where one does not show each component above the threshold."""
MARGIN, GAP = 3.0, 1.0
SCALE, SMALL_SCALE = 0.124, 0.113
"""Mm on paper per mm of brain, in rows of domains and in panels of single components."""
PER_LINE = 3
"""Panels of single components side by side."""
ENTRY, COLUMNS, NAME = 2.75, 2, 4.5
"""Height of an entry of the legend, mm, entries side by side, height of the domain's name."""
FOOT = 3.5
"""Room under a line of cuts for where they lie, mm."""
NUMBER = 5.5
"""Size of a component's number on the brain, points."""
INSIDE = 10.0
"""How far from the edge of its colour a number stands if it can, points of a picture."""
NUMBER_ROOM = (19.0, 13.0)
"""Width and height that a number takes, mm of brain."""


@dataclass(frozen=True)
class _Maps:
    """Maps in standard deviations, with what to call them."""

    values: NDArray[np.float64]
    grid: VoxelGrid
    numbers: list[str]
    labels: list[str]
    threshold: float

    def chosen(self, places: Sequence[int]) -> _Maps:
        rows = list(places)
        return _Maps(
            self.values[rows],
            self.grid,
            [self.numbers[row] for row in rows],
            [self.labels[row] for row in rows],
            self.threshold,
        )


@paper_style()
def component_mosaics(
    maps: ArrayLike,
    grid: VoxelGrid,
    components: pd.DataFrame,
    *,
    title: str = "",
    threshold: float = 2.0,
) -> Figure:
    """Draw maps of components on the MNI152 brain, by domain where the domains are known.

    With domains, each has a row: its components lie over one another in distinct colours, on
    cuts chosen so that each of them is cut where it is strong, with its number there, and a
    legend beside the cuts. Without, each component has a panel of its own with three cuts
    through its peak.

    Parameters
    ----------
    maps
        Shape (components, voxels), finite, in any unit: each is divided by its standard
        deviation over voxels about its mean, which is subtracted.
    grid
        The mask that the voxels lie in, in MNI space.
    components
        One row per map, in their order: `component` (its number), and where known `domain`,
        `label`, and the peak `x`, `y`, `z` (MNI, mm).
    title
        What the maps are, e.g. "Mean over 24 participants"; stands above the figure.
    threshold
        Least z that is coloured, standard deviations.

    Returns
    -------
    matplotlib.figure.Figure
        183 mm wide.

    Raises
    ------
    BadInputError
        If maps, grid and components do not fit together, a map is constant or not finite, or
        the threshold is not positive.
    """
    if not 0 < threshold < np.inf:
        raise BadInputError(
            "component mosaics",
            "threshold",
            found=threshold,
            expected="a positive number of standard deviations",
            remedy="Take 2.",
        )
    numbers = [f"{number}" for number in _column(components, "component")]
    labels = _column(components, "label")
    z = _z_scored(brain_cuts.checked_maps(maps, grid, numbers), numbers)
    scored = _Maps(z, grid, numbers, labels, threshold)
    domains = _column(components, "domain")
    if any(domains):
        return _by_domain(scored, [domain or "no domain" for domain in domains], title)
    peaks = components.reindex(columns=["x", "y", "z"]).to_numpy(dtype=np.float64)
    return _one_by_one(scored, peaks, title)


def _column(components: pd.DataFrame, name: str) -> list[str]:
    if name not in components:
        if name != "component":
            return [""] * len(components)
        raise BadInputError(
            "components",
            "columns",
            found=", ".join(map(str, components.columns)) or "none",
            expected="at least `component`",
            remedy="Give the table that belongs to the maps.",
        )
    return ["" if pd.isna(value) else str(value).strip() for value in components[name]]


def _z_scored(maps: NDArray[np.floating], numbers: Sequence[str]) -> NDArray[np.float64]:
    values = maps.astype(np.float64)
    spread = values.std(axis=1, keepdims=True)
    if not spread.all():
        raise BadInputError(
            "maps",
            f"component {numbers[int(np.argmin(spread))]}",
            found="one value everywhere",
            expected="a map that varies over voxels",
            remedy="Look at the file that the map was made from.",
        )
    return np.asarray((values - values.mean(axis=1, keepdims=True)) / spread)


@dataclass(frozen=True)
class _Row:
    """One domain: its maps, its cuts, and each map on each cut."""

    domain: str
    maps: _Maps
    cuts: list[Cut]
    strengths: list[NDArray[np.float64]]


def _by_domain(maps: _Maps, domains: Sequence[str], title: str) -> Figure:
    rows = [_row(domain, maps.chosen(places)) for domain, places in in_order(domains)]
    across, high = _line_size()
    heights = [
        max(len(row.cuts) // len(DIRECTIONS) * (high + FOOT), _legend_height(row.maps)) + 1.5
        for row in rows
    ]
    head = 8.0 if title else 2.0
    legend_width = PAGE_WIDTH - 2 * MARGIN - across - 3.0
    figure = new_figure(PAGE_WIDTH, head + sum(heights) + 2 * LINE + 3.0)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    top = head
    for row, height in zip(rows, heights, strict=True):
        _draw_legend(figure, row, MARGIN, top, legend_width)
        _draw_cuts(figure, row, PAGE_WIDTH - MARGIN - across, top)
        top += height
    words = [
        f"Coloured: z > {maps.threshold:g} over the voxels of each map, the more opaque, the "
        "larger; where maps overlap, the one of the largest z.",
        "A number stands where its component is strong. MNI152 brain, cuts in mm; "
        "L: the brain's left.",
    ]
    add_lines(figure, words, MARGIN, top + 1.0)
    return figure


def _row(domain: str, maps: _Maps) -> _Row:
    """Choose cuts, line by line, until each component is above the threshold on one of them."""
    profiles = brain_cuts.profiles(maps.values, maps.grid)
    cuts: list[Cut] = []
    strengths: list[NDArray[np.float64]] = []
    seen = np.zeros(len(maps.numbers), dtype=bool)
    while not seen.all() and len(cuts) < MOST_LINES * len(DIRECTIONS):
        more = brain_cuts.choose_cuts(profiles, DIRECTIONS, cuts)
        cuts += more
        strengths += [_on_cut(maps, cut) for cut in more]
        seen = np.any([(s > maps.threshold).any(axis=(1, 2)) for s in strengths], axis=0)
    return _Row(domain, maps, cuts, strengths)


def _on_cut(maps: _Maps, cut: Cut) -> NDArray[np.float64]:
    """Values of each map on a cut, shape (maps, rows, columns)."""
    points = cut.points()
    return np.stack([brain_cuts.sampled(row, maps.grid, points) for row in maps.values])


def _line_size() -> tuple[float, float]:
    """Width and height of one line of cuts, mm."""
    sizes = [brain_cuts.picture_size(axis, SCALE) for axis in DIRECTIONS]
    width = sum(width for width, _ in sizes) + GAP * (len(sizes) - 1)
    return width, max(height for _, height in sizes)


def _legend_height(maps: _Maps) -> float:
    return NAME + ceil(len(maps.numbers) / COLUMNS) * ENTRY


def _draw_cuts(figure: Figure, row: _Row, edge: float, top: float) -> None:
    _, high = _line_size()
    colours = np.array(category_colours(len(row.maps.numbers)))
    drawn = []
    left, y = edge, top
    for place, (cut, strength) in enumerate(zip(row.cuts, row.strengths, strict=True)):
        if place and place % len(DIRECTIONS) == 0:
            left, y = edge, y + high + FOOT
        width, height = brain_cuts.picture_size(cut.axis, SCALE)
        axes = add_axes(figure, left, y + high - height, width, height)
        picture = _coloured(strength, colours, row.maps)
        brain_cuts.draw_cut(axes, cut, brain_cuts.laid_over(brain_cuts.anatomy(cut), picture))
        axes.set_title(cut.label, y=-0.02, va="top", size=NUMBER, pad=0)
        drawn.append(axes)
        left += width + GAP
    _write_numbers(drawn, row, colours)


def _coloured(
    strength: NDArray[np.float64], colours: NDArray[np.float64], maps: _Maps
) -> NDArray[np.float64]:
    """Colour each point by the map of the largest z there, if that is above the threshold."""
    winner, largest = strength.argmax(axis=0), strength.max(axis=0)
    peak = maps.values.max(axis=1)[winner]
    share = np.clip((largest - maps.threshold) / np.maximum(peak - maps.threshold, 1e-9), 0, 1)
    opaque = np.where(largest > maps.threshold, 0.65 + 0.35 * share, 0.0)
    return np.concatenate([colours[winner], opaque[..., np.newaxis]], axis=-1)


def _write_numbers(drawn: Sequence[Axes], row: _Row, colours: NDArray[np.float64]) -> None:
    """Write each number once: on the cut where its map is strongest, if there is room."""
    taken: list[list[tuple[float, float]]] = [[] for _ in drawn]
    for place, number in enumerate(row.maps.numbers):
        order = np.argsort([-strength[place].max() for strength in row.strengths], kind="stable")
        options = [(int(c), xy) for c in order for xy in _own_points(row, int(c), place)]
        if not options:
            continue
        free = (o for o in options if all(_apart(o[1], other) for other in taken[o[0]]))
        which, (x, y) = next(free, options[0])
        taken[which].append((x, y))
        red, green, blue = colours[place]
        drawn[which].text(
            x,
            y,
            number,
            size=NUMBER,
            ha="center",
            va="center",
            color="white" if dark((red, green, blue)) else "black",
            gid=f"component {number}",
        )


def _own_points(row: _Row, cut: int, place: int) -> list[tuple[float, float]]:
    """Points of a cut that have a component's colour, the strongest first."""
    strength = row.strengths[cut]
    own = (strength.argmax(axis=0) == place) & (strength[place] > row.maps.threshold)
    up, across = np.nonzero(own)
    # Well inside its colour rather than at the very peak, if that lies at the edge.
    inside = np.minimum(distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1][own], INSIDE)
    order = np.argsort(-strength[place][own] * inside, kind="stable")[:: max(1, len(up) // 200)]
    left, right, bottom, top = row.cuts[cut].extent
    rows, columns = own.shape
    x = left + (across[order] + 0.5) * (right - left) / columns
    y = bottom + (up[order] + 0.5) * (top - bottom) / rows
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _apart(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) >= NUMBER_ROOM[0] or abs(one[1] - other[1]) >= NUMBER_ROOM[1]


def _draw_legend(figure: Figure, row: _Row, left: float, top: float, width: float) -> None:
    """Name a domain and list its components: colour, number and label, column by column."""
    name = f"{DOMAINS[row.domain]} ({row.domain})" if row.domain in DOMAINS else row.domain
    fit_text(add_text(figure, left, top + 0.8, name, weight="bold"), width)
    maps, height = row.maps, _legend_height(row.maps) - NAME
    axes = add_axes(figure, left, top + NAME, width, height)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    long = ceil(len(maps.numbers) / COLUMNS)
    for place, colour in enumerate(category_colours(len(maps.numbers))):
        column, line = divmod(place, long)
        x, y = column * width / COLUMNS, line * ENTRY
        axes.add_patch(Rectangle((x, y + 0.3), 4.2, ENTRY - 0.5, facecolor=colour, linewidth=0))
        axes.text(
            x + 2.1,
            y + ENTRY / 2,
            maps.numbers[place],
            size=NUMBER,
            ha="center",
            va="center_baseline",
            color="white" if dark(colour) else "black",
        )
        label = axes.text(
            x + 5.0, y + ENTRY / 2, maps.labels[place], size=NUMBER, va="center_baseline"
        )
        fit_text(label, width / COLUMNS - 5.5)


def _one_by_one(maps: _Maps, peaks: NDArray[np.float64], title: str) -> Figure:
    """Draw a panel of three cuts for each component, coloured by z."""
    directions = (SAGITTAL, CORONAL, AXIAL)
    sizes = [brain_cuts.picture_size(axis, SMALL_SCALE) for axis in directions]
    high = max(height for _, height in sizes)
    pitch = high + 10.0
    wide = (PAGE_WIDTH - 2 * MARGIN) / PER_LINE
    head = 8.0 if title else 2.0
    bottom = head + ceil(len(maps.numbers) / PER_LINE) * pitch
    figure = new_figure(PAGE_WIDTH, bottom + 13.0)
    if title:
        add_text(figure, MARGIN, 2.5, title, size=LARGE, weight="bold")
    # Up to the peak of an ordinary map: one very sharp map must not darken all the others.
    peaks_of_all = maps.values.max(axis=1)
    highest = max(float(np.median(peaks_of_all)), 1.5 * maps.threshold)
    norm = Normalize(maps.threshold, highest, clip=True)
    for place, (number, label) in enumerate(zip(maps.numbers, maps.labels, strict=True)):
        line, column = divmod(place, PER_LINE)
        left, top = MARGIN + column * wide, head + line * pitch
        name = add_text(figure, left, top + 0.5, f"{number}  {label}".strip(), weight="bold")
        fit_text(name, wide - 2.0)
        for cut, (width, height) in zip(
            _cuts_through_peak(maps, place, peaks[place]), sizes, strict=True
        ):
            axes = add_axes(figure, left, top + 4.5 + high - height, width, height)
            strength = brain_cuts.sampled(maps.values[place], maps.grid, cut.points())
            picture = _heat()(norm(strength))
            picture[..., 3] = strength > maps.threshold
            brain_cuts.draw_cut(axes, cut, brain_cuts.laid_over(brain_cuts.anatomy(cut), picture))
            axes.set_title(cut.label, y=-0.02, va="top", size=NUMBER, pad=0)
            left += width + 0.5
    bar = add_axes(figure, MARGIN + 2.0, bottom + 1.5 + LINE, 60.0, BAR)
    beyond = "max" if peaks_of_all.max() > highest else "neither"
    colour_bar(figure, bar, ScalarMappable(norm, _heat()), extend=beyond)
    add_text(figure, MARGIN, bottom + 1.5, "z over the voxels of each map", size=SMALL)
    words = [
        f"Coloured: z > {maps.threshold:g}. Cuts through the peak of each map.",
        "MNI152 brain, cuts in mm; L: the brain's left.",
    ]
    add_lines(figure, words, MARGIN + 70.0, bottom + 2.0)
    return figure


def _cuts_through_peak(maps: _Maps, place: int, peak: NDArray[np.float64]) -> list[Cut]:
    """Sagittal, coronal and axial cut through a given peak, or else the map's largest value."""
    if not np.isfinite(peak).all():
        voxel = np.argwhere(maps.grid.mask)[int(np.argmax(maps.values[place]))]
        peak = maps.grid.affine[:3, :3] @ voxel + maps.grid.affine[:3, 3]
    return [Cut(axis, round(float(peak[axis]), 1)) for axis in (SAGITTAL, CORONAL, AXIAL)]


def _heat() -> Colormap:
    # The pale end of the map is left out: it would vanish among the light greys of the brain.
    inferno = mpl.colormaps["inferno"]
    return ListedColormap([inferno(0.25 + 0.65 * i / 255) for i in range(256)], name="z")
