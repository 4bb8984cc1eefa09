from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.saving import save_figure
from neurospect.figures.task_maps import task_map_figure

RECIPE = "0123456789abcdef" * 4
TASKS = ["WM", "GAMBLING", "MOTOR", "LANGUAGE", "SOCIAL", "RELATIONAL", "EMOTION"]


def grid() -> VoxelGrid:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = (-76, -110, -76)
    return VoxelGrid(np.ones((20, 25, 21), dtype=bool), affine)


def blob(centre: tuple[float, float, float], height: float) -> np.ndarray:
    at = np.argwhere(grid().mask) @ grid().affine[:3, :3].T + grid().affine[:3, 3]
    return height * np.exp(-((at - centre) ** 2).sum(axis=1) / (2 * 12.0**2))


def means(tasks: int) -> np.ndarray:
    """Maps with one positive and one negative region each."""
    return np.stack(
        [
            blob((-40, 8 * k - 40, 12 * k - 24), 3.0) - blob((40, 8 * k - 40, 12 * k - 24), 3.0)
            for k in range(tasks)
        ]
    )


def rows(figure: Figure) -> list[list[Axes]]:
    """Axes of pictures, row by row."""
    pictures = [axes for axes in figure.axes if axes.get_gid()]
    return [pictures[start : start + 7] for start in range(0, len(pictures), 7)]


def axial_near(row: list[Axes], z: float) -> Axes:
    """Axial picture of a row that lies nearest to z, mm; at most half a voxel away."""
    places = {
        float(str(axes.get_gid())[4:].replace("−", "-")): axes
        for axes in row
        if str(axes.get_gid()).startswith("z")
    }
    nearest = min(places, key=lambda place: abs(place - z))
    assert abs(nearest - z) <= 4
    return places[nearest]


def colour_at(axes: Axes, across: float, up: float) -> np.ndarray:
    """Red, green, blue, opacity (0 to 255) that an axial picture has at x, y mm."""
    picture = np.asarray(axes.images[0].get_array()).astype(int)
    left, right, bottom, top = axes.images[0].get_extent()
    row = int((up - bottom) / (top - bottom) * len(picture))
    return picture[row, int((across - left) / (right - left) * picture.shape[1])]


def test_each_task_has_a_row_on_the_same_cuts(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    figure = task_map_figure(means(7), grid(), TASKS)
    assert len(rows(figure)) == 7
    assert len({tuple(axes.get_gid() for axes in row) for row in rows(figure)}) == 1
    written = [text.get_text() for text in drawn_texts(figure)]
    assert [text for text in written if text in TASKS] == TASKS
    assert all(written.count(str(axes.get_gid())) == 1 for axes in rows(figure)[0])


def test_more_is_orange_less_is_purple_and_nothing_is_grey() -> None:
    figure = task_map_figure(means(1), grid(), ["WM"])
    (row,) = rows(figure)
    axial = axial_near(row, -24)
    red, _, blue, _ = colour_at(axial, -40, -40)
    assert red > blue + 60
    red, _, blue, _ = colour_at(axial, 40, -40)
    assert blue > red + 25
    assert np.ptp(colour_at(axial, 20, 20)[:3]) < 12


def test_all_rows_share_a_symmetric_scale_that_its_bar_shows(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    maps = means(2) * [[1.0], [0.25]]
    figure = task_map_figure(maps, grid(), TASKS[:2])
    limit = np.percentile(np.abs(maps), 99.5)
    ticks = [text.get_text() for text in drawn_texts(figure)]
    (bar,) = [axes for axes in figure.axes if axes.get_xlim()[1] < 5 and not axes.get_gid()]
    low, high = bar.get_xlim()
    assert low == -high
    assert limit <= high <= 1.5 * limit
    assert f"+{high:.3g}" in ticks
    assert f"−{high:.3g}" in ticks
    # A region a quarter as strong is lighter, on the one scale.
    first, second = rows(figure)
    strong = colour_at(axial_near(first, -24), -40, -40)
    weak = colour_at(axial_near(second, -12), -40, -32)
    assert strong[:3].sum() < weak[:3].sum() - 60


@pytest.mark.parametrize("tasks", [1, 7])
def test_the_figure_fits_on_a_page_and_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], tasks: int
) -> None:
    figure = task_map_figure(means(tasks), grid(), TASKS[:tasks], title="hcp")
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247
    assert clashes(figure) == []


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"tasks{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(task_map_figure(means(2), grid(), TASKS[:2]), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_maps_without_names_are_refused() -> None:
    with pytest.raises(BadInputError, match="2 names"):
        task_map_figure(means(3), grid(), TASKS[:2])
