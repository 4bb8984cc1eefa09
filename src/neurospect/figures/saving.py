"""Figures written whole, the same bytes every time, each carrying its recipe id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from neurospect.arrays.atomic import atomic_path
from neurospect.figures.style import DOTS_PER_INCH, paper_style
from neurospect.provenance.tags import figure_metadata


def save_figure(figure: Figure, paths: Sequence[Path], recipe: str) -> None:
    """Write a figure under each of `paths`, in the format that its suffix names.

    PNG has 300 dots per inch; text stays text in SVG and PDF. No date is written: the same
    figure gives the same bytes.

    Parameters
    ----------
    figure
        What to write.
    paths
        Final names, ending in `.png`, `.svg` or `.pdf`.
    recipe
        Recipe id of the job that draws the figure, 64 hexadecimal digits; goes into each file.

    Raises
    ------
    BadInputError
        If a suffix is another, or the recipe id is none. Nothing is written then.
    """
    finals = [Path(path) for path in paths]
    metadata = [figure_metadata(recipe, final.suffix) for final in finals]
    with paper_style():
        for final, tags in zip(finals, metadata, strict=True):
            with atomic_path(final) as temporary:
                figure.savefig(temporary, dpi=DOTS_PER_INCH, metadata=tags)
