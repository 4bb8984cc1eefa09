"""Thin grey strips of the AutoSpec paper's own two t-tests, beside maps of better tests."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.layout import add_axes, add_text
from neurospect.figures.style import SMALL

NAME = "paper's t-test (uncorrected)"
PER_STEP = "per step"
PER_SINGULAR_VALUE = "per singular value"
LARGEST_SHOWN = 4.0
"""Largest −log10 p with a grey of its own."""
COLUMNS = ("weight", "test", "step", "rank", "p")


def strip_values(
    t_tests: pd.DataFrame, weight: str, test: str, places: Sequence[int]
) -> NDArray[np.float64]:
    """Look up −log10 p of one weight's tests at some steps or ranks; NaN where there is none.

    Parameters
    ----------
    t_tests
        Table of the t-tests, all weights.
    weight
        Which weight.
    test
        "per step" or "per singular value".
    places
        Steps counted from 0, or ranks counted from 1.

    Returns
    -------
    numpy.ndarray
        One value per place.

    Raises
    ------
    BadInputError
        If a column is missing, or the weight is not in the table.
    """
    missing = [name for name in COLUMNS if name not in t_tests]
    rows = t_tests if missing else t_tests[t_tests["weight"].astype(str) == weight]
    if missing or rows.empty:
        raise BadInputError(
            "t-tests",
            "columns" if missing else "weight",
            found=f"no {', '.join(missing)}" if missing else f"no rows of {weight}",
            expected=", ".join(COLUMNS) if missing else "every weight of the permutation test",
            remedy="Draw the t-tests of the same comparison, as they were written.",
        )
    rows = rows[rows["test"] == test]
    key = "step" if test == PER_STEP else "rank"
    p = pd.Series(rows["p"].to_numpy(dtype=np.float64), index=rows[key].astype(int))
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log10(p.reindex(list(places)).to_numpy(dtype=np.float64)))


def draw_step_strip(axes: Axes, values: NDArray[np.float64]) -> None:
    """Draw one row of greys, a column a step."""
    _draw(axes, values[np.newaxis, :])


def draw_rank_strip(axes: Axes, values: NDArray[np.float64]) -> None:
    """Draw one column of greys, a row a rank, rank 1 at the top."""
    _draw(axes, values[:, np.newaxis])


def t_test_key(figure: Figure, left: float, top: float, width: float) -> Axes:
    """Explain the greys; returns the colour bar."""
    add_text(figure, left, top, f"grey strips: {NAME}, −log₁₀ p", size=SMALL)
    bar = add_axes(figure, left, top + keys.LINE, width, keys.BAR)
    keys.colour_bar(figure, bar, ScalarMappable(_norm(), _greys()), extend="max")
    bar.xaxis.set_major_locator(FixedLocator(list(range(int(LARGEST_SHOWN) + 1))))
    bar.xaxis.set_minor_locator(NullLocator())
    return bar


def _draw(axes: Axes, values: NDArray[np.float64]) -> None:
    rows, columns = values.shape
    axes.pcolormesh(
        np.arange(columns + 1),
        np.arange(rows + 1),
        np.ma.masked_invalid(np.minimum(values, LARGEST_SHOWN)),
        cmap=_greys(),
        norm=_norm(),
        gid="t-test",
    )
    axes.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.3)


def _norm() -> Normalize:
    return Normalize(0, LARGEST_SHOWN)


def _greys() -> Colormap:
    # Never black: these strips must not outweigh the map.
    greys = mpl.colormaps["Greys"]
    return ListedColormap([greys(i) for i in range(int(0.7 * greys.N))], name="p values")
