"""Labelled arrays: trees of named, dimensioned, unit-carrying variables as netCDF."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError


def write_datatree(path: str | Path, tree: xr.DataTree) -> None:
    """Write a tree of labelled arrays as netCDF-4; equal trees give equal bytes.

    How a tree was stored before (its encoding) is not part of its content and is left out.

    Parameters
    ----------
    path
        Final name, ending in `.nc`.
    tree
        One node per weight or layer; units in each variable's attributes.

    Raises
    ------
    BadInputError
        If the name does not end in `.nc`, or netCDF cannot hold a variable or an attribute.
    """
    final = Path(path)
    if final.suffix != ".nc":
        raise BadInputError(
            final,
            "file name",
            found=final.name,
            expected="a name that ends in .nc",
            remedy="Labelled arrays are written as netCDF.",
        )
    plain = xr.DataTree.from_dict(
        {node.path: node.to_dataset(inherit=False).drop_encoding() for node in tree.subtree},
        name=tree.name,
    )
    try:
        with atomic_path(final) as temporary:
            plain.to_netcdf(temporary, engine="netcdf4", format="NETCDF4")
    except (TypeError, ValueError) as error:
        raise BadInputError(
            final,
            "tree",
            found=str(error),
            expected="variables and attributes of numbers and texts",
            remedy="Convert or drop what netCDF cannot hold.",
        ) from error


def read_datatree(path: str | Path) -> xr.DataTree:
    """Read a tree of labelled arrays into memory and close the file.

    Durations stay numbers in their own units; they do not become numpy time differences.

    Parameters
    ----------
    path
        A netCDF-4 file.

    Returns
    -------
    xarray.DataTree
        The whole tree, loaded.

    Raises
    ------
    BadInputError
        If the file is missing, is no netCDF, or is damaged.
    """
    final = Path(path)
    try:
        with xr.open_datatree(
            final, engine="netcdf4", decode_times=False, decode_timedelta=False
        ) as tree:
            return tree.load()
    except FileNotFoundError:
        raise BadInputError(
            final,
            "file",
            found="no such file",
            expected="a netCDF file",
            remedy="Check the path, or run the step that makes this file.",
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError, AttributeError) as error:
        raise BadInputError(
            final,
            "content",
            found=f"{type(error).__name__}: {error}",
            expected="a whole netCDF-4 file",
            remedy="The file is damaged or of another kind; make it again.",
        ) from error
