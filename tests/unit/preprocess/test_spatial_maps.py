"""A spatial map for models is the maximum over components, z-scored where there are data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import zscore

from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.spatial_maps import maximum_map, maximum_maps


def made(seed=0, participants=3, components=5):
    """A mask that does not touch the grid's faces, and maps inside it."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((7, 8, 6), dtype=bool)
    mask[2:6, 1:7, 2:5] = rng.random((4, 6, 3)) < 0.8
    mask[2, 1, 2] = mask[5, 6, 4] = True
    grid = VoxelGrid(mask, np.diag([3.0, 3.0, 3.0, 1.0]))
    return rng.normal(size=(participants, components, grid.voxels)).astype(np.float32), grid


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), components=st.integers(1, 6))
def test_the_map_is_the_z_scored_maximum_inside_and_zero_outside(seed, components):
    maps, grid = made(seed, 1, components)
    found = maximum_map(maps[0], grid)
    assert (found.shape, found.dtype) == ((4, 6, 3), np.float32)
    inside = grid.mask[2:6, 1:7, 2:5]
    expected = zscore([max(column) for column in maps[0].T.tolist()])
    np.testing.assert_allclose(found[inside], expected, atol=1e-5)
    assert not found[~inside].any()


def test_voxels_that_a_participant_lacks_are_zero_and_do_not_count():
    maps, grid = made()
    lacking = np.arange(grid.voxels) % 4 == 0
    maps[0][:, lacking] = 0
    found = maximum_map(maps[0], grid)[grid.mask[grid.box]]
    assert not found[lacking].any()
    expected = zscore(maps[0][:, ~lacking].max(axis=0).astype(np.float64))
    np.testing.assert_allclose(found[~lacking], expected, atol=1e-5)


def test_a_voxel_where_the_maximum_is_zero_and_another_map_is_not_has_data():
    maps, grid = made()
    maps[0][:, 7] = [0, -1, -2, -3, -1]
    found = maximum_map(maps[0], grid)[grid.mask[grid.box]]
    expected = zscore(maps[0].max(axis=0).astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[7] < 0


def test_a_cohort_is_its_participants_one_by_one_also_from_a_file(tmp_path):
    maps, grid = made()
    write_array(tmp_path / "maps.npy", maps)
    found = maximum_maps(open_array(tmp_path / "maps.npy"), grid)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [maximum_map(own, grid) for own in maps])
    assert maximum_maps(maps[:0], grid).shape == (0, 4, 6, 3)


def test_scale_does_not_matter():
    maps, grid = made()
    np.testing.assert_allclose(
        maximum_map(1000 * maps[0], grid), maximum_map(maps[0], grid), atol=1e-5
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda maps: maps[..., 1:], r"shape: found \(5, \d+\), expected \(components, \d+\)"),
        (lambda maps: maps * np.nan, r"values: found \d+ NaN or infinite"),
        (lambda maps: maps * 0, "values: found zeros only"),
        (lambda maps: maps * 0 + 2, "values: found the same maximum at every voxel"),
    ],
)
def test_maps_that_say_nothing_are_refused_by_the_participants_name(spoil, message):
    maps, grid = made()
    names = ["sub-01", "sub-02", "sub-03"]
    with pytest.raises(BadInputError, match=f"^sub-01: {message}"):
        maximum_maps(spoil(maps), grid, participants=names)
    with pytest.raises(BadInputError, match=r"^participant 1: "):
        maximum_maps(spoil(maps), grid)
