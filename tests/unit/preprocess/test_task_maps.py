"""Task maps: z-scored inside the mask, refused by name, gathered into one array."""

import hashlib
import json
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.masking import apply_mask
from scipy.stats import zscore

from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.hcp_layout import find_task_maps
from neurospect.cohorts.simulated_hcp import simulate_hcp
from neurospect.errors import BadInputError
from neurospect.preprocess.task_map_batches import (
    GATHERED_COLUMNS,
    gather_task_maps,
    mean_of_each_task,
    read_task_maps,
    write_task_maps,
)
from neurospect.preprocess.task_maps import (
    EXAMPLE_COLUMNS,
    TaskMaps,
    build_task_maps,
    read_task_map,
    task_map_grid,
)

SHAPE = (9, 10, 8)
AFFINE = np.array([[-6.0, 0, 0, 24], [0, 6, 0, -30], [0, 0, 6, -24], [0, 0, 0, 1]])


def small_grid() -> VoxelGrid:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[2:7, 1:9, 3:7] = True
    mask[4, 4, 4] = False
    return VoxelGrid(mask, AFFINE)


def put(path: Path, values: np.ndarray | int = 0, affine: np.ndarray = AFFINE) -> Path:
    """Write values, or random ones drawn with that seed, as an image."""
    if isinstance(values, int):
        values = np.random.default_rng(values).normal(2, 3, SHAPE).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def example(*files: Path, who: str = "100307", negated: bool = False) -> TaskMapFiles:
    return TaskMapFiles(who, "MOTOR", "mean of LF and RF", files, negated)


