"""NIfTI images: read as nibabel reads them, refused in plain words, written whole or not at all."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from neurospect.arrays.images import (
    image_data,
    image_md5,
    image_stem,
    image_volumes,
    read_image,
    read_mask,
    write_image,
)
from neurospect.errors import BadInputError

AFFINE = np.array([[-3.0, 0, 0, 60], [0, 3, 0, -70], [0, 0, 3, -50], [0, 0, 0, 1]])


def image(
    shape: tuple[int, ...] = (5, 6, 7, 8), dtype: Any = np.float32, seed: int = 0
) -> nibabel.Nifti1Image:
    values = 1000 * np.random.default_rng(seed).normal(size=shape)
    return nibabel.Nifti1Image(values.astype(dtype), AFFINE)


def scaled(path: Path, big_endian: bool = False) -> Path:
    """Write integers with a scale and an offset, as scanners' converters do."""
    header = nibabel.Nifti1Header(endianness=">" if big_endian else "<")
    header.set_data_dtype(np.int16)
    made = nibabel.Nifti1Image(image().get_fdata(), AFFINE, header)
    made.header.set_slope_inter(1.3149, -7.5)
    nibabel.save(made, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_voxels_are_those_that_nibabel_reads(
    tmp_path: Path, suffix: str, big_endian: bool, dtype: Any
) -> None:
    path = scaled(tmp_path / f"run{suffix}", big_endian)
    read = image_data(path, read_image(path, dimensions=4), dtype)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, nibabel.load(path).get_fdata().astype(dtype))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_volumes_come_in_order_whatever_their_dtype(tmp_path: Path, kind: Any) -> None:
    nibabel.save(image(dtype=np.int16, seed=1), tmp_path / "source.nii")
    values = np.abs(nibabel.load(tmp_path / "source.nii").get_fdata()) % 250
    nibabel.save(nibabel.Nifti1Image(values.astype(kind), AFFINE), tmp_path / "run.nii.gz")
    path = tmp_path / "run.nii.gz"
    volumes = list(image_volumes(path, read_image(path)))
    assert len(volumes) == 8
    np.testing.assert_array_equal(np.stack(volumes, axis=3), values.astype(kind))


def test_an_image_in_memory_is_read_as_one_in_a_file(tmp_path: Path) -> None:
    made = image()
    nibabel.save(made, tmp_path / "run.nii")
    own = image_data("run", made)
    read = image_data(tmp_path / "run.nii", read_image(tmp_path / "run.nii"))
    np.testing.assert_array_equal(own, read)


def test_volumes_do_not_gather_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.nii.gz"
    nibabel.save(image((30, 30, 30, 40), np.int16), path)
    opened = read_image(path)
    tracemalloc.start()
    for _ in image_volumes(path, opened):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 30**3 * 4


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 1)])
def test_a_last_axis_of_length_1_does_not_make_a_mask_4d(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    made = image(shape)
    nibabel.save(made, tmp_path / "mask.nii.gz")
    opened = read_image(tmp_path / "mask.nii.gz", dimensions=3)
    assert opened.shape == (5, 6, 7)
    read = image_data(tmp_path / "mask.nii.gz", opened)
    np.testing.assert_array_equal(read, made.get_fdata().reshape(5, 6, 7).astype(np.float32))


def test_a_template_of_one_map_stays_4d(tmp_path: Path) -> None:
    nibabel.save(image((5, 6, 7, 1)), tmp_path / "template.nii")
    assert read_image(tmp_path / "template.nii", dimensions=4).shape == (5, 6, 7, 1)


@pytest.mark.parametrize(
    ("shape", "dimensions", "words"),
    [
        ((5, 6, 7), 4, r"shape: found 3-D \(5, 6, 7\), expected 4-D \(x, y, z, volumes\)"),
        ((5, 6, 7, 2), 3, r"shape: found 4-D \(5, 6, 7, 2\), expected 3-D"),
        ((5, 6, 7, 1, 3), 4, r"shape: found 5-D"),
        ((5, 6), None, r"shape: found 2-D \(5, 6\), expected at least 3-D"),
        ((5, 6, 7, 0), 4, r"shape: found 4-D \(5, 6, 7, 0\)"),
    ],
)
def test_another_number_of_dimensions_is_refused(
    tmp_path: Path, shape: tuple[int, ...], dimensions: int | None, words: str
) -> None:
    path = tmp_path / "image.nii"
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.float32), AFFINE), path)
    with pytest.raises(BadInputError, match=words) as refused:
        read_image(path, dimensions=dimensions)
    assert str(path) in str(refused.value)


def test_what_is_no_nifti_is_refused_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("no image at all")
    (tmp_path / "text.nii.gz").write_text("not even packed")
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    (tmp_path / "folder.nii").mkdir()
    other = nibabel.MGHImage(np.ones((3, 3, 3), dtype=np.float32), np.eye(4))
    nibabel.save(other, tmp_path / "map.mgz")
    names = ["text.nii", "text.nii.gz", "empty.nii.gz", "folder.nii", "map.mgz", "absent.nii.gz"]
    for name in names:
        with pytest.raises(BadInputError, match="expected a NIfTI image") as refused:
            read_image(tmp_path / name)
        assert str(refused.value).startswith(f"{tmp_path / name}: file: found ")
        assert "\n" not in str(refused.value)


