from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.brain_views import BOX, STEP, glass_brain_figure, projections
from neurospect.figures.saliency_panels import limit_said
from neurospect.figures.saving import save_figure

RECIPE = "0123456789abcdef" * 4


def grid(*, flipped: bool = False) -> VoxelGrid:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    affine[:3, 3] = (-76, -110, -76)
    if flipped:
        affine[0] = (-8, 0, 0, 76)
    return VoxelGrid(np.ones((20, 25, 21), dtype=bool), affine)


def blob(centre: tuple[float, float, float], where: VoxelGrid) -> np.ndarray:
    at = np.argwhere(where.mask) @ where.affine[:3, :3].T + where.affine[:3, 3]
    return np.asarray(np.exp(-((at - centre) ** 2).sum(axis=1) / (2 * 10.0**2)))


def panels(
    columns: Sequence[str] = ("LANGUAGE", "WM → LANGUAGE"), methods: int = 1
) -> pd.DataFrame:
    ways = [(f"3-D network {n // 4}, adversarial training", f"method_{n}") for n in range(methods)]
    criteria = ["class_informative" if n == 0 else "pairwise_difference" for n in range(99)]
    rows = [
        (criterion, column, kind, *way)
        for criterion, column in zip(criteria, columns, strict=False)
        for kind, way in [
            ("input", ("", "")),
            ("target", ("", "")),
            *(("saliency", way) for way in ways),
        ]
    ]
    table = pd.DataFrame(rows, columns=["criterion", "column", "kind", "decoder", "method"])
    return table.assign(correlation=np.where(table["kind"] == "saliency", 0.434, np.nan))


def maps(table: pd.DataFrame, where: VoxelGrid) -> np.ndarray:
    """Each map: more on the left and, half as much, less on the right; of very different sizes."""
    one = blob((-40, -20, 30), where) - 0.5 * blob((40, -20, 30), where)
    return np.stack([10.0**-place * one for place in range(len(table))])


def drawn(figure: Figure) -> dict[str, Axes]:
    return {str(axes.get_gid()): axes for axes in figure.axes if axes.get_gid()}


def colour_at(axes: Axes, across: float, up: float) -> np.ndarray:
    picture = np.asarray(axes.images[0].get_array()).astype(int)
    left, right, low, high = axes.images[0].get_extent()
    row = int((up - low) / (high - low) * len(picture))
    return np.asarray(picture[row, int((across - left) / (right - left) * picture.shape[1])])


@pytest.mark.parametrize("flipped", [False, True])
def test_the_largest_value_along_the_line_of_sight_is_seen_with_its_sign(flipped: bool) -> None:
    where = grid(flipped=flipped)
    weak, strong = blob((-36, -22, 28), where), blob((-36, 42, 28), where)
    seen = projections(0.5 * weak - strong, where)
    for view, across, up in (("x", 1, 2), ("y", 0, 2), ("z", 0, 1)):
        at = (-36, 42, 28)
        row, column = (int((at[axis] - BOX[axis][0]) / STEP) for axis in (up, across))
        assert seen[view][row, column] == pytest.approx(-1, abs=0.06)
    row, column = (int((at - BOX[axis][0]) / STEP) for axis, at in ((2, 28), (1, -22)))
    assert seen["x"][row, column] == pytest.approx(0.5, abs=0.03)


def test_each_map_is_seen_from_three_sides_in_its_row_and_column() -> None:
    table = panels(methods=2)
    axes = drawn(glass_brain_figure(maps(table, grid()), grid(), table))
    assert len(axes) == 3 * len(table)
    for view in "xyz":
        own = axes[f"{view}: class_informative: LANGUAGE: example"]
        beside = axes[f"{view}: pairwise_difference: WM → LANGUAGE: example"]
        under = axes[f"{view}: class_informative: LANGUAGE: target"]
        assert own.get_position().y0 == pytest.approx(beside.get_position().y0)
        assert own.get_position().x0 == pytest.approx(under.get_position().x0)
        assert under.get_position().y1 < own.get_position().y0
        assert [patch.get_gid() for patch in own.patches] == ["outlines"]


def test_more_is_orange_less_is_purple_and_nothing_is_clear() -> None:
    table = panels()
    axes = drawn(glass_brain_figure(maps(table, grid()), grid(), table))
    above = axes["z: class_informative: LANGUAGE: example"]
    red, _, blue, opaque = colour_at(above, -40, -20)
    assert red > blue + 60
    assert opaque == 255
    red, _, blue, opaque = colour_at(above, 40, -20)
    assert blue > red + 25
    assert colour_at(above, 0, 60)[3] < 10


