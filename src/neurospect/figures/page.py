"""A whole figure of the paper on one page: panels of trajectories and of group differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.clusters import cluster_lines, draw_clusters
from neurospect.figures.gradient_values import WHOLE_BATCH, value_limits
from neurospect.figures.group_differences import (
    RANK_LABEL,
    compared_groups,
    draw_differences,
    ratio_limit,
    significance_lines,
)
from neurospect.figures.layout import add_axes, add_text, fit_text, new_figure, width_of
from neurospect.figures.panels import Panel, read_panel
from neurospect.figures.style import (
    LARGE,
    NOISE_TEXT,
    NORMAL,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SMALL,
    difference_norm,
    paper_style,
    rank_norm,
)
from neurospect.figures.trajectories import (
    STEP_LABEL,
    VALUE_LABEL,
    draw_trajectories,
    name_noise,
    thinning_lines,
)
from neurospect.figures.weights import shape_of, two_line_titles, weight_label

HALF = PAGE_WIDTH / 2
MARGIN, GAP, RIGHT = 17.0, 6.5, 2.5
HEADING, NOTE, LAYER, FOOT = 4.2, 3.0, 6.6, 10.0
NOTE_MARGIN = 10.0
"""What the margins and the letter leave no room for beside a note, mm."""
TALLEST, SHORTEST, READABLE, NARROWEST = 34.0, 14.0, 22.0, 12.0
"""Limits of the size of axes, mm; under the readable height, axes are set closer."""
MOST_PANELS = 10


@dataclass(frozen=True)
class Place:
    """Where a panel stands: its left and upper edge in mm, and its axes side by side."""

    panel: Panel
    left: float
    top: float
    across: int
    heading: float
    """Height of its heading, mm."""
    slots: int
    """Axes that share half the width of the page."""
    high: float
    """Height of the axes, mm."""

    @property
    def wide(self) -> float:
        """Width of the axes, mm."""
        return axes_width(self.slots)

    def corner(self, number: int) -> tuple[float, float]:
        """Left and upper edge of the axes of a weight, mm."""
        line, column = divmod(number, self.across)
        half, slot = divmod(column, self.slots)
        left = self.left + half * HALF + MARGIN + slot * (self.wide + GAP)
        return left, self.top + self.heading + line * (LAYER + self.high + FOOT) + LAYER


def axes_width(slots: int) -> float:
    """Width of axes of which `slots` share half the width of the page, mm."""
    return (HALF - MARGIN - RIGHT - GAP * (slots - 1)) / slots


@paper_style()
def figure_page(experiment_title: str, panels: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw up to ten panels on one page, 183 mm wide and at most 247 mm high.

    All trajectories share their axes and the colours of ranks; all difference maps share their
    colours. Two panels stand side by side, but one that has more layers than fit takes the
    whole width.

    Parameters
    ----------
    experiment_title
        Stands above the page.
    panels
        In the order of the page, each with

        - ``name``: its letter;
        - ``title``: what was trained, e.g. "Auto-encoding, [32], ReLU";
        - ``kind``: "trajectories" or "differences";
        - ``data``: a DataTree of spectra, or the table of a permutation test;
        - ``group``, ``words`` (optional): whose trajectories ("all"), and weight → layer in
          words where `layer_words` does not fit;
        - ``clusters``, ``cells`` (optional): the two tables of the cluster test.

        Of a panel with more than four weights the first, the middle and the last are shown.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    BadInputError
        If a panel lacks a field, its data are of another kind, two have one name, or the
        panels do not fit.
    """
    if not 1 <= len(panels) <= MOST_PANELS:
        raise _does_not_fit(f"{len(panels)} panels")
    known = [read_panel(panel, place) for place, panel in enumerate(panels)]
    names = [panel.name for panel in known]
    if len(set(names)) < len(names):
        raise BadInputError(
            "figure page",
            "names",
            found=", ".join(names),
            expected="a name of its own for every panel",
            remedy="Letter the panels.",
        )
    tables = {panel.name: panel.table for panel in known if panel.table is not None}
    clusters = {panel.name: panel.clusters for panel in known if panel.clusters is not None}
    said = [*_thinning(known), *significance_lines(tables), *cluster_lines(clusters)]
    lines = keys.wrapped(said, PAGE_WIDTH - MARGIN - 2)
    foot = _key_height(known) + keys.LINE * len(lines) + 1.5
    places, bottom = _places(known, *_grid(known, foot))
    figure = new_figure(PAGE_WIDTH, bottom + foot)
    add_text(figure, 3.0, 2.0, experiment_title, size=LARGE, weight="bold")
    norm, limits = _shared_trajectories(known)
    limit, clipped = ratio_limit(tables.values())
    for place in places:
        _draw(figure, place, norm, limits, difference_norm(limit))
    if len(tables) < len(known):
        groups = {panel.group for panel in known if panel.table is None}
        samples = "the whole batch" if groups == {WHOLE_BATCH} else "the samples shown"
        width = (HALF if tables else PAGE_WIDTH) - MARGIN - RIGHT
        keys.rank_key(figure, norm, MARGIN, bottom, width, samples=samples)
    if tables:
        left = HALF + MARGIN if len(tables) < len(known) else MARGIN
        pairs = {compared_groups(table) for table in tables.values()}
        pair = pairs.pop() if len(pairs) == 1 else None
        keys.difference_key(
            figure, difference_norm(limit), pair, left, bottom, HALF - MARGIN - RIGHT,
            clipped=clipped, clusters=bool(clusters),
        )  # fmt: skip
    keys.add_lines(figure, lines, MARGIN, bottom + _key_height(known))
    return figure


