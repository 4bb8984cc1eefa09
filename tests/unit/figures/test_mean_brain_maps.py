"""Mean maps of classes through the brain."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.figures.mean_brain_maps import (
    mean_brain_figure,
    mean_brain_page,
    mean_brain_panels,
)

SHAPE, AXES = (20, 25, 21), ("x", "y", "z")


def tree(classes: int = 3, *, in_space: bool = True) -> xr.DataTree:
    """Maps whose values and correlations tell their class; a corner lies outside the mask."""
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[0, 0] = 0
    root = xr.Dataset(
        {"mask": (AXES, mask), "examples": ("class", np.arange(classes) + 4)},
        coords={"class": [f"task {number}" for number in range(classes)]},
    )
    if in_space:
        affine = np.diag([8.0, 8.0, 8.0, 1.0])
        affine[:3, 3] = (-76, -110, -76)
        root["affine"] = (("mm", "voxel"), affine)
    ramp = np.linspace(-1, 1, mask.size).reshape(SHAPE)
    nodes = {
        f"/{method}": xr.Dataset(
            {
                "mean_map": (
                    ("class", *AXES),
                    np.stack([scale * (number + 1) * ramp for number in range(classes)]),
                ),
                "mean_correlation": ("class", scale * np.arange(classes) / 10),
            }
        )
        for method, scale in (("smoothgrad", 1.0), ("gradient", -1.0))
    }
    return xr.DataTree.from_dict({"/": root, **nodes})


def test_panels_are_the_mean_maps_of_the_first_method_inside_the_mask() -> None:
    made = tree()
    maps, grid, panels = mean_brain_panels(made, "network")
    mask = made["mask"].to_numpy().astype(bool)
    assert maps.shape == (3, mask.sum())
    np.testing.assert_array_equal(maps[2], made["smoothgrad"]["mean_map"].to_numpy()[2][mask])
    np.testing.assert_array_equal(grid.mask, mask)
    assert list(panels["column"]) == ["task 0", "task 1", "task 2"]
    assert list(panels["correlation"]) == [0.0, 0.1, 0.2]
    assert set(panels["method"]) == {"smoothgrad"}


def test_the_figure_says_over_how_many_examples_maps_are_means() -> None:
    figure = mean_brain_figure(tree(2), "network", title="Tasks")
    said = " ".join(text.get_text() for text in figure.texts)
    assert "4" in said
    assert "r = .10" in said


def test_a_page_holds_eight_classes_at_most() -> None:
    page = mean_brain_page(tree(9), "network", title="Tasks")
    assert "task 7" in page
    assert "task 8" not in page


def test_maps_that_lie_nowhere_are_refused() -> None:
    with pytest.raises(BadInputError, match="affine"):
        mean_brain_figure(tree(in_space=False), "network")