def test_complex_numbers_and_colours_are_refused(tmp_path: Path) -> None:
    colours = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    for values in (np.ones((4, 4, 4), np.complex64), colours):
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "image.nii")
        with pytest.raises(BadInputError, match="dtype: found"):
            read_image(tmp_path / "image.nii")


def test_an_affine_without_inverse_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4)), AFFINE), tmp_path / "image.nii")
    content = bytearray((tmp_path / "image.nii").read_bytes())
    content[280:328] = bytes(48)  # the sform
    (tmp_path / "image.nii").write_bytes(content)
    with pytest.raises(BadInputError, match="affine"):
        read_image(tmp_path / "image.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.9999])
def test_a_file_cut_short_is_refused_with_what_is_left_of_it(
    tmp_path: Path, suffix: str, share: float
) -> None:
    path = tmp_path / f"run{suffix}"
    nibabel.save(image((10, 10, 10, 20)), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    words = r"data: found \d+ whole volumes.*expected 20 volumes.*copy it again"
    with pytest.raises(BadInputError, match=words) as refused:
        image_data(path, read_image(path))
    assert refused.value.where == str(path)
    whole = int(str(refused.value.found).split()[0])
    assert share * 20 - 3 <= whole <= 20


def test_a_packed_file_with_wrong_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.nii.gz"
    nibabel.save(image((10, 10, 10, 20)), path)
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in the checksum, so that every volume unpacks
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"found 20 whole volumes.*CRC"):
        image_data(path, read_image(path))


def test_a_mask_is_what_is_neither_zero_nor_nan(tmp_path: Path) -> None:
    values = np.zeros((4, 5, 6, 1), np.float32)
    values[1, 1, 1], values[2, 2, 2], values[3, 3, 3] = 0.3, np.nan, -1
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "mask.nii.gz")
    mask = read_mask(tmp_path / "mask.nii.gz")
    assert np.argwhere(np.asarray(mask.dataobj)).tolist() == [[1, 1, 1], [3, 3, 3]]
    np.testing.assert_array_equal(mask.affine, AFFINE)


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    for value in (0, np.nan):
        values = np.full((4, 5, 6), value, np.float32)
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "mask.nii")
        with pytest.raises(BadInputError, match=r"mask.nii: voxels: found none inside"):
            read_mask(tmp_path / "mask.nii")


@pytest.mark.parametrize("name", ["maps.nii", "maps.nii.gz"])
def test_an_image_is_written_as_it_is(tmp_path: Path, name: str) -> None:
    made = image()
    made.header.set_sform(AFFINE, code="mni")
    write_image(tmp_path / "new" / name, made)
    read = nibabel.load(tmp_path / "new" / name)
    np.testing.assert_array_equal(read.get_fdata(), made.get_fdata())
    np.testing.assert_array_equal(read.affine, AFFINE)
    assert read.header.get_sform(coded=True)[1] == 4
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_the_same_image_gives_the_same_bytes_without_name_and_time(tmp_path: Path) -> None:
    for name in ("first.nii.gz", "second.nii.gz"):
        write_image(tmp_path / name, image())
    first, second = ((tmp_path / f"{n}.nii.gz").read_bytes() for n in ("first", "second"))
    assert first == second
    assert first[3] == 0  # no flag: no name
    assert first[4:8] == bytes(4)  # the time of packing


def test_an_image_that_fails_to_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "maps.nii.gz"
    write_image(path, image())
    old = path.read_bytes()
    packed = tmp_path / "cut.nii.gz"
    nibabel.save(image((10, 10, 10, 20)), packed)
    packed.write_bytes(packed.read_bytes()[:5000])
    with pytest.raises((EOFError, OSError)):
        write_image(path, read_image(packed))
    assert path.read_bytes() == old
    assert sorted(each.name for each in tmp_path.iterdir()) == ["cut.nii.gz", "maps.nii.gz"]


def test_a_name_that_is_no_nifti_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"ends in .nii or .nii.gz"):
        write_image(tmp_path / "maps.img", image())


def test_writing_leaves_the_name_of_the_image_alone(tmp_path: Path) -> None:
    write_image(tmp_path / "first.nii", image())
    opened = read_image(tmp_path / "first.nii")
    write_image(tmp_path / "second.nii", opened)
    assert opened.get_filename() == str(tmp_path / "first.nii")


def test_the_md5_is_that_of_the_uncompressed_file(tmp_path: Path) -> None:
    write_image(tmp_path / "maps.nii", image())
    content = (tmp_path / "maps.nii").read_bytes()
    (tmp_path / "packed.nii.gz").write_bytes(gzip.compress(content, 6))
    assert image_md5(tmp_path / "maps.nii") == image_md5(tmp_path / "packed.nii.gz")


def test_a_stem_is_a_name_without_its_ending() -> None:
    names = ["sub-01_bold.nii.gz", "sub-01_bold.nii", "sub-01_bold.NII.GZ", "/a/v1.0.nii"]
    assert [image_stem(name) for name in names] == ["sub-01_bold"] * 3 + ["v1.0"]