def _grid(panels: Sequence[Panel], foot: float) -> tuple[int, float]:
    """Choose how many axes share half the page, and their height in mm.

    Two; or all of a panel's, where the page would not be high enough otherwise.
    """
    most = max(len(panel.weights) for panel in panels)
    alone = len({panel.kind for panel in panels}) == len(panels)
    roomy = ceil(most / 2) if alone else min(2, most)
    for slots in (roomy, max(roomy, most)):
        _, fixed = _places(panels, slots, 0.0)
        _, with_one = _places(panels, slots, 1.0)
        high = min(TALLEST, (PAGE_HEIGHT - foot - fixed) / (with_one - fixed))
        if high >= READABLE:
            break
    if high < SHORTEST or axes_width(slots) < NARROWEST:
        raise _does_not_fit(f"{len(panels)} panels of up to {most} weights")
    return slots, high


def _rows(panels: Sequence[Panel], slots: int) -> list[list[Panel]]:
    """Put panels of one kind side by side, two a row; one with more weights than slots alone."""
    rows: list[list[Panel]] = []
    for panel in panels:
        beside = rows[-1] if rows else []
        fits = len(beside) == 1 and beside[0].kind == panel.kind
        if fits and max(len(p.weights) for p in (panel, *beside)) <= slots:
            beside.append(panel)
        else:
            rows.append([panel])
    return rows


def _places(panels: Sequence[Panel], slots: int, high: float) -> tuple[list[Place], float]:
    """Place all panels for axes `high` mm high; also where the last row ends, mm."""
    places: list[Place] = []
    top = 8.0
    for row in _rows(panels, slots):
        room = PAGE_WIDTH if len(row) == 1 and len(row[0].weights) > slots else HALF
        notes = max(len(panel.notes(room - NOTE_MARGIN)) for panel in row)
        heading = HEADING + NOTE * notes
        height = 0.0
        for half, panel in enumerate(row):
            count = len(panel.weights)
            across = min(count, 2 * slots)
            # Fewer weights than slots spread over their half, so that no gap is left.
            shared = min(count, slots)
            places.append(Place(panel, half * HALF, top, across, heading, shared, high))
            height = max(height, heading + ceil(count / across) * (LAYER + high + FOOT))
        top += height
    return places, top


