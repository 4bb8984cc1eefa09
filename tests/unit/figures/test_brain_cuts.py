from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.figures.brain_cuts import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    SPACING,
    Cut,
    anatomy,
    checked_maps,
    choose_cuts,
    laid_over,
    profiles,
    sampled,
)


def brain_grid(step: float = 8.0, *, flipped: bool = False) -> VoxelGrid:
    """A grid over the whole brain; `flipped` counts x from right to left."""
    shape = (20, 25, 21)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = (-76, -110, -76)
    if flipped:
        affine[0] = (-step, 0, 0, 76)
    return VoxelGrid(np.ones(shape, dtype=bool), affine)


def places(grid: VoxelGrid) -> np.ndarray:
    """Where each voxel of the mask lies, shape (voxels, 3), mm."""
    return np.argwhere(grid.mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def blob(grid: VoxelGrid, centre: tuple[float, float, float], width: float = 12.0) -> np.ndarray:
    return np.exp(-((places(grid) - centre) ** 2).sum(axis=1) / (2 * width**2))


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("axis", [SAGITTAL, CORONAL, AXIAL])
def test_a_picture_shows_each_place_where_it_lies_in_space(axis: int, flipped: bool) -> None:
    grid = brain_grid(flipped=flipped)
    points = Cut(axis, -4.0).points()
    assert (points[..., axis] == -4).all()
    # Coordinates are linear, so that interpolation reads them exactly.
    for other in range(3):
        shown = sampled(places(grid)[:, other], grid, points)
        np.testing.assert_allclose(shown, points[..., other], atol=1e-9)


def test_pictures_have_the_left_on_the_left_the_front_right_or_up_and_the_top_up() -> None:
    sagittal, coronal, axial = (Cut(axis, 0.0).points() for axis in (SAGITTAL, CORONAL, AXIAL))
    assert sagittal[0, 0, 1] < 0 < sagittal[0, -1, 1]
    assert coronal[0, 0, 0] < 0 < coronal[0, -1, 0]
    assert axial[0, 0, 0] < 0 < axial[0, -1, 0]
    assert axial[0, 0, 1] < axial[-1, 0, 1]
    assert sagittal[0, 0, 2] < sagittal[-1, 0, 2]


def test_sampling_agrees_with_scipys_grid_interpolation_and_is_zero_outside_the_mask() -> None:
    grid = brain_grid()
    values = np.random.default_rng(0).normal(size=grid.voxels)
    axes = [grid.affine[k, 3] + grid.affine[k, k] * np.arange(grid.mask.shape[k]) for k in range(3)]
    oracle = RegularGridInterpolator(tuple(axes), grid.whole(values))
    points = Cut(AXIAL, 13.0).points()
    np.testing.assert_allclose(sampled(values, grid, points), oracle(points), atol=1e-9)
    assert sampled(values, grid, np.array([[0.0, 0.0, 500.0]])) == [0.0]


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-50, 50), st.integers(-80, 50), st.integers(-40, 60)),
        min_size=1,
        max_size=4,
    )
)
def test_each_of_a_few_maps_is_cut_near_its_peak(centres: list[tuple[int, int, int]]) -> None:
    grid = brain_grid()
    strengths = profiles(np.stack([blob(grid, centre) for centre in centres]), grid)
    cuts = choose_cuts(strengths, [AXIAL] * 4)
    assert [cut.mm for cut in cuts] == sorted(cut.mm for cut in cuts)
    assert np.diff([cut.mm for cut in cuts]).min() >= SPACING
    for centre in centres:
        # Within the blob's own width.
        assert min(abs(cut.mm - centre[2]) for cut in cuts) <= 12.0


def test_further_cuts_keep_away_from_those_there_are() -> None:
    grid = brain_grid()
    strengths = profiles(blob(grid, (20, 10, 10))[np.newaxis], grid)
    first = choose_cuts(strengths, [AXIAL, AXIAL])
    more = choose_cuts(strengths, [AXIAL, AXIAL], first)
    gaps = [abs(one.mm - other.mm) for one in first for other in more]
    assert min(gaps) >= SPACING


def test_anatomy_is_clear_outside_the_brain_and_bright_enough_for_colours_inside() -> None:
    picture = anatomy(Cut(AXIAL, 12.0))
    rows, columns, _ = picture.shape
    assert picture[0, 0, 3] == 0
    inside = picture[rows // 2, columns // 2 + 20]
    assert inside[3] == 1
    assert inside[0] > 0.5


@given(
    *[st.tuples(*[st.floats(0, 1)] * 4) for _ in range(2)],
)
def test_laying_an_opaque_picture_over_another_hides_it_and_a_clear_one_leaves_it(
    below: tuple[float, ...], above: tuple[float, ...]
) -> None:
    base, over = np.array([[below]]), np.array([[above]])
    base[..., 3], over[..., 3] = 1.0, 1.0
    np.testing.assert_allclose(laid_over(base, over), over)
    over[..., 3] = 0.0
    np.testing.assert_allclose(laid_over(base, over), base)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda maps: maps[:, :-1], "voxels in the mask"),
        (lambda maps: maps[:1], "2 names"),
        (lambda maps: maps * [[1.0], [0.0]], "second.*zero everywhere"),
        (lambda maps: maps * [[np.nan], [1.0]], "first.*not finite"),
    ],
)
def test_maps_that_do_not_fit_are_refused_by_name(spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    grid = brain_grid()
    maps = np.stack([blob(grid, (0, 0, 0)), blob(grid, (30, 0, 0))])
    assert checked_maps(maps, grid, ["first", "second"]).shape == maps.shape
    with pytest.raises(BadInputError, match=message):
        checked_maps(spoil(maps), grid, ["first", "second"])