def test_each_map_has_its_own_scale_that_is_written_under_it(
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    table = panels()
    values = maps(table, grid())
    figure = glass_brain_figure(values, grid(), table)
    said = [text.get_text() for text in drawn_texts(figure)]
    for row in values:
        assert any(limit_said(np.percentile(np.abs(row), 99.9999)) in text for text in said)
    pictures = [np.asarray(axes.images[0].get_array()) for axes in drawn(figure).values()]
    # All maps are the same but for their size.
    for view in range(3):
        assert all((pictures[view] == other).all() for other in pictures[view::3])
    assert sum("r = .43" in text for text in said) == 2


def test_outlines_lie_where_the_brain_is() -> None:
    table = panels()
    axes = drawn(glass_brain_figure(maps(table, grid()), grid(), table))
    for view, across, up in (("x", 1, 2), ("y", 0, 2), ("z", 0, 1)):
        (outlines,) = axes[f"{view}: class_informative: LANGUAGE: example"].patches
        box = outlines.get_path().get_extents()
        assert BOX[across][0] <= box.x0 < box.x1 <= BOX[across][1]
        assert BOX[up][0] <= box.y0 < box.y1 <= BOX[up][1]
        assert box.width * box.height > 0.85 * np.prod([np.ptp(BOX[axis]) for axis in (across, up)])


def test_views_are_chosen_by_room_or_as_asked_for() -> None:
    seven = ["LANGUAGE", *(f"task {n} → LANGUAGE" for n in range(6))]
    table = panels(seven)
    values = np.tile(maps(table[:1], grid()), (len(table), 1))
    assert {gid[0] for gid in drawn(glass_brain_figure(values, grid(), table))} == {"z"}
    both = glass_brain_figure(values[:3], grid(), table[:3], views="zx")
    assert [gid[0] for gid in drawn(both)] == list("zx") * 3


@pytest.mark.parametrize(("columns", "methods"), [(1, 1), (3, 2), (6, 9)])
def test_the_figure_fits_on_a_page_and_no_texts_overlap(
    clashes: Callable[[Figure], list[str]], columns: int, methods: int
) -> None:
    table = panels(
        ["LANGUAGE", *(f"RELATIONAL{n} → LANGUAGE" for n in range(columns - 1))], methods
    )
    values = np.tile(maps(table[:1], grid()), (len(table), 1))
    figure = glass_brain_figure(values, grid(), table, title="Simulated HCP")
    width, height = figure.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247.001
    assert clashes(figure) == []


def test_words_under_narrow_maps_of_tiny_or_no_values_do_not_touch(
    clashes: Callable[[Figure], list[str]], drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    one = panels(["LANGUAGE", *(f"TASK{n}" for n in range(6))], 9)
    criteria = ("class_informative", "pairwise_difference")
    table = pd.concat([one.assign(criterion=name) for name in criteria], ignore_index=True)
    table["correlation"] = np.where(np.arange(len(table)) % 3, -0.434, np.nan)
    values = np.tile(maps(table[:1], grid()), (len(table), 1))
    values *= 1.23e-13 / np.abs(values).max() * (np.arange(len(table)) % 4 > 0)[:, np.newaxis]
    figure = glass_brain_figure(values, grid(), table, title="Simulated HCP")
    assert clashes(figure) == []
    under = [text for text in drawn_texts(figure) if "e−13" in text.get_text()]
    assert under
    assert all("±1e−13" in text.get_text() for text in under)
    boxes = [text.get_window_extent() for text in under]
    for box in boxes:
        apart = [other.x0 - box.x1 for other in boxes if other.y0 == box.y0 and other.x0 > box.x0]
        assert all(gap > 0.4 / 25.4 * figure.dpi for gap in apart)


def test_a_map_of_zeros_is_drawn_and_says_so(drawn_texts: Callable[[Figure], list[Text]]) -> None:
    table = panels()
    values = maps(table, grid())
    values[2] = 0
    said = [text.get_text() for text in drawn_texts(glass_brain_figure(values, grid(), table))]
    assert sum("all zero" in text for text in said) == 1


def test_the_same_maps_give_the_same_bytes(tmp_path: Path) -> None:
    table = panels(["LANGUAGE"])
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"brains{suffix}" for suffix in (".svg", ".pdf")]
        save_figure(glass_brain_figure(maps(table, grid()), grid(), table), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("spoil", "views", "message"),
    [
        (lambda m, t: (m[:-1], t), None, "6 panels"),
        (lambda m, t: (m[:0], t[:0]), None, "at least one"),
        (lambda m, t: (m[:, 1:], t), None, "voxels in the mask"),
        (lambda m, t: (m * np.nan, t), None, "panel 1.*not finite"),
        (lambda m, t: (m, t.drop(columns="kind")), None, "no kind"),
        (lambda m, t: (m, t), "ortho", "some of x, y and z"),
        (lambda m, t: (m, t), "", "some of x, y and z"),
    ],
)
def test_what_does_not_fit_is_refused(spoil, views: str | None, message: str) -> None:  # type: ignore[no-untyped-def]
    table = panels()
    with pytest.raises(BadInputError, match=message):
        values, spoiled = spoil(maps(table, grid()), table)
        glass_brain_figure(values, grid(), spoiled, views=views)
