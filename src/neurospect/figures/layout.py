"""Axes and text placed in millimetres from the upper left corner, so that panels align."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.figures.style import MM_PER_INCH


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of `width` by `height` mm."""
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH))
    FigureCanvasAgg(figure)
    return figure


@dataclass(frozen=True)
class Grid:
    """Axes of one size, row after row; all lengths in mm.

    Attributes
    ----------
    width
        Of the figure.
    across
        Axes side by side.
    left, right
        Margins of each.
    head
        Above the first row.
    title, high, foot
        Heights of what stands above axes, of the axes, and of what stands under them.
    """

    width: float
    across: int
    left: float
    right: float
    head: float
    title: float
    high: float
    foot: float

    @property
    def cell(self) -> float:
        """Width of axes with their margins."""
        return self.width / self.across

    @property
    def wide(self) -> float:
        """Width of axes."""
        return self.cell - self.left - self.right

    def corner(self, place: int) -> tuple[float, float]:
        """Left and upper edge of axes, counted from 0."""
        row, column = divmod(place, self.across)
        return column * self.cell + self.left, self.bottom(row * self.across) + self.title

    def bottom(self, count: int) -> float:
        """Lower edge of so many axes with what stands under them."""
        return self.head + ceil(count / self.across) * (self.title + self.high + self.foot)


def size_in_mm(figure: Figure) -> tuple[float, float]:
    """Width and height of a figure, mm."""
    width, height = figure.get_size_inches()
    return float(width) * MM_PER_INCH, float(height) * MM_PER_INCH


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Put axes of `width` by `height` mm with their upper left corner at (`left`, `top`) mm."""
    across, down = size_in_mm(figure)
    return figure.add_axes(
        (left / across, 1 - (top + height) / down, width / across, height / down)
    )


def add_text(figure: Figure, left: float, top: float, text: str, **options: Any) -> Text:
    """Write text, as it stands, with its upper left corner at (`left`, `top`) mm."""
    across, down = size_in_mm(figure)
    as_it_stands: dict[str, Any] = {"va": "top", "parse_math": False}
    return figure.text(left / across, 1 - top / down, text, **(as_it_stands | options))


def width_of(text: Text) -> float:
    """Width of a text as it will be drawn, mm."""
    figure = text.get_figure(root=True)
    assert figure is not None
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    return float(text.get_window_extent(renderer).width) / figure.dpi * MM_PER_INCH


def fit_text(text: Text, width: float, *shorter: str) -> Text:
    """Make a text at most `width` mm wide.

    The first of the text and its `shorter` wordings that fits is taken. Where none does, the
    middle of each line is cut out of the last: both ends of a parameter's name tell weights
    apart, its middle rarely does.
    """
    text.set_parse_math(False)  # a class called `$5` is no formula
    for wording in (text.get_text(), *shorter):
        text.set_text(wording)
        if width_of(text) <= width:
            return text
    lines: list[str] = []
    for line in text.get_text().split("\n"):
        keep = len(line)
        text.set_text(line)
        while keep > 3 and width_of(text) > width:
            keep -= 1
            head = (keep - 1) // 2
            text.set_text(f"{line[:head]}…{line[len(line) - (keep - 1 - head) :]}")
        lines.append(text.get_text())
    text.set_text("\n".join(lines))
    return text
