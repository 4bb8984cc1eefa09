"""Arrays in NumPy's own file format, opened memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

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
    _check_writable(final, array.dtype)
    with atomic_path(final) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(array, order="C"), allow_pickle=False)


@contextmanager
def write_rows(
    path: str | Path, shape: Sequence[int], dtype: DTypeLike
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Write an array as `.npy` block by block, so that it is never in memory whole.

    The bytes are those that `write_array` writes for the same array. A block that raises, or
    that ends before all rows are written, leaves `path` as it was.

    Parameters
    ----------
    path
        Final name, ending in `.npy`.
    shape
        Shape of the whole array, (rows, ...).
    dtype
        Any dtype but Python objects.

    Yields
    ------
    callable
        Give it the next rows, an array of shape (some rows, ...) and of that dtype.

    Raises
    ------
    BadInputError
        If the name does not end in `.npy`, the dtype is one of Python objects, rows have
        another shape or dtype, or there are more or fewer rows than announced.
    """
    final = Path(path)
    kind = np.dtype(dtype)
    rows, *row_shape = map(int, shape)
    _check_writable(final, kind)
    written = 0
    with atomic_path(final) as temporary, temporary.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (rows, *row_shape)})

        def append(block: NDArray[Any]) -> None:
            nonlocal written
            if block.dtype != kind or list(block.shape[1:]) != row_shape or block.ndim == 0:
                raise BadInputError(
                    final,
                    "rows",
                    found=f"{block.dtype} of shape {block.shape}",
                    expected=f"{kind} of shape {('rows', *row_shape)}",
                    remedy="Give rows of the shape and dtype that the array was opened with.",
                )
            written += len(block)
            _check_rows(final, written, rows, written <= rows)
            file.write(np.ascontiguousarray(block).data)

        yield append
        _check_rows(final, written, rows, written == rows)


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


def _check_writable(path: Path, dtype: np.dtype[Any]) -> None:
    if path.suffix != ".npy":
        raise BadInputError(
            path,
            "file name",
            found=path.name,
            expected="a name that ends in .npy",
            remedy="Arrays are written in NumPy's own format.",
        )
    if dtype.hasobject:
        raise BadInputError(
            path,
            "dtype",
            found=str(dtype),
            expected="numbers, truth values or fixed-width text",
            remedy="Convert the array; Python objects cannot be memory-mapped or trusted.",
        )


def _check_rows(path: Path, found: int, announced: int, good: bool) -> None:
    if not good:
        raise BadInputError(
            path,
            "rows",
            found=found,
            expected=f"{announced}, as announced",
            remedy="Count the rows before the array is opened.",
        )


def _read_header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"format version {version[0]}.{version[1]}")
    return shape, dtype
