"""Things of several kinds, such as components by domain: their order and their colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.colors import to_rgb

# The seven colours of Okabe and Ito (2008), made for any kind of colour vision, then five of Paul
# Tol's "muted" set (2021): each set is safe by itself, the two together are not as distinct.
_HUES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#F0E442",
    "#332288",
    "#999933",
    "#882255",
    "#117733",
    "#DDCC77",
)


def category_colours(count: int) -> list[tuple[float, float, float]]:
    """Colours (red, green, blue, 0 to 1) for `count` things that have no order.

    Twelve hues, then most of them lighter, then again from the start: beyond a handful, things
    must be told apart by a number or a name as well.
    """
    full = [to_rgb(hue) for hue in _HUES]
    # Without the first: a lighter blue is there already.
    light = [tuple(0.45 + 0.55 * part for part in hue) for hue in full[1:]]
    both = [*full, *((red, green, blue) for red, green, blue in light)]
    return [both[place % len(both)] for place in range(count)]


def dark(colour: tuple[float, float, float]) -> bool:
    """Whether white letters are read better than black ones on a colour."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.5


def in_order(names: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Each name once, in order of appearance, with the places where it stands."""
    for name in dict.fromkeys(names):
        yield name, [place for place, other in enumerate(names) if other == name]
