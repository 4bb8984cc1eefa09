from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.saliency_cuts import DIRECTIONS, saliency_cuts
from neurospect.figures.saving import save_figure

RECIPE = "0123456789abcdef" * 4


def grid() -> VoxelGrid:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = (-76, -110, -76)
    return VoxelGrid(np.ones((20, 25, 21), dtype=bool), affine)


def blob(centre: tuple[float, float, float]) -> np.ndarray:
    at = np.argwhere(grid().mask) @ grid().affine[:3, :3].T + grid().affine[:3, 3]
    return np.asarray(np.exp(-((at - centre) ** 2).sum(axis=1) / (2 * 12.0**2)))


def panels(rows: int = 2) -> pd.DataFrame:
    table = pd.DataFrame({"method": [f"method_{place}" for place in range(rows)]})
    look = {"criterion": "class_informative", "column": "LANGUAGE", "kind": "saliency"}
    decoder = "3-D convolutional network, adversarial training"
    return table.assign(**look, decoder=decoder, correlation=0.434)


def maps(rows: int = 2) -> np.ndarray:
    """The same map in very different sizes: more on the left, less on the right."""
    one = blob((-40, -40, 30)) - blob((40, -40, 30))
    return np.stack([10.0**-place * one for place in range(rows)])


def rows_of(figure: Figure) -> list[list[Axes]]:
    pictures = [axes for axes in figure.axes if axes.get_gid()]
    return [pictures[k : k + len(DIRECTIONS)] for k in range(0, len(pictures), len(DIRECTIONS))]


def test_all_maps_are_shown_on_the_same_cuts_each_with_its_own_scale(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    figure = saliency_cuts(maps(), grid(), panels())
    first, second = rows_of(figure)
    assert [axes.get_gid() for axes in first] == [axes.get_gid() for axes in second]
    for one, other in zip(first, second, strict=True):
        pictures = [np.asarray(axes.images[0].get_array()) for axes in (one, other)]
        # But for values that are rounded to one shade or the next.
        assert np.mean(pictures[0] != pictures[1]) < 1e-3
    said = " ".join(text.get_text() for text in drawn_texts(figure))
    assert said.count("r = .43") == 2
    limit = np.percentile(np.abs(maps()[0]), 99.9999)
    assert f"±{limit:.2g}" in said
    assert f"±{0.1 * limit:.2g}" in said
    assert all(said.count(str(axes.get_gid())) == 1 for axes in first)


def test_more_is_orange_less_is_purple() -> None:
    (row, _) = rows_of(saliency_cuts(maps(), grid(), panels()))
    heights = [float(str(a.get_gid())[4:].replace("−", "-")) for a in row[2:]]
    axial = row[2 + int(np.argmin(np.abs(np.array(heights) - 30)))]
    picture = np.asarray(axial.images[0].get_array()).astype(int)
    left, right, low, high = axial.images[0].get_extent()
    y = int((-40 - low) / (high - low) * len(picture))
    more, less = (
        picture[y, int((x - left) / (right - left) * picture.shape[1])] for x in (-40, 40)
    )
    assert more[0] > more[2] + 60
    assert less[2] > less[0] + 25


@pytest.mark.parametrize("rows", [1, 12])
def test_the_figure_fits_on_a_page_and_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], rows: int
) -> None:
    figure = saliency_cuts(np.tile(maps(1), (rows, 1)), grid(), panels(rows), title="HCP")
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247.001
    assert clashes(figure) == []


def test_a_map_of_zeros_is_drawn_and_says_so(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    values = maps()
    values[1] = 0
    said = [text.get_text() for text in drawn_texts(saliency_cuts(values, grid(), panels()))]
    assert sum("all zero" in text for text in said) == 1


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"cuts{suffix}" for suffix in (".svg", ".pdf")]
        save_figure(saliency_cuts(maps(1), grid(), panels(1)), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("values", "table", "message"),
    [
        (maps()[:1], panels(), "2 panels"),
        (maps()[:0], panels(0), "at least one"),
        (maps() * np.nan, panels(), "not finite"),
        (maps(), panels().drop(columns="correlation"), "no correlation"),
        (np.tile(maps(1), (20, 1)), panels(20), "brains of at least"),
    ],
)
def test_what_does_not_fit_is_refused(
    values: np.ndarray, table: pd.DataFrame, message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        saliency_cuts(values, grid(), table)
