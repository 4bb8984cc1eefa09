"""Figures written whole, the same bytes every time, each carrying its recipe id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from neurospect.arrays.atomic import atomic_path
from neurospect.figures.few_colours import with_few_colours
from neurospect.figures.style import DOTS_PER_INCH, paper_style
from neurospect.provenance.tags import figure_metadata


def save_figure(
    figure: Figure, paths: Sequence[Path], recipe: str, *, all_colours: bool = False
) -> None:
    """Write a figure under each of `paths`, in the format that its suffix names.

    PNG has 300 dots per inch and 256 colours, those that suit the figure, so that a report of many
    stays small; SVG and PDF have them all, and text stays text in them. No date is written: the
    same figure gives the same bytes.

    Parameters
    ----------
    figure
        What to write.
    paths
        Final names, ending in `.png`, `.svg` or `.pdf`.
    recipe
        Recipe id of the job that draws the figure, 64 hexadecimal digits; goes into each file.
    all_colours
        Whether PNG, too, keeps every colour: for maps, whose shades would show steps.

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
                if final.suffix == ".png" and not all_colours:
                    _save_png(figure, temporary, tags)
                else:
                    figure.savefig(temporary, dpi=DOTS_PER_INCH, metadata=tags)


def _save_png(figure: Figure, path: Path, tags: Mapping[str, str | None]) -> None:
    """Write a PNG of 256 colours, a third as large as one of all."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH, pil_kwargs={"compress_level": 0})
    with Image.open(drawn) as picture:
        few = with_few_colours(picture.convert("RGB"))
        resolution = picture.info["dpi"]
    text = PngInfo()
    for key, value in tags.items():
        text.add_text(key, str(value))
    few.save(path, "PNG", pnginfo=text, dpi=resolution, optimize=True)
