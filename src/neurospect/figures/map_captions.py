"""What stands under each map of a figure: its correlation, and where its colours end."""

from __future__ import annotations

from matplotlib.figure import Figure

from neurospect.figures.layout import add_text, fit_text
from neurospect.figures.saliency_panels import MapPanel, limit_said

ONE_LINE = 18.0
"""Width from which on a map's words stand in one line, mm."""
LETTERS = 5.5
"""Size of the words, pt."""
APART = 0.6
"""Between the words of neighbours, mm."""


def caption_map(
    figure: Figure,
    middle: float,
    top: float,
    panel: MapPanel,
    limit: float,
    *,
    wide: float,
    pitch: float,
) -> None:
    """Write a map's correlation and the end of its colours under it.

    Parameters
    ----------
    figure
        Where to write.
    middle, top
        Of the words, mm from the left and from the top.
    panel
        The map.
    limit
        At which its colours end.
    wide
        Width of the map, mm.
    pitch
        From its middle to that of its neighbour, mm. Where two digits of the limit do not fit into
        it, one is written.
    """
    between = "   " if wide >= ONE_LINE else "\n"
    said, shorter = (
        between.join(filter(None, (panel.correlation_said, limit_said(limit, digits))))
        for digits in (2, 1)
    )
    words = add_text(figure, middle, top, said, size=LETTERS, ha="center", linespacing=1.15)
    fit_text(words, pitch - APART, shorter)
