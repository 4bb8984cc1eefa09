"""The table of components, the check of templates, and the stand-in of blobs."""

import gzip
import hashlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from nilearn.datasets import load_mni152_brain_mask

from neurospect.errors import BadInputError
from neurospect.preprocess import neuromark
from neurospect.preprocess.neuromark import (
    DOMAINS,
    NEUROMARK_SHAPE,
    check_template,
    neuromark_components,
)
from neurospect.preprocess.stand_in_template import stand_in_template


def peaks() -> np.ndarray:
    return neuromark_components()[["x", "y", "z"]].to_numpy()


def volume(shape: tuple[int, ...], dtype: Any = np.int16) -> nibabel.Nifti1Image:
    values = np.arange(np.prod(shape)).reshape(shape) % 100
    return nibabel.Nifti1Image(values.astype(dtype), np.diag([3.0, 3.0, 3.0, 1.0]))


@pytest.fixture(scope="module")
def stand_in() -> nibabel.Nifti1Image:
    return stand_in_template()


# The table


def test_the_53_components_come_in_seven_domains_in_order() -> None:
    table = neuromark_components()
    assert table["component"].to_list() == list(range(1, 54))
    assert table["domain"].drop_duplicates().to_list() == list(DOMAINS)
    assert table["domain"].value_counts().to_dict() == {
        "SC": 5, "AUD": 2, "SM": 9, "VIS": 9, "CC": 17, "DM": 7, "CB": 4
    }  # fmt: skip
    assert not table.isna().to_numpy().any()


def test_every_peak_lies_where_its_label_says() -> None:
    table = neuromark_components()
    label = table["label"]
    assert (table.loc[label.str.startswith("Left"), "x"] < 0).all()
    assert (table.loc[label.str.startswith("Right"), "x"] > 0).all()
    behind = label.str.contains("occipital|Cuneus|Precuneus|Lingual|Calcarine|Posterior|parietal")
    # component 38 is published as parietal with a peak in the precentral region
    assert (table.loc[behind & (table["component"] != 38), "y"] < 0).all()
    assert (table.loc[label.str.contains("frontal|Anterior|Insula"), "y"] > 0).all()
    assert (table.loc[table["domain"] == "CB", "z"] < -30).all()


def test_all_peaks_lie_on_one_grid_of_3_mm_in_y() -> None:
    # a voxel's centre or its edge, rounded to half a millimetre: two remainders, never the third
    assert set(peaks()[:, 1] % 3) == {1.5, 2.5}


def test_an_edited_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited = tmp_path / "neuromark_fmri_1.0.tsv"
    edited.write_text(neuromark.TABLE.read_text().replace("Putamen", "Pallidum"))
    monkeypatch.setattr(neuromark, "TABLE", edited)
    with pytest.raises(BadInputError, match="sha256"):
        neuromark_components()


