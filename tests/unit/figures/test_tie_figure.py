from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh

from neurospect.errors import BadInputError
from neurospect.figures.tie_figure import TIE_COLUMNS, tie_figure, tie_table

STEPS, TIES = (0, 10, 20), 4


def recorded(weights=("cell.weight_ih_l0[input]", "cell.weight_hh_l0[input]"), *, tied=True):
    """Spectra of which every tenth step has values over ties; groups of 4 and 6 of 10 samples."""
    random, nodes = np.random.default_rng(0), {}
    steps = np.arange(0, 25, 5)
    for name in weights:
        values = np.sort(random.lognormal(size=(len(steps), 3, TIES, 2)))[..., ::-1].copy()
        values[~np.isin(steps, STEPS)] = np.nan
        variables = {
            "gradient": (("step", "group", "rank"), values[:, :, 0]),
            "noise_floor": (("step", "group"), np.full((len(steps), 3), 1e-9)),
        }
        if tied:
            variables["gradient_over_ties"] = (("step", "group", "tie", "rank"), values)
        nodes[f"/{name}"] = xr.Dataset(
            variables,
            coords={"step": steps, "group": ["all", "a", "b"], "rank": [1, 2]},
            attrs={"scale": "contribution", "group_sizes": [10, 4, 6]},
        )
    return xr.DataTree.from_dict(nodes)


def maps_of(figure):
    return [
        mesh
        for axes in figure.axes
        for mesh in axes.collections
        if isinstance(mesh, QuadMesh) and axes.get_xlabel()
    ]


def test_the_table_holds_the_largest_values_at_mean_scale_of_recorded_steps_only():
    spectra = recorded()
    table = tie_table(spectra)
    assert list(table.columns) == list(TIE_COLUMNS)
    assert len(table) == 2 * 3 * len(STEPS) * TIES
    assert sorted(table["step"].unique()) == list(STEPS)
    row = table[
        (table["weight"] == "cell.weight_hh_l0[input]")
        & (table["group"] == "a")
        & (table["step"] == 10)
        & (table["tie"] == 3)
    ]
    node = spectra["cell.weight_hh_l0[input]"].to_dataset()
    contribution = node["gradient_over_ties"].sel(step=10, group="a").values[3, 0]
    assert row["value"].item() == pytest.approx(contribution * 10 / 4)
    assert row["layer"].item() == "layer 1, input gate, hidden-to-hidden"


def test_each_map_shows_what_the_table_holds():
    spectra = recorded()
    table = tie_table(spectra)
    meshes = maps_of(tie_figure(spectra, group="b"))
    assert len(meshes) == 2
    for mesh, weight in zip(meshes, spectra.children, strict=True):
        rows = table[(table["weight"] == weight) & (table["group"] == "b")]
        expected = rows.pivot(index="step", columns="tie", values="value").to_numpy()
        np.testing.assert_array_equal(np.asarray(mesh.get_array()), expected)


def test_a_value_of_zero_is_left_white():
    spectra = recorded(["0.weight"])
    spectra["0.weight"]["gradient_over_ties"].values[0, 0, 2] = 0.0
    (mesh,) = maps_of(tie_figure(spectra))
    assert np.ma.getmaskarray(mesh.get_array()).sum() == 1


def test_one_recorded_step_can_be_drawn():
    spectra = recorded(["0.weight"]).isel(step=slice(0, 1))
    assert maps_of(tie_figure(spectra))[0].get_array().shape == (1, TIES)


def test_spectra_without_ties_are_refused():
    with pytest.raises(BadInputError, match="gradient_over_ties"):
        tie_figure(recorded(tied=False))
    with pytest.raises(BadInputError, match="gradient_over_ties"):
        tie_table(recorded(tied=False))


def test_an_unknown_group_is_refused_by_name():
    with pytest.raises(BadInputError, match=r"group.*east.*all, a, b"):
        tie_figure(recorded(), group="east")
