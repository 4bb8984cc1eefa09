"""Labelled trees go to netCDF and come back; the same content is the same bytes."""

import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.errors import BadInputError


def trajectories(seed: int = 0) -> xr.DataTree:
    generator = np.random.default_rng(seed)
    dims = ("step", "group", "rank")
    nodes = {
        name: xr.Dataset(
            {
                "singular_value": (dims, generator.random((4, 2, 3)).astype(np.float32)),
                "elapsed": ("step", np.arange(4.0), {"units": "seconds"}),
            },
            coords={"step": [0, 10, 20, 30], "group": ["patients", "controls"]},
            attrs={"weight": name},
        )
        for name in ("output", "hidden/first")
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"model": "mlp"}), **nodes})


def test_a_tree_comes_back_identical(tmp_path: Path) -> None:
    write_datatree(tmp_path / "t.nc", trajectories())
    xr.testing.assert_identical(read_datatree(tmp_path / "t.nc"), trajectories())


def test_another_netcdf_reader_finds_nodes_dims_and_units(tmp_path: Path) -> None:
    write_datatree(tmp_path / "t.nc", trajectories())
    with netCDF4.Dataset(tmp_path / "t.nc") as file:
        node = file["hidden/first"]
        assert file.model == "mlp"
        assert node["singular_value"].dimensions == ("step", "group", "rank")
        assert node["elapsed"].units == "seconds"
        np.testing.assert_array_equal(
            node["singular_value"][:],
            trajectories()["hidden/first"]["singular_value"].to_numpy(),
        )


def test_the_nodes_keep_their_order(tmp_path: Path) -> None:
    write_datatree(tmp_path / "t.nc", trajectories())
    assert list(read_datatree(tmp_path / "t.nc").children) == ["output", "hidden"]


def test_the_same_content_gives_the_same_bytes_at_any_time_and_after_reading(
    tmp_path: Path,
) -> None:
    write_datatree(tmp_path / "first.nc", trajectories())
    time.sleep(1.1)  # a file format that kept the second of writing would differ now
    write_datatree(tmp_path / "later.nc", trajectories())
    write_datatree(tmp_path / "again.nc", read_datatree(tmp_path / "first.nc"))
    compressed = trajectories()
    compressed["output"]["singular_value"].encoding = {"zlib": True, "complevel": 9}
    write_datatree(tmp_path / "compressed.nc", compressed)
    first = (tmp_path / "first.nc").read_bytes()
    for name in ("later.nc", "again.nc", "compressed.nc"):
        assert (tmp_path / name).read_bytes() == first, name
    write_datatree(tmp_path / "other.nc", trajectories(seed=1))
    assert (tmp_path / "other.nc").read_bytes() != first


def test_a_tree_that_was_read_is_in_memory_and_its_file_is_free(tmp_path: Path) -> None:
    write_datatree(tmp_path / "t.nc", trajectories())
    tree = read_datatree(tmp_path / "t.nc")
    (tmp_path / "t.nc").unlink()
    assert np.isfinite(tree["output"]["singular_value"].to_numpy()).all()


@pytest.mark.parametrize("kept", [0, 20, 1500, -2000])
def test_a_file_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    write_datatree(tmp_path / "t.nc", trajectories())
    (tmp_path / "t.nc").write_bytes((tmp_path / "t.nc").read_bytes()[:kept])
    with pytest.raises(BadInputError, match=r"t\.nc: content"):
        read_datatree(tmp_path / "t.nc")


def test_a_missing_file_and_one_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        read_datatree(tmp_path / "none.nc")
    (tmp_path / "t.nc").write_text("step,group\n")
    with pytest.raises(BadInputError, match="content"):
        read_datatree(tmp_path / "t.nc")


def test_a_tree_that_netcdf_cannot_hold_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    bad = xr.DataTree(xr.Dataset(attrs={"settings": {"nested": 1}}))
    with pytest.raises(BadInputError, match="tree"):
        write_datatree(tmp_path / "t.nc", bad)
    with pytest.raises(BadInputError, match=r"\.nc"):
        write_datatree(tmp_path / "t.h5", trajectories())
    assert list(tmp_path.iterdir()) == []