def random(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(2, 3, SHAPE).astype(np.float32)


# One map


def test_a_map_is_what_nilearn_and_scipy_make_of_its_files(tmp_path: Path) -> None:
    grid = small_grid()
    files = [put(tmp_path / f"{seed}.nii.gz", seed) for seed in range(3)]
    mask = nibabel.Nifti1Image(grid.mask.astype(np.uint8), AFFINE)
    expected = zscore(apply_mask([str(path) for path in files], mask).mean(axis=0, dtype=float))
    found = read_task_map(example(*files), grid)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert abs(found.mean()) < 1e-12
    assert abs(found.std() - 1) < 1e-12
    np.testing.assert_array_equal(read_task_map(example(*files, negated=True), grid), -found)


def test_scaled_integers_and_a_fourth_axis_of_one_are_read_as_they_are_meant(
    tmp_path: Path,
) -> None:
    grid = small_grid()
    values = random()
    image = nibabel.Nifti1Image(values[..., None], AFFINE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii.gz")
    plain = read_task_map(example(put(tmp_path / "b.nii.gz", values)), grid)
    np.testing.assert_allclose(
        read_task_map(example(tmp_path / "a.nii.gz"), grid), plain, atol=1e-3
    )


def test_what_lies_outside_the_mask_does_not_count(tmp_path: Path) -> None:
    grid = small_grid()
    values = random()
    inside = read_task_map(example(put(tmp_path / "a.nii.gz", values)), grid)
    values[~grid.mask] = np.nan
    outside = read_task_map(example(put(tmp_path / "b.nii.gz", values)), grid)
    np.testing.assert_array_equal(inside, outside)


def truncated(path: Path) -> None:
    content = put(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_a_hole(path: Path) -> None:
    values = random()
    values[3, 5, 6] = np.nan
    put(path, values)


BROKEN = {
    "truncated": (truncated, "data", "cut short"),
    "constant": (
        lambda path: put(path, np.full(SHAPE, 3, np.float32)),
        "values",
        "found 3 at every voxel inside the mask",
    ),
    "hole": (with_a_hole, "values", r"1 NaN or infinite .* voxel \(3, 5, 6\)"),
    "infinite": (lambda path: put(path, random() * np.float32(np.inf)), "values", "infinite"),
    "other grid": (
        lambda path: put(path, affine=AFFINE + np.eye(4)[:, [3, 0, 1, 2]] * 2),
        "grid",
        "that of the mask",
    ),
    "other shape": (
        lambda path: put(path, random()[1:]),
        "grid",
        r"shape \(8, 10, 8\).* expected shape \(9, 10, 8\)",
    ),
    "4-D": (lambda path: put(path, np.stack([random()] * 2, -1)), "shape", "4-D"),
    "text": (lambda path: path.write_text("no image"), "file", "NIfTI"),
    "missing": (lambda path: None, "file", "no such file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_refused_by_name_also_in_a_mean(tmp_path: Path, kind: str) -> None:
    make, field, message = BROKEN[kind]
    path = tmp_path / "broken.nii.gz"
    make(path)
    good = put(tmp_path / "good.nii.gz")
    for files in ((path,), (good, path), (path, good)):
        with pytest.raises(BadInputError, match=message) as caught:
            read_task_map(example(*files), small_grid())
        assert (caught.value.where, caught.value.field) == (str(path), field)


def test_files_that_cancel_each_other_are_refused(tmp_path: Path) -> None:
    values = random()
    files = put(tmp_path / "a.nii.gz", values), put(tmp_path / "b.nii.gz", 1 - values)
    with pytest.raises(BadInputError, match=r"a\.nii\.gz: mean: .*2 files that cancel"):
        read_task_map(example(*files), small_grid())


# The mask


def test_without_a_mask_the_mni_brain_is_brought_to_the_grid_of_the_maps(tmp_path: Path) -> None:
    # the grid of HCP's volumes: 2 mm, from right to left
    affine = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
    path = put(tmp_path / "a.nii.gz", np.zeros((91, 109, 91), np.float32), affine)
    grid, facts = task_map_grid(None, [path])
    brain = load_mni152_brain_mask(resolution=2)
    inside = np.asarray(brain.dataobj) != 0
    places = (affine @ np.column_stack([np.argwhere(grid.mask), np.ones(grid.voxels)]).T).T
    voxels = np.rint((np.linalg.inv(brain.affine) @ places.T).T[:, :3]).astype(int)
    assert inside[tuple(voxels.T)].all()
    assert grid.voxels > 0.99 * inside.sum()
    assert "MNI152" in facts["Mask"]
    assert "resampled" in facts["Mask"]
    assert facts["GridShape"] == [91, 109, 91]
    box = [stop - start for start, stop in zip(facts["CropStart"], facts["CropStop"], strict=True)]
    assert box == list(grid.mask[grid.box].shape) != [91, 109, 91]


def test_a_mask_that_is_given_counts_as_it_is(tmp_path: Path) -> None:
    grid = small_grid()
    path = put(tmp_path / "mask.nii.gz", grid.mask.astype(np.uint8))
    found, facts = task_map_grid(path, [])
    np.testing.assert_array_equal(found.mask, grid.mask)
    np.testing.assert_array_equal(found.affine, AFFINE)
    assert facts["Mask"] == "mask.nii.gz"
    assert facts["MaskVoxels"] == grid.voxels


def test_a_first_map_that_is_broken_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.nii.gz").write_text("no image")
    paths = [tmp_path / "missing.nii.gz", tmp_path / "broken.nii.gz", put(tmp_path / "a.nii.gz")]
    grid, _ = task_map_grid(None, paths)
    assert grid.mask.shape == SHAPE
    with pytest.raises(BadInputError, match=r"broken\.nii\.gz: file"):
        task_map_grid(None, paths[:2])
    with pytest.raises(BadInputError, match="at least one map"):
        task_map_grid(None, [])


def test_maps_outside_mni_space_and_empty_masks_are_refused(tmp_path: Path) -> None:
    far = AFFINE + np.array([[0, 0, 0, 900]] + [[0] * 4] * 3)
    with pytest.raises(BadInputError, match=r"a\.nii\.gz: affine: .*MNI152"):
        task_map_grid(None, [put(tmp_path / "a.nii.gz", 0, far)])
    with pytest.raises(BadInputError, match=r"mask\.nii\.gz: voxels"):
        task_map_grid(put(tmp_path / "mask.nii.gz", np.zeros(SHAPE, np.uint8)), [])


# Batches


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_broken_examples_are_listed_and_the_others_go_on(tmp_path: Path, dtype: str) -> None:
    grid = small_grid()
    examples = []
    for number, (make, _, _) in enumerate(BROKEN.values()):
        make(tmp_path / f"{number}.nii.gz")
        examples.append(example(tmp_path / f"{number}.nii.gz", who=f"bad{number}"))
        good = put(tmp_path / "sub" / f"{number}.nii.gz", number)
        examples.append(example(good, who=f"good{number}", negated=number == 1))
    batch = build_task_maps(examples, grid, dtype=dtype, folder=tmp_path)
    assert batch.maps.shape == (len(BROKEN), grid.voxels)
    assert batch.maps.dtype == dtype
    assert list(batch.examples) == list(EXAMPLE_COLUMNS)
    assert [*batch.examples["participant_id"]] == [f"good{n}" for n in range(len(BROKEN))]
    assert [*batch.exclusions["participant_id"]] == [f"bad{n}" for n in range(len(BROKEN))]
    assert set(batch.exclusions["what"]) == {"task MOTOR"}
    assert [*batch.exclusions["field"]] == [field for _, field, _ in BROKEN.values()]
    for row, each in enumerate(examples[1::2]):
        np.testing.assert_array_equal(batch.maps[row], read_task_map(each, grid).astype(dtype))
    assert [*batch.examples["negated"]] == [n == 1 for n in range(len(BROKEN))]


def test_sources_are_named_below_the_folder_with_their_digests(tmp_path: Path) -> None:
    files = [put(tmp_path / "1" / f"{seed}.nii.gz", seed) for seed in range(2)]
    batch = build_task_maps([example(*files)], small_grid(), folder=tmp_path)
    (row,) = batch.examples.to_dict("records")
    assert row["source"] == "1/0.nii.gz;1/1.nii.gz"
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert row["sha256"] == ";".join(digests)


def made(rows: int, start: int = 0, dtype: str = "float32", **grid: object) -> TaskMaps:
    """Make a batch of random maps without files."""
    own = VoxelGrid(grid.get("mask", small_grid().mask), grid.get("affine", AFFINE))
    table = build_task_maps([], own, folder=".").examples
    for row in range(start, start + rows):
        table.loc[row - start] = [f"{row:06d}", "WM", "2BK-0BK", row % 2 == 0, "a", "b"]
    maps = np.random.default_rng(start).normal(size=(rows, own.voxels)).astype(dtype)
    return TaskMaps(maps, table, build_task_maps([], own, folder=".").exclusions, own)


def test_a_batch_comes_back_as_it_was_written(tmp_path: Path) -> None:
    examples = [example(put(tmp_path / f"{n}.nii.gz", n), who=f"00{n}") for n in range(3)]
    examples.append(example(tmp_path / "missing.nii.gz", who="003"))
    batch = build_task_maps(examples, small_grid(), folder=tmp_path)
    write_task_maps(tmp_path / "batch", batch)
    back = read_task_maps(tmp_path / "batch")
    assert isinstance(back.maps, np.memmap)
    np.testing.assert_array_equal(back.maps, batch.maps)
    np.testing.assert_array_equal(back.grid.mask, batch.grid.mask)
    np.testing.assert_allclose(back.grid.affine, AFFINE)
    assert back.examples.to_dict("list") == batch.examples.to_dict("list")
    assert back.exclusions.to_dict("list") == batch.exclusions.to_dict("list")
    assert len(back.exclusions) == 1


def test_gathered_batches_are_one_array_with_rows_counted_through(tmp_path: Path) -> None:
    batches = [made(70), made(0), made(5, start=70)]
    for number, batch in enumerate(batches):
        write_task_maps(tmp_path / str(number), batch)
    whole = gather_task_maps([tmp_path / str(n) for n in range(3)], tmp_path / "all.npy")
    expected = np.concatenate([batch.maps for batch in batches])
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), expected)
    np.testing.assert_array_equal(whole.maps, expected)
    assert list(whole.examples) == list(GATHERED_COLUMNS)
    assert whole.examples["row"].to_list() == list(range(75))
    assert whole.examples["participant_id"].to_list() == [f"{row:06d}" for row in range(75)]
    assert whole.examples["negated"].to_list() == [row % 2 == 0 for row in range(75)]
    np.testing.assert_array_equal(whole.grid.mask, small_grid().mask)


def test_gathering_holds_a_part_of_the_array_in_memory(tmp_path: Path) -> None:
    mask = np.ones((30, 30, 30), dtype=bool)
    for number in range(4):
        write_task_maps(tmp_path / str(number), made(100, start=100 * number, mask=mask))
    folders = [tmp_path / str(number) for number in range(4)]
    tracemalloc.start()
    whole = gather_task_maps(folders, tmp_path / "all.npy")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole.maps.nbytes > 40e6
    assert peak < whole.maps.nbytes / 8


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([made(2), made(2, start=1)], "1: examples: found task WM of 000001"),
        ([made(2), made(2, start=2, mask=~small_grid().mask)], "1: mask and dtype: .*voxels"),
        ([made(2), made(2, start=2, affine=AFFINE * 1.5)], "1: mask and dtype: .*affine"),
        ([made(2), made(2, start=2, dtype="float16")], "1: mask and dtype: found float16"),
        ([made(0), made(0)], "found none in 2 batches"),
        ([], "found none in 0 batches"),
    ],
)
def test_batches_that_do_not_fit_together_are_refused_before_anything_is_written(
    tmp_path: Path, batches: list[TaskMaps], message: str
) -> None:
    for number, batch in enumerate(batches):
        write_task_maps(tmp_path / str(number), batch)
    with pytest.raises(BadInputError, match=message):
        gather_task_maps([tmp_path / str(n) for n in range(len(batches))], tmp_path / "all.npy")
    assert not (tmp_path / "all.npy").exists()


def test_a_batch_whose_files_are_of_different_runs_is_refused(tmp_path: Path) -> None:
    write_task_maps(tmp_path / "a", made(3))
    write_task_maps(tmp_path / "b", made(2))
    (tmp_path / "b" / "maps.npy").replace(tmp_path / "a" / "maps.npy")
    with pytest.raises(BadInputError, match=r"maps\.npy: shape: found \(2, "):
        read_task_maps(tmp_path / "a")


# From files to classes


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, list[TaskMapFiles]]:
    """Simulate 16 participants, and find their files."""
    folder = tmp_path_factory.mktemp("hcp")
    simulate_hcp(folder, participants=16, voxel_mm=8.0, seed=11)
    truth = json.loads((folder / "truth" / "truth.json").read_text())
    examples, exclusions = find_task_maps(
        folder, [each["participant_id"] for each in truth["Participants"]]
    )
    assert not exclusions
    return folder, truth, examples