def _shared_trajectories(panels: Sequence[Panel]) -> tuple[LogNorm, tuple[float, float]]:
    """Scale of ranks, and limits of values, for all trajectories of a page."""
    shown = [(node, panel.group) for panel in panels for node in panel.nodes.values()]
    highest = max((int(node["rank"].max()) for node, _ in shown), default=1)
    return rank_norm(highest), value_limits(shown)


def _draw(
    figure: Figure,
    place: Place,
    norm: LogNorm,
    limits: tuple[float, float],
    differences: Normalize,
) -> None:
    """Draw one panel: its heading, and axes for each weight."""
    panel = place.panel
    _head(figure, place)
    for number, weight in enumerate(panel.weights):
        axes = add_axes(figure, *place.corner(number), place.wide, place.high)
        inner = bool(number % place.across % place.slots)
        if panel.table is None:
            draw_trajectories(axes, panel.nodes[weight], panel.group, norm=norm, limits=limits)
            if number == 0:
                name_noise(axes)
            if inner:
                axes.tick_params(labelleft=False)
        else:
            draw_differences(axes, panel.table, weight, norm=differences)
            if panel.clusters is not None and panel.cells is not None:
                draw_clusters(axes, panel.clusters, panel.cells, panel.table, weight)
        _label(axes, place, number, inner=inner)


def _head(figure: Figure, place: Place) -> None:
    """Write a panel's letter, title and note."""
    panel = place.panel
    room = (PAGE_WIDTH if place.across > place.slots else HALF) - 3.0 - RIGHT
    letter = add_text(figure, place.left + 3.0, place.top, panel.name, size=9, weight="bold")
    left = place.left + 3.0 + max(4.5, width_of(letter) + 1.5)
    room -= left - place.left - 3.0
    title = add_text(figure, left, place.top + 0.25, panel.title, size=NORMAL)
    fit_text(title, room)
    whole = PAGE_WIDTH if place.across > place.slots else HALF
    for line, note in enumerate(panel.notes(whole - NOTE_MARGIN)):
        top = place.top + 3.5 + line * NOTE
        fit_text(add_text(figure, left, top, note, size=SMALL, color=NOISE_TEXT), room)


def _label(axes: Axes, place: Place, number: int, *, inner: bool) -> None:
    """Name the weight above its axes, and what the axes show."""
    panel, weight = place.panel, place.panel.weights[number]
    shape = shape_of(panel.nodes[weight]) if panel.table is None else None
    room = min(place.wide + GAP - 1.0, PAGE_WIDTH - 1.0 - place.corner(number)[0])
    words = panel.words[weight]
    text = f"{words}\n{weight_label(weight, shape)}"
    title = axes.set_title(text, loc="left", size=SMALL, linespacing=1.1, pad=3.0)
    fit_text(title, room, *two_line_titles(words, weight, shape))
    axes.set_xlabel(STEP_LABEL, size=SMALL)
    if not inner:
        label = VALUE_LABEL if panel.table is None else RANK_LABEL
        axes.set_ylabel(label, size=SMALL)


def _thinning(panels: Sequence[Panel]) -> list[str]:
    """Say how many of the recorded steps are drawn, where not all are."""
    return list(
        dict.fromkeys(
            line for panel in panels for line in thinning_lines(panel.nodes, panel.recorded_steps)
        )
    )


def _key_height(panels: Sequence[Panel]) -> float:
    kinds = {panel.kind for panel in panels}
    if any(panel.clusters is not None for panel in panels):
        return keys.DIFFERENCE_KEY_HEIGHT + keys.LINE
    return keys.WIDE_RANK_KEY_HEIGHT if kinds == {"trajectories"} else keys.DIFFERENCE_KEY_HEIGHT


def _does_not_fit(found: str) -> BadInputError:
    return BadInputError(
        "figure page",
        "panels",
        found=found,
        expected=f"1 to {MOST_PANELS} panels that fit on {PAGE_WIDTH:g} by {PAGE_HEIGHT:g} mm",
        remedy="Show fewer panels, or fewer weights in each, and the rest on a page of its own.",
    )
