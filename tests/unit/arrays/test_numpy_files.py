"""Arrays go to .npy and come back mapped; a damaged file is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from neurospect.arrays.numpy_files import open_array, write_array, write_rows
from neurospect.errors import BadInputError

DTYPES = st.sampled_from(["<f4", "<f2", "<f8", "<i8", "|u1", "|b1", "<U3"])


@settings(deadline=None)
@given(array=hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0)), mmap=st.booleans())
def test_any_array_comes_back_as_numpy_itself_reads_it(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray[Any, Any], mmap: bool
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a.npy"
    write_array(path, array)
    back = open_array(path, mmap=mmap)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == np.load(path).tobytes() == array.tobytes()


def test_an_opened_array_is_mapped_read_only(tmp_path: Path) -> None:
    write_array(tmp_path / "a.npy", np.zeros((4, 3), dtype=np.float32))
    mapped = open_array(tmp_path / "a.npy")
    assert isinstance(mapped, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0] = 1
    assert not isinstance(open_array(tmp_path / "a.npy", mmap=False), np.memmap)


def test_equal_arrays_give_equal_bytes_whatever_their_layout(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    write_array(tmp_path / "c.npy", array)
    write_array(tmp_path / "f.npy", np.asfortranarray(array))
    write_array(tmp_path / "s.npy", np.repeat(array, 2, axis=1)[:, ::2])
    contents = {(tmp_path / name).read_bytes() for name in ("c.npy", "f.npy", "s.npy")}
    assert len(contents) == 1


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("change", [-1, +3, -90])
def test_a_file_cut_short_or_too_long_is_refused(tmp_path: Path, mmap: bool, change: int) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.ones((5, 4), dtype=np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:change] if change < 0 else whole + b"abc")
    with pytest.raises(BadInputError) as caught:
        open_array(path, mmap=mmap)
    assert caught.value.where == str(path)
    if change > -80:
        assert caught.value.found == f"{len(whole) + change} bytes"
        assert caught.value.expected.startswith(f"{len(whole)} bytes")


def test_what_is_no_npy_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("1 2 3")
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    with (tmp_path / "objects.npy").open("wb") as file:
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    for name in ("text.npy", "a.npz", "objects.npy", "missing.npy"):
        with pytest.raises(BadInputError, match=name):
            open_array(tmp_path / name)


def test_objects_and_other_names_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="dtype"):
        write_array(tmp_path / "a.npy", np.array([None]))
    with pytest.raises(BadInputError, match=r"\.npy"):
        write_array(tmp_path / "a.dat", np.ones(2))
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(
    array=hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, min_side=0)),
    cuts=st.lists(st.integers(0, 10), max_size=3),
)
def test_rows_written_block_by_block_give_the_bytes_of_the_whole_array(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray[Any, Any], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    write_array(folder / "whole.npy", array)
    with write_rows(folder / "rows.npy", array.shape, array.dtype) as append:
        for block in np.split(array, sorted(min(cut, len(array)) for cut in cuts)):
            append(block)
    assert (folder / "rows.npy").read_bytes() == (folder / "whole.npy").read_bytes()


def test_rows_in_any_layout_give_the_same_bytes(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(4, 6)
    write_array(tmp_path / "whole.npy", array)
    with write_rows(tmp_path / "rows.npy", (4, 6), float) as append:
        append(np.asfortranarray(array[:3]))
        append(np.repeat(array, 2, axis=1)[3:, ::2])
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize(
    ("block", "found"),
    [
        (np.zeros((2, 3)), "float64 of shape"),
        (np.zeros((2, 4), np.float32), r"shape \(2, 4\), expected float32 of shape .*3"),
        (np.zeros(3, np.float32), r"shape \(3,\)"),
        (np.zeros((), np.float32), r"shape \(\)"),
        (np.zeros((5, 3), np.float32), "found 5, expected 4"),
        (np.zeros((3, 3), np.float32), "found 3, expected 4"),
    ],
)
def test_rows_of_another_kind_or_number_leave_the_file_as_it_was(
    tmp_path: Path, block: np.ndarray[Any, Any], found: str
) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.ones(2))
    before = path.read_bytes()
    with (
        pytest.raises(BadInputError, match=found),
        write_rows(path, (4, 3), np.float32) as append,
    ):
        append(block)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_rows_of_objects_and_other_names_are_not_written(tmp_path: Path) -> None:
    for path, dtype in ((tmp_path / "a.npy", object), (tmp_path / "a.dat", float)):
        with pytest.raises(BadInputError), write_rows(path, (1, 2), dtype):
            pass
    assert list(tmp_path.iterdir()) == []