def test_mean_maps_of_the_simulated_tasks_are_their_true_regions(
    simulated: tuple[Path, dict, list[TaskMapFiles]], tmp_path: Path
) -> None:
    folder, truth, examples = simulated
    grid, _ = task_map_grid(None, (each.files[0] for each in examples))
    batches = [tmp_path / "first", tmp_path / "second"]
    for batch, part in zip(batches, (examples[: 9 * 7], examples[9 * 7 :]), strict=True):
        write_task_maps(batch, build_task_maps(part, grid, folder=folder))
    whole = gather_task_maps(batches, tmp_path / "all.npy")
    assert whole.maps.shape == (16 * 7, grid.voxels)
    tasks = list(dict.fromkeys(whole.examples["task"]))
    means = [whole.maps[whole.examples["task"] == task].mean(axis=0) for task in tasks]
    by_name = [means[tasks.index(task)] for task in sorted(tasks)]
    np.testing.assert_allclose(mean_of_each_task(whole), by_name, atol=1e-6)
    kinds = ("specific", "pairwise", "common")
    masks = np.concatenate([np.load(folder / "truth" / f"{kind}.npy") for kind in kinds])
    active = [[task in region["tasks"] for region in truth["Regions"]] for task in tasks]
    regions = [masks[own].any(axis=0)[grid.mask] for own in active]
    alike = np.corrcoef(means, np.array(regions, dtype=float))[:7, 7:]
    assert np.diag(alike).min() > 0.45
    # each task's map is most like its own regions, and not like those of a task it shares one with
    np.testing.assert_array_equal(alike.argmax(axis=1), np.arange(7))
    np.testing.assert_array_equal(alike.argmax(axis=0), np.arange(7))


def test_negated_maps_show_what_the_others_of_their_task_show(
    simulated: tuple[Path, dict, list[TaskMapFiles]],
) -> None:
    _, _, examples = simulated
    language = [each for each in examples if each.task == "LANGUAGE"]
    grid, _ = task_map_grid(None, language[0].files)
    maps = np.array([read_task_map(each, grid) for each in language])
    negated = np.array([each.negated for each in language])
    assert negated.sum() == 4
    mean = maps[~negated].mean(axis=0)
    assert all(np.corrcoef(each, mean)[0, 1] > 0.1 for each in maps[negated])
