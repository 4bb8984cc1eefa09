"""References on the common grid: resampled by nilearn, said, and refused where they vanish."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.image import resample_to_img
from written_runs import AFFINE, SHAPE, blobs, brain, positions, save, write_template

from neurospect.arrays.images import read_image
from neurospect.errors import BadInputError
from neurospect.preprocess.analysis_grid import chosen_grid, references_on_grid
from neurospect.preprocess.resampling import grid_words, resampled, same_grid

FINE = np.array([[4.0, 0, 0, -46], [0, 4, 0, -54], [0, 0, 4, -42], [0, 0, 0, 1]])
FINE_SHAPE = (23, 27, 21)


def template(folder: Path, **kind: object) -> nibabel.Nifti1Image:
    return read_image(write_template(folder / "template.nii.gz", **kind), dimensions=4)


def on_grid(shape: tuple[int, ...], affine: np.ndarray) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image(np.zeros(shape, np.float32), affine)


def test_a_template_that_is_on_the_grid_keeps_its_values(tmp_path: Path) -> None:
    own = template(tmp_path)
    found = references_on_grid(own, own)
    inside = (blobs() != 0).any(axis=3)
    np.testing.assert_array_equal(found.grid.mask, inside)
    np.testing.assert_array_equal(found.maps, blobs()[inside].T.astype(np.float32))
    assert found.description["Template"] == {"Resampled": False}
    assert found.description["AnalysisMask"] == {
        "Source": "support of the template",
        "Voxels": inside.sum(),
    }


def test_a_template_on_another_grid_is_resampled_and_said_to_be(tmp_path: Path) -> None:
    own, target = template(tmp_path, shape=FINE_SHAPE, affine=FINE), on_grid(SHAPE, AFFINE)
    found = references_on_grid(own, target)
    expected = resample_to_img(
        own, target, clip=True, force_resample=True, copy_header=True
    ).get_fdata()
    np.testing.assert_allclose(found.maps, expected[found.grid.mask].T, atol=1e-6)
    # and the blobs stay at their places in mm, though the fine grid is turned left to right
    pairs = zip(found.maps, blobs()[found.grid.mask].T, strict=True)
    assert min(np.corrcoef(*pair)[0, 1] for pair in pairs) > 0.98
    facts = found.description["Template"]
    assert (facts["Resampled"], facts["Interpolation"]) == (True, "cubic spline")
    assert (facts["From"]["Shape"], facts["To"]["Shape"]) == (list(FINE_SHAPE), list(SHAPE))
    assert (facts["From"]["VoxelSize"], facts["To"]["VoxelSize"]) == ([4.0] * 3, [8.0] * 3)
    np.testing.assert_array_equal(facts["To"]["Affine"], AFFINE)
    np.testing.assert_array_equal(found.grid.affine, AFFINE)
    assert json.loads(json.dumps(found.description)) == found.description


def test_interpolation_does_not_widen_the_support(tmp_path: Path) -> None:
    found = references_on_grid(
        template(tmp_path, shape=FINE_SHAPE, affine=FINE), on_grid(SHAPE, AFFINE)
    )
    scaled = positions()[found.grid.mask] / [44, 52, 40]
    assert ((scaled**2).sum(axis=1) <= 1.01).all()
    assert found.grid.voxels > 0.9 * brain().sum()


def test_a_given_mask_comes_to_the_grid_by_its_nearest_voxels(tmp_path: Path) -> None:
    half = brain(FINE_SHAPE, FINE) & (positions(FINE_SHAPE, FINE)[..., 0] < 24)
    path = save(tmp_path / "mask.nii.gz", half[..., None].astype(np.uint8), FINE)
    found = references_on_grid(
        template(tmp_path), on_grid(SHAPE, AFFINE), mask_image=read_image(path, dimensions=3)
    )
    expected = np.zeros(SHAPE, bool)
    for voxel, place in zip(np.ndindex(SHAPE), positions().reshape(-1, 3), strict=True):
        index = np.floor(nibabel.affines.apply_affine(np.linalg.inv(FINE), place) + 0.5).astype(int)
        if (index >= 0).all() and (index < FINE_SHAPE).all():
            expected[voxel] = half[tuple(index)]
    assert (found.grid.mask != expected).mean() < 0.01  # ties at half a voxel may go either way
    assert found.grid.mask[positions()[..., 0] > 30].sum() == 0
    facts = found.description["AnalysisMask"]
    assert (facts["Source"], facts["Interpolation"]) == ("mask", "nearest voxel")


def test_values_that_are_no_numbers_count_as_zero_and_are_counted(tmp_path: Path) -> None:
    values = blobs().astype(np.float32)
    values[~brain()] = np.nan
    values[6, 7, 5, 0] = np.inf
    own = read_image(save(tmp_path / "maps.nii", values), dimensions=4)
    found = references_on_grid(own, own)
    assert np.isfinite(found.maps).all()
    np.testing.assert_array_equal(found.grid.mask, brain())
    assert found.description["Template"]["NotFiniteSetToZero"] == 4 * (~brain()).sum() + 1


def test_rounding_in_a_header_is_no_other_grid() -> None:
    assert same_grid(SHAPE, AFFINE, (*SHAPE, 5), AFFINE + 1e-5)
    assert not same_grid(SHAPE, AFFINE, SHAPE, AFFINE + 0.01)
    assert not same_grid(SHAPE, AFFINE, (12, 14, 12), AFFINE)


def test_the_grid_is_chosen_by_name(tmp_path: Path) -> None:
    assert chosen_grid("run", "the template", "the run") == "the run"
    assert chosen_grid("template", "the template", "the run") == "the template"
    with pytest.raises(BadInputError, match="found 'mask', expected run or template"):
        chosen_grid("mask", None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("away", [1000.0, -1000.0])
def test_a_grid_far_from_the_template_is_refused_with_both_centres(
    tmp_path: Path, away: float
) -> None:
    far = AFFINE.copy()
    far[0, 3] += away
    with pytest.raises(BadInputError, match=r"template.nii.gz: maps") as refused:
        references_on_grid(template(tmp_path), on_grid(SHAPE, far))
    # the grid's centre is at x = 44 - 8 * 5.5 = 0, moved
    assert f"({away:.0f}, 0, 0) mm" in str(refused.value)
    assert "centred at (0, 0, 0) mm" in str(refused.value.found).replace("-0", "0")


def test_a_mask_far_from_the_template_is_refused(tmp_path: Path) -> None:
    corner = np.zeros(SHAPE, np.uint8)
    corner[0, 0, 0] = 1
    mask = read_image(save(tmp_path / "mask.nii", corner))
    with pytest.raises(BadInputError, match=r"template.nii.gz: maps: .*\(44, -52, -40\) mm"):
        references_on_grid(template(tmp_path), on_grid(SHAPE, AFFINE), mask_image=mask)


def test_a_mask_off_the_grid_is_refused(tmp_path: Path) -> None:
    far = AFFINE + np.array([[0, 0, 0, 999.0], [0] * 4, [0] * 4, [0] * 4])
    mask = read_image(save(tmp_path / "mask.nii", np.ones(SHAPE, np.uint8), far))
    with pytest.raises(BadInputError, match=r"mask.nii: voxels: found none on the common grid"):
        references_on_grid(template(tmp_path), on_grid(SHAPE, AFFINE), mask_image=mask)


def test_a_map_that_vanishes_on_the_grid_is_refused_by_name(tmp_path: Path) -> None:
    # only the back of the brain: maps 3 and 4 lie in front
    with pytest.raises(BadInputError, match=r"component 3 \(Cuneus\).*vanishes.*2 in all") as one:
        references_on_grid(
            template(tmp_path),
            on_grid((12, 5, 11), AFFINE),
            labels=["Putamen", "Thalamus", "Cuneus", "Insula"],
        )
    assert one.value.where.endswith("template.nii.gz")


def test_a_map_of_zeros_is_refused(tmp_path: Path) -> None:
    values = blobs().astype(np.float32)
    values[..., 1] = 0
    own = read_image(save(tmp_path / "maps.nii", values))
    with pytest.raises(BadInputError, match=r"component 2: found a map that vanishes"):
        references_on_grid(own, own)


def test_grids_are_described_in_words() -> None:
    assert grid_words((*SHAPE, 7), AFFINE) == "12 x 14 x 11 voxels of 8 x 8 x 8 mm"


def test_what_does_not_reach_the_target_is_zero() -> None:
    values = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    for away in (-500.0, 500.0):
        target = np.eye(4)
        target[1, 3] = away
        moved = resampled(values, np.eye(4), (4, 5, 6), target, "continuous")
        assert moved.shape == (4, 5, 6)
        assert not moved.any()
