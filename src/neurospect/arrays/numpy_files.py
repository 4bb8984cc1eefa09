"""Arrays in NumPy's own file format, opened memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError


def write_array(path: str | Path, array: NDArray[Any]) -> None:
    """Write an array as `.npy`, in C order, so that equal arrays give equal bytes.

    Parameters
    ----------
    path
        Final name, ending in `.npy`.
    array
        Any shape; any dtype but Python objects.

    Raises
    ------
    BadInputError
        If the name does not end in `.npy`, or the array holds Python objects.
    """
    final = Path(path)
    if final.suffix != ".npy":
        raise BadInputError(
            final,
            "file name",
            found=final.name,
            expected="a name that ends in .npy",
            remedy="Arrays are written in NumPy's own format.",
        )
    if array.dtype.hasobject:
        raise BadInputError(
            final,
            "dtype",
            found=str(array.dtype),
            expected="numbers, truth values or fixed-width text",
            remedy="Convert the array; Python objects cannot be memory-mapped or trusted.",
        )
    with atomic_path(final) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(array, order="C"), allow_pickle=False)


def open_array(path: str | Path, mmap: bool = True) -> NDArray[Any]:
    """Open a `.npy` array.

    Parameters
    ----------
    path
        The file.
    mmap
        Map it read-only into memory instead of reading it; rows are then read when used.

    Returns
    -------
    numpy.ndarray
        Shape and dtype as written; read-only where mapped.

    Raises
    ------
    BadInputError
        If the file is missing, is no `.npy` file, holds Python objects, or has more or fewer
        bytes than its header announces.
    """
    final = Path(path)
    try:
        with final.open("rb") as file:
            shape, dtype = _read_header(file)
            header_bytes = file.tell()
        found = final.stat().st_size
    except OSError as error:
        raise BadInputError(
            final,
            "file",
            found=error.strerror or str(error),
            expected="a readable .npy array",
            remedy="Check the path, or run the step that makes this array.",
        ) from None
    except ValueError as error:
        raise BadInputError(
            final,
            "header",
            found=str(error).splitlines()[0],
            expected="a .npy file",
            remedy="Write the array with numpy.save, without pickled objects.",
        ) from None
    expected = header_bytes + dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    if dtype.hasobject or found != expected:
        raise BadInputError(
            final,
            "size",
            found="Python objects" if dtype.hasobject else f"{found} bytes",
            expected=f"{expected} bytes: {dtype} of shape {shape}",
            remedy="The file was cut short or overwritten; make it again.",
        )
    # numpy cannot map an array of no elements
    mapped = mmap and found > header_bytes
    array: NDArray[Any] = np.load(final, mmap_mode="r" if mapped else None, allow_pickle=False)
    return array


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"format version {version[0]}.{version[1]}")
    return shape, dtype
