"""Panels of examples: inputs, targets and maps, each in its place."""

import numpy as np
import pytest
import xarray as xr

from neurospect.errors import BadInputError
from neurospect.figures.example_maps import example_maps_figure, example_panels


def tree(shape=(6, 5), axes=("row", "column"), affine=None, lacking=False):
    """Three classes, whose values say where they belong: example, class and place."""
    rng = np.random.default_rng(0)
    templates = rng.normal(size=(3, 3, *shape))
    if lacking:
        templates[0, 1] = np.nan
    root = xr.Dataset(
        {
            "example_template": (("example", "class", *axes), templates),
            "example_input": (("example", *axes), rng.normal(size=(3, *shape))),
            "mask": (axes, np.ones(shape, dtype=np.uint8)),
        },
        coords={"class": ["a", "b", "c"]},
    )
    if affine is not None:
        root["affine"] = (("mm", "voxel"), affine)
    node = xr.Dataset(
        {
            "example_map": (("example", "class", *axes), rng.normal(size=(3, 3, *shape))),
            "correlation": (("example", "class"), rng.uniform(size=(3, 3))),
        }
    )
    return xr.DataTree.from_dict({"/": root, "/gradient": node})


def test_panels_hold_what_their_rows_say():
    net = tree()
    maps, panels = example_panels({"net": net, "robust": net})
    assert len(maps) == len(panels) == 2 * 3 * 4
    for values, row in zip(maps, panels.itertuples(index=False), strict=True):
        own = "abc".index(row.column[0])
        other = "abc".index(row.column[-1])
        templates = net["example_template"].to_numpy()[own]
        if row.kind == "input":
            expected = net["example_input"].to_numpy()[own]
        elif row.kind == "target" and row.criterion == "class_informative":
            expected = templates[own] - templates.mean(0)
        elif row.kind == "target":
            expected = templates[other] - templates[own]
        else:
            expected = net["gradient"]["example_map"].to_numpy()[own, other]
            assert row.correlation == net["gradient"]["correlation"].to_numpy()[own, other]
        np.testing.assert_array_equal(values, expected)
    assert set(panels["column"]) == {"a", "b", "c", "a → b", "b → c", "c → a"}


def test_a_pair_whose_template_is_not_known_is_left_out():
    _, panels = example_panels({"net": tree(lacking=True)})
    assert set(panels["column"]) == {"a", "b", "c", "b → c", "c → a"}


@pytest.mark.parametrize(
    "made",
    [
        tree(),
        tree((12, 4), ("time", "component")),
        tree((5, 6, 7), ("x", "y", "z"), np.diag([8.0, 8.0, 8.0, 1.0])),
    ],
    ids=["images", "time courses", "volumes"],
)
def test_every_kind_of_map_is_drawn(made):
    figure = example_maps_figure({"net": made}, title="what was decoded")
    assert figure.axes


def test_no_decoder_is_refused():
    with pytest.raises(BadInputError, match="at least one decoder"):
        example_maps_figure({})
