"""The IDX format: what is written is what the format says, and damage is named."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from neurospect.cohorts.idx_files import (
    MNIST_FILES,
    find_idx_files,
    idx_bytes,
    read_idx_file,
    write_idx_files,
)
from neurospect.errors import BadInputError

IMAGES, LABELS = MNIST_FILES[:2]


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_images_and_labels_are_laid_out_as_the_format_says() -> None:
    made = images(3)
    assert idx_bytes(made) == struct.pack(">4I", 2051, 3, 28, 28) + made.tobytes()
    assert idx_bytes(np.array([7, 0])) == bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 0])


def test_written_files_read_back(tmp_path: Path) -> None:
    parts = {"train": (images(5), np.arange(5)), "test": (images(2), np.arange(2))}
    paths = write_idx_files(tmp_path, parts, verify=False)
    assert paths == find_idx_files(tmp_path)
    for path, file, values in zip(
        paths, MNIST_FILES, [*parts["train"], *parts["test"]], strict=True
    ):
        np.testing.assert_array_equal(read_idx_file(path, file, verify=False), values)


def test_nothing_is_written_that_is_not_the_published_file(tmp_path: Path) -> None:
    parts = {"train": (images(5), np.arange(5)), "test": (images(2), np.arange(2))}
    with pytest.raises(BadInputError, match="6bbc9ace898e44ae57da46a324031adb"):
        write_idx_files(tmp_path, parts)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / LABELS.name
    path.write_bytes(idx_bytes(np.arange(4)))
    with pytest.raises(BadInputError, match="md5") as caught:
        read_idx_file(path, LABELS)
    assert caught.value.expected == "a25bea736e30d166cdddb491f175f624"


@pytest.mark.parametrize("change", [-1, -500, +2])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_of_another_length_is_refused_with_both_lengths(
    tmp_path: Path, change: int, packed: bool
) -> None:
    content = idx_bytes(images(2))
    content = content[:change] if change < 0 else content + b"ab"
    path = tmp_path / f"{IMAGES.name}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(BadInputError) as caught:
        read_idx_file(path, IMAGES, verify=False)
    assert caught.value.where == str(path)
    assert caught.value.found == f"{1584 + change} bytes"
    assert caught.value.expected == "1584 bytes for 2 images"


def test_a_gzip_file_cut_short_is_refused_with_the_bytes_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / f"{IMAGES.name}.gz"
    whole = gzip.compress(idx_bytes(images(40)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="length") as caught:
        read_idx_file(path, IMAGES, verify=False)
    assert 0 < int(str(caught.value.found).split()[0]) < 16 + 40 * 784


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "header"),
        (b"\x00\x00\x08\x03\x00", "header"),
        (idx_bytes(np.arange(30)), "header"),
        (struct.pack(">4I", 2051, 1, 32, 32) + bytes(1024), "size of the images"),
    ],
)
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes, field: str) -> None:
    path = tmp_path / IMAGES.name
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_idx_file(path, IMAGES, verify=False)
    assert (caught.value.where, caught.value.field) == (str(path), field)


def test_what_only_claims_to_be_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{LABELS.name}.gz"
    path.write_bytes(idx_bytes(np.arange(30)))
    with pytest.raises(BadInputError, match="compression"):
        read_idx_file(path, LABELS, verify=False)
    with pytest.raises(BadInputError, match="No such file"):
        read_idx_file(tmp_path / "missing", LABELS)


def test_all_usual_names_are_found_and_a_missing_file_is_named(tmp_path: Path) -> None:
    names = [
        "train-images.idx3-ubyte",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte",
        "t10k-labels.idx1-ubyte.gz",
    ]
    for name in names[:3]:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadInputError, match=r"t10k-labels-idx1-ubyte, t10k-labels\.idx1"):
        find_idx_files(tmp_path)
    (tmp_path / names[3]).write_bytes(b"")
    assert [path.name for path in find_idx_files(tmp_path)] == names
