"""A run as voxels inside the analysis mask: read once, and refused by file and field."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.image import resample_to_img
from scipy.ndimage import binary_dilation
from written_runs import AFFINE, SHAPE, brain, cut_in_the_middle, run_values, save, write_run

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.run_voxels import read_run

GRID = VoxelGrid(brain(), AFFINE)
FINE = np.array([[4.0, 0, 0, -46], [0, 4, 0, -54], [0, 0, 4, -42], [0, 0, 0, 1]])
FINE_SHAPE = (23, 27, 21)
FINE_GRID = VoxelGrid(brain(FINE_SHAPE, FINE), FINE)


def moved(x: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += x
    return affine


def confounds(path: Path, *cells: object) -> Path:
    lines = ["trans_x\tframewise_displacement", *(f"0.1\t{cell}" for cell in cells)]
    path.write_text("\n".join(lines) + "\n")
    return path


# What is read


def test_values_are_those_of_the_image_inside_both_masks(tmp_path: Path) -> None:
    mask = brain()
    mask[:6] = False
    run = write_run(tmp_path, mask=mask)
    found = read_run(run, GRID)
    np.testing.assert_array_equal(found.values, run_values()[brain() & mask].T)
    np.testing.assert_array_equal(found.inside, mask[brain()])
    assert found.values.dtype == np.float32
    assert (found.repetition_time, found.constant_voxels, found.resampled) == (2.0, 0, False)
    assert found.notes == ()


def test_a_run_on_another_grid_is_resampled_as_nilearn_does_and_said_to_be(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    found = read_run(run, FINE_GRID)
    target = nibabel.Nifti1Image(np.zeros(FINE_SHAPE, np.float32), FINE)
    expected = resample_to_img(run.image, target, clip=True, force_resample=True, copy_header=True)
    inside = np.zeros(FINE_SHAPE, bool)
    inside[FINE_GRID.mask] = found.inside
    # nilearn keeps a whole run within its range, and here each volume within its own
    np.testing.assert_allclose(found.values, expected.get_fdata()[inside].T, atol=60)
    middle = found.values[:, found.values.min(axis=0) > 800]
    same = expected.get_fdata()[inside].T[:, found.values.min(axis=0) > 800]
    assert np.median(np.abs(middle - same)) < 1e-3
    assert found.resampled
    (note,) = found.notes
    assert "from 12 x 14 x 11 voxels of 8 x 8 x 8 mm to 23 x 27 x 21 voxels of 4" in note


def test_a_mask_on_another_grid_is_brought_to_the_runs_and_said_to_be(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    save(run.mask, brain(FINE_SHAPE, FINE).astype(np.uint8), FINE)
    found = read_run(run, GRID)
    assert found.inside.mean() > 0.9
    assert found.notes == ("The mask was on another grid; brought to the run's (nearest voxel).",)


def test_a_mask_with_a_fourth_axis_of_one_is_a_mask(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    expected = read_run(run, GRID).values
    save(run.mask, brain()[..., None].astype(np.uint8))
    np.testing.assert_array_equal(read_run(run, GRID).values, expected)


def test_what_lies_outside_the_mask_may_be_anything(tmp_path: Path) -> None:
    values = run_values()
    values[~brain()] = np.nan
    run = write_run(tmp_path, values=values)
    zero = write_run(tmp_path, "sub-02")
    for grid in (GRID, FINE_GRID):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = read_run(run, grid).values
        np.testing.assert_array_equal(found, read_run(zero, grid).values)


def test_constant_voxels_are_left_out_and_counted(tmp_path: Path) -> None:
    values = run_values()
    values[6, 7, 3:8] = 5.0
    found = read_run(write_run(tmp_path, values=values), GRID)
    expected = brain()
    expected[6, 7, 3:8] = False
    assert found.constant_voxels == 5
    np.testing.assert_array_equal(found.inside, expected[brain()])
    np.testing.assert_array_equal(found.values, values[expected].T)
    assert found.notes == ("Voxels of the mask that never change, left out: 5.",)


def test_constant_voxels_are_found_on_the_runs_own_grid(tmp_path: Path) -> None:
    values = run_values()
    values[6, 7, 5] = 5.0  # one voxel, eight on the fine grid
    found = read_run(write_run(tmp_path, values=values), FINE_GRID)
    assert found.constant_voxels == 8


def test_resampling_leaves_no_constant_voxel_where_a_mask_is_too_wide(tmp_path: Path) -> None:
    # beside the bright brain splines fall under zero, and are kept from it
    values, wide = run_values(), binary_dilation(brain())
    dim = wide & ~brain()
    values[dim] = np.random.default_rng(0).random((dim.sum(), 40))
    grid = replace(FINE_GRID, mask=binary_dilation(FINE_GRID.mask, iterations=2))
    found = read_run(write_run(tmp_path, values=values, mask=wide), grid)
    assert found.constant_voxels > 0
    assert (found.values.max(axis=0) > found.values.min(axis=0)).all()


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_the_dtype_of_the_file_does_not_matter(tmp_path: Path, dtype: type) -> None:
    values = np.round(run_values())
    found = read_run(write_run(tmp_path, values=values.astype(dtype)), GRID)
    np.testing.assert_array_equal(found.values, values[brain()].T)


def test_memory_stays_under_twice_the_masked_run(tmp_path: Path) -> None:
    shape, volumes = (30, 32, 28), 120
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -45
    mask = ((np.indices(shape).T / [30, 32, 28] - 0.5) ** 2).sum(axis=-1).T < 0.2
    values = np.random.default_rng(0).normal(1000, 10, (*shape, volumes)).astype(np.int16)
    run = write_run(tmp_path, values=values, mask=mask, affine=affine)
    grid = VoxelGrid(mask, affine)
    read_run(run, grid)  # imports and caches
    tracemalloc.start()
    found = read_run(run, grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * found.values.nbytes


# What stands beside the values


def test_the_sidecar_says_the_repetition_time_before_the_header(tmp_path: Path) -> None:
    run = write_run(tmp_path, sidecar={"RepetitionTime": 0.72})
    found = read_run(run, GRID)
    assert found.repetition_time == 0.72
    assert found.notes == (
        "Repetition time: 0.72 s by the sidecar, 2 s by the header; the sidecar's was used.",
    )


def test_the_repetition_time_of_the_header_is_given_in_seconds(tmp_path: Path) -> None:
    run = write_run(tmp_path, seconds=0.72, sidecar={"TaskName": "rest"})
    assert read_run(run, GRID).repetition_time == 0.72
    image = nibabel.load(run.image)
    image.header.set_zooms((8, 8, 8, 720))
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(nibabel.Nifti1Image(run_values(), None, image.header), run.image)
    assert read_run(run, GRID).repetition_time == 0.72


@pytest.mark.parametrize(("seconds", "notes"), [(0.0, 0), (2000.0, 1)])
def test_an_unknown_repetition_time_is_none(tmp_path: Path, seconds: float, notes: int) -> None:
    found = read_run(write_run(tmp_path, seconds=seconds), GRID)
    assert found.repetition_time is None
    assert len(found.notes) == notes


def test_mean_framewise_displacement_passes_over_the_first_volume(tmp_path: Path) -> None:
    cells = ["n/a", *np.linspace(0.05, 0.4, 39)]
    run = replace(write_run(tmp_path), confounds=confounds(tmp_path / "c.tsv", *cells))
    assert read_run(run, GRID).mean_framewise_displacement == pytest.approx(0.225)
    run = replace(run, confounds=confounds(tmp_path / "c.tsv", *["n/a"] * 40))
    found = read_run(run, GRID)
    assert found.mean_framewise_displacement is None
    assert found.notes == ("The confounds give no framewise displacement.",)


# What is refused


def refused(run, grid: VoxelGrid = GRID, **limits: int) -> BadInputError:
    with pytest.raises(BadInputError) as raised:
        read_run(run, grid, **limits)
    assert "\n" not in str(raised.value)
    return raised.value


def test_an_image_that_is_not_there_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.image.unlink()
    fault = refused(run)
    assert (fault.where, fault.found) == (str(run.image), "no such file")


def test_a_mask_that_is_not_there_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.mask.unlink()
    fault = refused(run)
    assert (fault.where, fault.found) == (str(run.mask), "no such file")


@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_file_cut_in_the_middle_is_refused(tmp_path: Path, which: str) -> None:
    run = write_run(tmp_path)
    cut_in_the_middle(getattr(run, which))
    fault = refused(run)
    # of the small mask, not even the header is left
    field = {"image": "data", "mask": "file"}[which]
    assert (fault.where, fault.field) == (str(getattr(run, which)), field)


def test_a_3d_image_is_no_run(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    save(run.image, run_values()[..., 0])
    fault = refused(run)
    assert (fault.where, fault.field, fault.found) == (
        str(run.image),
        "shape",
        "3-D (12, 14, 11)",
    )


def test_a_4d_image_is_no_mask(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    fault = refused(replace(run, mask=run.image))
    assert (fault.where, fault.field) == (str(run.image), "shape")
    assert fault.expected.startswith("3-D")


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, mask=np.zeros(SHAPE, bool))
    fault = refused(run)
    assert (fault.where, fault.found) == (str(run.mask), "none inside the mask")


def test_a_mask_of_another_place_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    save(run.mask, brain().astype(np.uint8), moved(500))
    fault = refused(run)
    assert (fault.where, fault.field) == (str(run.mask), "voxels")
    assert "(500, 0, 0) mm" in str(fault.found).replace("-0", "0")


@pytest.mark.parametrize("x", [300.0, -300.0])
def test_a_run_that_does_not_overlap_is_refused_with_both_centres(tmp_path: Path, x: float) -> None:
    run = write_run(tmp_path, values=run_values(), mask=brain(), affine=moved(x))
    fault = refused(run)
    assert (fault.where, fault.field) == (str(run.image), "space")
    assert f"({x:.0f}, 0, 0) mm" in str(fault.found).replace("-0", "0")
    assert "(0, 0, 0) mm" in fault.expected.replace("-0", "0")


def test_numbers_that_are_none_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    values = run_values()
    values[6, 7, 5, 12:15] = np.nan
    values[3, 7, 5, 20] = -np.inf
    run = write_run(tmp_path, values=values)
    for grid in (GRID, FINE_GRID):
        fault = refused(run, grid)
        assert (fault.where, fault.field) == (str(run.image), "values")
        assert str(fault.found) == (
            "4 NaN or infinite inside the mask, the first at voxel (6, 7, 5) of volume 12 (from 0)"
        )


def test_too_many_constant_voxels_are_refused(tmp_path: Path) -> None:
    values = run_values()
    values[:5] = 7
    run = write_run(tmp_path, values=values)
    fault = refused(run)
    constant = brain()[:5].sum()
    assert (fault.where, fault.field, fault.expected) == (str(run.image), "values", "at most 20%")
    assert str(fault.found).startswith(f"{constant} of {brain().sum()} voxels")


def test_too_few_volumes_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, values=run_values(volumes=9))
    fault = refused(run, least_volumes=10)
    assert (fault.where, fault.field, fault.found) == (str(run.image), "volumes", 9)
    assert fault.expected.startswith("at least 10")


@pytest.mark.parametrize("text", ["{", "[2.0]", '{"RepetitionTime": "2"}', '{"RepetitionTime": 0}'])
def test_a_sidecar_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    run = write_run(tmp_path)
    sidecar = run.image.with_name("sub-01_task-rest_bold.json")
    sidecar.write_text(text)
    assert refused(run).where == str(sidecar)


def test_a_repetition_time_in_milliseconds_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, sidecar={"RepetitionTime": 2000})
    fault = refused(run)
    assert (fault.field, fault.found) == ("RepetitionTime", "2000")
    assert json.loads(Path(fault.where).read_text()) == {"RepetitionTime": 2000}


def test_confounds_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "confounds.tsv"
    run = replace(write_run(tmp_path), confounds=path)
    confounds(path, *[0.1] * 39)
    assert (refused(run).where, refused(run).found) == (str(path), 39)
    confounds(path, *[0.1] * 39, "moved")
    assert "framewise_displacement, row 40" in str(refused(run))
    confounds(path, *[0.1] * 39, -0.2)
    assert refused(run).found == -0.2
    path.write_text("trans_x\n" + "0.1\n" * 40)
    assert "framewise_displacement" in refused(run).expected
    path.unlink()
    assert "No such file" in str(refused(run))