# The check of a template


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_any_4d_nifti_serves_with_its_own_number_of_maps(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"Smith09{suffix}"
    nibabel.save(volume((4, 5, 6, 10), np.float32), path)
    template = check_template(path, pd.DataFrame({"label": list("abcdefghij")}))
    assert (template.path, template.components, template.is_neuromark) == (path, 10, False)


@pytest.mark.parametrize("shape", [(4, 5, 6), (4, 5, 6, 2, 3)])
def test_an_image_that_is_not_4d_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nibabel.save(volume(shape), tmp_path / "map.nii")
    with pytest.raises(BadInputError, match=f"{len(shape)}-D.*4-D"):
        check_template(tmp_path / "map.nii")


def test_a_table_of_labels_of_another_length_is_refused(tmp_path: Path) -> None:
    nibabel.save(volume((4, 5, 6, 10)), tmp_path / "maps.nii")
    with pytest.raises(BadInputError, match="10 maps and 53 rows"):
        check_template(tmp_path / "maps.nii", neuromark_components())


@pytest.mark.parametrize("name", ["NeuroMark_fMRI_1.0.nii", "Neuromark_fMRI_1.0.nii.gz"])
def test_a_file_that_claims_to_be_neuromark_must_be_of_its_shape(tmp_path: Path, name: str) -> None:
    nibabel.save(volume((4, 5, 6, 53)), tmp_path / name)
    with pytest.raises(BadInputError, match="shape and dtype"):
        check_template(tmp_path / name)


def test_a_file_that_claims_to_be_neuromark_must_have_its_dtype(tmp_path: Path) -> None:
    nibabel.save(volume(NEUROMARK_SHAPE, np.uint8), tmp_path / "NeuroMark_fMRI_1.0.nii")
    with pytest.raises(BadInputError, match="found uint8"):
        check_template(tmp_path / "NeuroMark_fMRI_1.0.nii")


def test_a_file_that_claims_to_be_neuromark_must_have_its_bytes(tmp_path: Path) -> None:
    nibabel.save(volume(NEUROMARK_SHAPE), tmp_path / "NeuroMark_fMRI_1.0.nii")
    with pytest.raises(BadInputError, match=r"MD5.*8d134f7ba22659d29ba75abac0979357"):
        check_template(tmp_path / "NeuroMark_fMRI_1.0.nii")


@pytest.mark.parametrize("packed", [False, True])
def test_the_md5_is_that_of_the_uncompressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    # any file of the right shape, taken for the real one by its own MD5
    nibabel.save(volume(NEUROMARK_SHAPE), tmp_path / "other.nii")
    content = (tmp_path / "other.nii").read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    path = tmp_path / ("NeuroMark_fMRI_1.0.nii" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    with pytest.raises(BadInputError, match=f"found {md5}"):
        check_template(path)
    monkeypatch.setattr(neuromark, "NEUROMARK_MD5", md5)
    assert check_template(path).is_neuromark


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_template_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"maps{suffix}"
    nibabel.save(volume((20, 20, 20, 10)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadInputError, match=r"data|file"):
        check_template(path)


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("component,label\n1,Caudate\n")
    (tmp_path / "text.nii").write_text("no image at all")
    other = nibabel.MGHImage(np.ones((3, 3, 3, 3), dtype=np.float32), np.eye(4))
    nibabel.save(other, tmp_path / "maps.mgz")
    for name in ("labels.csv", "text.nii", "maps.mgz", "absent.nii"):
        with pytest.raises(BadInputError, match="NIfTI"):
            check_template(tmp_path / name)


# The stand-in


def voxel_of(image: nibabel.Nifti1Image, points: np.ndarray) -> np.ndarray:
    return nibabel.affines.apply_affine(np.linalg.inv(image.affine), points)


def highest(image: nibabel.Nifti1Image) -> np.ndarray:
    maps = np.asarray(image.dataobj)
    flat = maps.reshape(-1, maps.shape[3]).argmax(axis=0)
    return np.stack(np.unravel_index(flat, maps.shape[:3]), axis=1)


@pytest.mark.parametrize("voxel_mm", [2.0, 3.0, 4.5, 10.0])
def test_each_map_is_highest_within_a_voxel_of_its_peak(voxel_mm: float) -> None:
    image = stand_in_template(voxel_mm=voxel_mm)
    np.testing.assert_allclose(image.header.get_zooms()[:3], voxel_mm)
    assert np.abs(highest(image) - voxel_of(image, peaks())).max() <= 1
    # and the affine carries the highest voxel back to the peak, in mm
    carried = nibabel.affines.apply_affine(image.affine, highest(image))
    assert np.abs(carried - peaks()).max() <= voxel_mm


def test_maps_are_distinct(stand_in: nibabel.Nifti1Image) -> None:
    maps = np.asarray(stand_in.dataobj).reshape(-1, 53)
    between = np.corrcoef(maps.T)[np.triu_indices(53, 1)]
    # the closest two peaks are 13.4 mm apart: blobs of 12 mm there overlap by 0.18
    assert between.max() < 0.2


def test_a_blob_falls_to_half_at_half_its_width(stand_in: nibabel.Nifti1Image) -> None:
    maps = np.asarray(stand_in.dataobj)
    axes = [np.arange(size) for size in maps.shape[:3]]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    away = nibabel.affines.apply_affine(stand_in.affine, grid) - peaks()[4]
    distance = np.linalg.norm(away, axis=-1)
    inside = maps[..., 4] > 0
    # a Gaussian halves with each step of the square of half its width
    expected = 2.0 ** -((distance[inside] / 6.0) ** 2)
    np.testing.assert_allclose(maps[inside, 4], expected, rtol=1e-5)


def test_maps_are_zero_outside_the_brain() -> None:
    brain = load_mni152_brain_mask(resolution=2)
    image = stand_in_template(voxel_mm=2.0)
    assert image.shape[:3] == brain.shape
    np.testing.assert_array_equal(image.affine, brain.affine)
    assert not np.asarray(image.dataobj)[np.asarray(brain.dataobj) == 0].any()


def test_the_header_says_that_it_is_no_neuromark(
    stand_in: nibabel.Nifti1Image, tmp_path: Path
) -> None:
    nibabel.save(stand_in, tmp_path / "stand_in.nii.gz")
    read = nibabel.load(tmp_path / "stand_in.nii.gz")
    assert read.get_data_dtype() == np.float32
    description = bytes(read.header["descrip"]).decode()
    assert "Stand-in" in description
    assert "NOT the NeuroMark template" in description
    assert "stand-in" in read.header.extensions[0].text
    assert read.header.get_sform(coded=True)[1] == read.header.get_qform(coded=True)[1] == 4
    template = check_template(tmp_path / "stand_in.nii.gz", neuromark_components())
    assert (template.components, template.is_neuromark) == (53, False)


def test_the_same_arguments_give_the_same_bytes() -> None:
    first, second = (stand_in_template(voxel_mm=6.0).to_bytes() for _ in range(2))
    assert first == second


def test_a_peak_outside_the_mask_goes_to_the_nearest_voxel_inside() -> None:
    brain = stand_in_template(voxel_mm=3.0)
    inside = (np.asarray(brain.dataobj) > 0).any(axis=3)
    lowest = round(voxel_of(brain, np.array([0, 0, -38.0]))[2])
    inside[:, :, :lowest] = False  # a field of view that cuts the cerebellum
    mask = nibabel.Nifti1Image(inside.astype(np.uint8), brain.affine)
    image = stand_in_template(mask=mask)
    assert image.shape == (*inside.shape, 53)
    allowed = np.argwhere(inside)
    for found, wanted in zip(highest(image), voxel_of(brain, peaks()), strict=True):
        own = inside[tuple(np.rint(wanted).astype(int))]
        goal = wanted if own else allowed[((allowed - wanted) ** 2).sum(axis=1).argmin()]
        assert np.abs(found - goal).max() <= 1
    assert not np.asarray(image.dataobj)[~inside].any()


def test_a_mask_that_does_not_cover_a_peak_is_refused(stand_in: nibabel.Nifti1Image) -> None:
    moved = stand_in.affine.copy()
    moved[:3, 3] += 60
    mask = nibabel.Nifti1Image(np.ones(stand_in.shape[:3], dtype=np.uint8), moved)
    with pytest.raises(BadInputError, match="mm from the mask"):
        stand_in_template(mask=mask)


def test_a_mask_of_nothing_or_of_four_dimensions_is_refused() -> None:
    for values, found in ((np.zeros((3, 3, 3)), "no voxel inside"), (np.ones((3, 3, 3, 2)), "4-D")):
        mask = nibabel.Nifti1Image(values.astype(np.uint8), np.eye(4))
        with pytest.raises(BadInputError, match=found):
            stand_in_template(mask=mask)


def test_two_components_in_one_voxel_are_refused() -> None:
    affine = np.diag([40.0, 40.0, 40.0, 1.0])
    affine[:3, 3] = -120
    mask = nibabel.Nifti1Image(np.ones((7, 7, 7), dtype=np.uint8), affine)
    with pytest.raises(BadInputError, match="in one voxel"):
        stand_in_template(mask=mask, fwhm_mm=40.0)


@pytest.mark.parametrize("sizes", [{"voxel_mm": 0.0}, {"voxel_mm": float("nan")}, {"fwhm_mm": 2.0}])
def test_sizes_without_sense_are_refused(sizes: dict[str, float]) -> None:
    with pytest.raises(BadInputError, match=next(iter(sizes))):
        stand_in_template(**sizes)
