from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.component_mosaics import component_mosaics
from neurospect.figures.saving import save_figure
from neurospect.preprocess.neuromark import DOMAINS, neuromark_components
from neurospect.preprocess.stand_in_template import stand_in_template

RECIPE = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def template() -> tuple[np.ndarray, VoxelGrid]:
    image = stand_in_template(voxel_mm=5, fwhm_mm=14)
    values = np.asarray(image.dataobj)
    mask = (values > 0).any(axis=-1)
    return values[mask].T, VoxelGrid(mask, image.affine)


@pytest.fixture(scope="module")
def whole(template: tuple[np.ndarray, VoxelGrid]) -> Figure:
    """All 53 components."""
    return component_mosaics(*template, neuromark_components(), title="Stand-in template")


def cuts(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.images]


def numbers(figure: Figure) -> dict[str, tuple[Axes, Text]]:
    """Component → axes and text of its number on the brain; fails if one stands twice."""
    found = [
        (str(text.get_gid()).removeprefix("component "), (axes, text))
        for axes in cuts(figure)
        for text in axes.texts
        if str(text.get_gid()).startswith("component ")
    ]
    assert max(Counter(name for name, _ in found).values()) == 1
    return dict(found)


def test_every_component_has_its_number_on_the_brain_once_and_its_label_in_the_legend(
    whole: Figure, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    components = neuromark_components()
    assert set(numbers(whole)) == {str(number) for number in components["component"]}
    written = Counter(text.get_text() for text in drawn_texts(whole))
    for label, count in Counter(components["label"]).items():
        assert written[label] == count
    # Once on the brain and once in the legend.
    assert all(written[str(number)] == 2 for number in components["component"])


def test_each_domain_has_a_row_that_names_it_in_words(
    whole: Figure, drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    written = [text.get_text() for text in drawn_texts(whole)]
    heads = [f"{words} ({short})" for short, words in DOMAINS.items()]
    assert [text for text in written if text in heads] == heads


def test_all_components_fit_on_a_page_and_no_texts_overlap(
    whole: Figure, clashes: Callable[[Figure], list[str]]
) -> None:
    width, height = whole.get_size_inches() * 25.4
    assert width == pytest.approx(183)
    assert height <= 247
    assert clashes(whole) == []


def test_a_number_stands_near_the_peak_of_its_component_and_on_its_colour(whole: Figure) -> None:
    components = neuromark_components().set_index("component")
    for name, (axes, text) in numbers(whole).items():
        axis = "xyz".index(str(axes.get_gid())[0])
        at = np.insert(np.array(text.get_position()), axis, _mm(axes))
        peak = components.loc[int(name), ["x", "y", "z"]].to_numpy(dtype=float)
        assert np.linalg.norm(at - peak) < 16
        picture, row, column = _pixel(axes, text.get_position())
        assert np.ptp(picture[row, column, :3].astype(float)) > 40


def _mm(axes: Axes) -> float:
    return float(str(axes.get_gid()).split("=")[1].replace("−", "-"))


def _pixel(axes: Axes, at: tuple[float, float]) -> tuple[np.ndarray, int, int]:
    image = axes.images[0]
    picture = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    row = int((at[1] - bottom) / (top - bottom) * len(picture))
    column = int((at[0] - left) / (right - left) * picture.shape[1])
    return picture, row, column


def test_two_components_have_the_colours_of_their_legend_and_the_larger_z_is_seen() -> None:
    grid = VoxelGrid(np.ones((30, 36, 30), dtype=bool), _affine())
    at = np.argwhere(grid.mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    left, right = (
        np.exp(-((at - (x, -20, 20)) ** 2).sum(axis=1) / (2 * 12.0**2)) for x in (-14, 14)
    )
    table = pd.DataFrame({"component": [7, 8], "domain": ["AUD"] * 2, "label": ["a", "b"]})
    figure = component_mosaics(np.stack([left, right]), grid, table)
    legend = {
        text.get_text(): axes.patches[place].get_facecolor()[:3]
        for axes in figure.axes
        if axes.patches
        for place, text in enumerate(axes.texts[::2])
    }
    assert legend["7"] != legend["8"]
    axial = [axes for axes in cuts(figure) if str(axes.get_gid()) == "z = 21"]
    assert len(axial) == 1
    for number, x in (("7", -14.0), ("7", -3.0), ("8", 3.0), ("8", 14.0)):
        picture, row, column = _pixel(axial[0], (x, -20.0))
        hue = picture[row, column, :3] / 255.0
        distances = {name: np.abs(hue - to_rgb(legend[name])).sum() for name in legend}
        assert min(distances, key=lambda name: distances[name]) == number


def _affine() -> np.ndarray:
    affine = np.diag([5.0, 5.0, 5.0, 1.0])
    affine[:3, 3] = (-72.5, -105, -70)
    return affine


def test_what_is_not_above_the_threshold_has_no_colour(
    template: tuple[np.ndarray, VoxelGrid],
) -> None:
    maps, grid = template
    coloured = []
    for threshold in (2.0, 6.0):
        figure = component_mosaics(
            maps[:5], grid, neuromark_components().iloc[:5], threshold=threshold
        )
        pictures = [np.asarray(axes.images[0].get_array())[..., :3] for axes in cuts(figure)[:5]]
        coloured.append(sum(int((np.ptp(p.astype(int), axis=-1) > 40).sum()) for p in pictures))
    assert 0 < coloured[1] < coloured[0]


def test_without_domains_each_component_has_three_cuts_through_its_largest_voxel(
    template: tuple[np.ndarray, VoxelGrid],
    clashes: Callable[[Figure], list[str]],
    drawn_texts: Callable[[Figure], list[Text]],
) -> None:
    maps, grid = template
    table = neuromark_components().iloc[:10][["component", "label"]]
    figure = component_mosaics(maps[:10], grid, table)
    assert len(cuts(figure)) == 30
    assert clashes(figure) == []
    written = [text.get_text() for text in drawn_texts(figure)]
    inside = np.argwhere(grid.mask)
    for place, (number, label) in enumerate(zip(table["component"], table["label"], strict=True)):
        assert f"{number}  {label}" in written
        peak = grid.affine @ [*inside[maps[place].argmax()], 1]
        assert [_mm(axes) for axes in cuts(figure)[3 * place : 3 * place + 3]] == pytest.approx(
            peak[:3], abs=0.05
        )


def test_without_domains_a_given_peak_is_where_a_component_is_cut(
    template: tuple[np.ndarray, VoxelGrid],
) -> None:
    maps, grid = template
    table = neuromark_components().iloc[:2].drop(columns="domain")
    figure = component_mosaics(maps[:2], grid, table)
    shown = [_mm(axes) for axes in cuts(figure)]
    assert shown == table[["x", "y", "z"]].to_numpy().ravel().tolist()


def test_a_component_without_a_domain_stands_in_a_row_of_its_own(
    template: tuple[np.ndarray, VoxelGrid], drawn_texts: Callable[[Figure], list[Text]]
) -> None:
    maps, grid = template
    table = neuromark_components().iloc[:3].astype({"domain": object})
    table.loc[1, "domain"] = None
    written = [t.get_text() for t in drawn_texts(component_mosaics(maps[:3], grid, table))]
    assert "subcortical (SC)" in written
    assert "no domain" in written


@pytest.mark.parametrize("domains", [True, False])
def test_the_same_maps_give_the_same_bytes(
    tmp_path: Path, template: tuple[np.ndarray, VoxelGrid], domains: bool
) -> None:
    maps, grid = template
    table = neuromark_components().iloc[5:7]
    table = table if domains else table.drop(columns="domain")
    written = []
    for turn in ("first", "second"):
        paths = [tmp_path / turn / f"mosaic{suffix}" for suffix in (".png", ".svg", ".pdf")]
        save_figure(component_mosaics(maps[5:7], grid, table), paths, RECIPE)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]


def test_a_constant_map_is_refused_by_its_number(template: tuple[np.ndarray, VoxelGrid]) -> None:
    maps, grid = template
    spoiled = maps[:3].copy()
    spoiled[1] = 1.0
    with pytest.raises(BadInputError, match=r"component 2.*one value everywhere"):
        component_mosaics(spoiled, grid, neuromark_components().iloc[:3])


def test_maps_and_table_of_other_lengths_are_refused(
    template: tuple[np.ndarray, VoxelGrid],
) -> None:
    maps, grid = template
    with pytest.raises(BadInputError, match="4 names"):
        component_mosaics(maps[:3], grid, neuromark_components().iloc[:4])


def test_a_table_without_numbers_of_components_is_refused(
    template: tuple[np.ndarray, VoxelGrid],
) -> None:
    maps, grid = template
    table = neuromark_components().iloc[:3].drop(columns="component")
    with pytest.raises(BadInputError, match="at least `component`"):
        component_mosaics(maps[:3], grid, table)


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan, np.inf])
def test_a_threshold_that_is_not_positive_is_refused(
    template: tuple[np.ndarray, VoxelGrid], threshold: float
) -> None:
    maps, grid = template
    with pytest.raises(BadInputError, match="threshold"):
        component_mosaics(maps[:1], grid, neuromark_components().iloc[:1], threshold=threshold)
