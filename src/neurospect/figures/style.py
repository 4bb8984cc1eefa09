"""One look for every figure: sizes, fonts, colours, and settings that keep bytes equal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize

MM_PER_INCH = 25.4
COLUMN_WIDTH = 89.0
"""Width of one journal column, mm."""
PAGE_WIDTH = 183.0
"""Width of two journal columns, mm."""
PAGE_HEIGHT = 247.0
"""Largest height of a figure on a page, mm."""
DOTS_PER_INCH = 300

SMALL, NORMAL, LARGE = 6.5, 7.0, 8.0
"""Font sizes at final size, points."""

INK = "0.15"
NOISE = "0.90"
NOISE_EDGE = "0.62"
NOISE_TEXT = "0.40"
NOISE_HATCH = "/////"

STYLE: Any = {
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "savefig.bbox": None,
    "savefig.facecolor": "white",
    # The font that matplotlib itself brings comes first, so that every machine sets the same text.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica", "sans-serif"],
    "mathtext.fontset": "dejavusans",
    "mathtext.default": "regular",
    "font.size": NORMAL,
    "axes.titlesize": NORMAL,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 2.0,
    "axes.labelpad": 2.0,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.35,
    "ytick.minor.width": 0.35,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "lines.linewidth": 0.55,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "hatch.linewidth": 0.35,
    "hatch.color": NOISE_EDGE,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "neurospect",
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save in the house style; what was set before comes back afterwards.

    Figures are made without pyplot, so no window system is ever asked for. Serves as a
    decorator, too.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def rank_colours() -> Colormap:
    """Colours of ranks, perceptually uniform: dark for the largest singular value.

    The palest end of viridis is left out, because thin lines of it vanish on white.
    """
    viridis = mpl.colormaps["viridis"]
    return ListedColormap([viridis(i) for i in range(int(0.93 * viridis.N))], name="ranks")


def difference_colours() -> Colormap:
    """Colours of signed differences: orange above zero, white at it, purple under it.

    The darkest ends are left out: on them neither hue nor an outline can be seen.
    """
    both = mpl.colormaps["PuOr_r"]
    return ListedColormap([both(0.07 + 0.86 * i / 256) for i in range(257)], name="differences")


def share_colours() -> Colormap:
    """Colours of shares from 0 to 1: white to blue, one hue that no map of differences has."""
    blues = mpl.colormaps["Blues"]
    return ListedColormap([blues(0.95 * i / 256) for i in range(257)], name="shares")


def tie_colours() -> Colormap:
    """Colours of sizes, dark to bright, apart from those of ranks, differences and shares."""
    return mpl.colormaps["magma"]


def rank_norm(highest: int) -> LogNorm:
    """Scale of ranks 1 to `highest`: logarithmic, so that the first ranks are told apart."""
    return LogNorm(1, max(highest, 2))


def difference_norm(limit: float) -> Normalize:
    """Scale of differences from `-limit` to `limit`, zero in the middle; clipped beyond."""
    return Normalize(-limit, limit, clip=True)


def powers_of_two(highest: int) -> list[int]:
    """Ranks to write on a rank scale: 1, 2, 4 and so on, at most `highest`."""
    return [2**power for power in range(max(highest, 2).bit_length())]
