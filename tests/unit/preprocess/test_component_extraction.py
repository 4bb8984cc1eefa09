"""Batches of runs: the good ones go on, the bad ones are excluded with file and field."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import welch
from written_runs import (
    AFFINE,
    COMPONENTS,
    SHAPE,
    brain,
    cut_in_the_middle,
    run_values,
    save,
    write_run,
    write_template,
)

from neurospect.arrays.exclusions import EXCLUSION_COLUMNS
from neurospect.arrays.images import read_image
from neurospect.arrays.runs import Run
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.analysis_grid import ReferencesOnGrid, references_on_grid
from neurospect.preprocess.component_extraction import extract_components
from neurospect.preprocess.component_labels import (
    numbered_components,
    read_component_labels,
)
from neurospect.preprocess.constrained_ica import constrained_ica
from neurospect.preprocess.dual_regression import dual_regression
from neurospect.preprocess.extracted_components import (
    QUALITY_COLUMNS,
    RUN_COLUMNS,
    ExtractedComponents,
    read_extracted,
    write_extracted,
)
from neurospect.preprocess.spectral_power import spectral_power_ratio

LABELS = numbered_components(COMPONENTS)


@pytest.fixture
def references(tmp_path: Path) -> ReferencesOnGrid:
    image = read_image(write_template(tmp_path / "template.nii.gz"), dimensions=4)
    return references_on_grid(image, image)


def extracted(
    runs: list[Run], references: ReferencesOnGrid, **options: object
) -> ExtractedComponents:
    return extract_components(runs, references.maps, references.grid, LABELS, **options)


# What comes out


@pytest.mark.parametrize("method", ["constrained_ica", "dual_regression"])
def test_a_batch_holds_what_each_run_gives_by_itself(
    tmp_path: Path, references: ReferencesOnGrid, method: str
) -> None:
    lengths = (40, 55, 30)
    runs = [
        write_run(tmp_path, f"sub-{number}", values=run_values(number, volumes))
        for number, volumes in enumerate(lengths)
    ]
    found = extracted(runs, references, method=method)
    assert found.maps.shape == (3, COMPONENTS, references.grid.voxels)
    assert found.time_courses.shape == (3, 55, COMPONENTS)
    assert found.maps.dtype == found.time_courses.dtype == np.float32
    find = {"constrained_ica": constrained_ica, "dual_regression": dual_regression}[method]
    for number, volumes in enumerate(lengths):
        values = run_values(number, volumes)[references.grid.mask].T
        own = find(values, references.maps)
        np.testing.assert_allclose(found.maps[number], own.maps, atol=1e-4)
        np.testing.assert_array_equal(found.time_courses[number, :volumes], own.time_courses)
        assert not found.time_courses[number, volumes:].any()
    assert found.runs["volumes"].to_list() == list(lengths)
    assert len(found.exclusions) == 0


def test_maps_are_z_scored_inside_the_participants_mask_and_zero_outside(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    masks = [brain(), brain()]
    masks[1][:3] = False
    runs = [write_run(tmp_path, f"sub-{n}", mask=mask) for n, mask in enumerate(masks)]
    found = extracted(runs, references)
    for maps, mask in zip(found.maps.astype(np.float64), masks, strict=True):
        inside = mask[references.grid.mask]
        np.testing.assert_allclose(maps[:, inside].mean(axis=1), 0, atol=1e-6)
        np.testing.assert_allclose(maps[:, inside].std(axis=1), 1, atol=1e-6)
        assert not maps[:, ~inside].any()
    whole = references.grid.voxels
    assert found.runs["voxels"].to_list() == [whole, (masks[1] & references.grid.mask).sum()]
    np.testing.assert_allclose(found.runs["coverage"], found.runs["voxels"] / whole)


def test_tables_say_how_each_run_and_each_component_came_about(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    values = run_values()
    values[6, 7, 5] = 4.0
    run = replace(write_run(tmp_path, values=values), session="01")
    found = extracted([run], references)
    assert list(found.runs.columns) == list(RUN_COLUMNS)
    (row,) = found.runs.to_dict("records")
    assert (row["participant_id"], row["session"], row["repetition_time"]) == ("sub-01", "01", 2.0)
    assert (row["constant_voxels"], row["resampled"]) == (1, False)
    assert row["voxels"] == references.grid.voxels - 1
    assert row["notes"] == "Voxels of the mask that never change, left out: 1."
    own = references.maps[:, found.maps[0].any(axis=0)]
    ica, dual = (
        find(run_values()[references.grid.mask].T[:, found.maps[0].any(axis=0)], own).quality
        for find in (constrained_ica, dual_regression)
    )
    assert row["principal_components"] == ica.principal_components
    quality = found.quality
    assert list(quality.columns) == list(QUALITY_COLUMNS)
    np.testing.assert_array_equal(quality["reference_correlation"], ica.reference_correlation)
    np.testing.assert_array_equal(
        quality["dual_regression_correlation"], dual.reference_correlation
    )
    np.testing.assert_array_equal(quality["iterations"], ica.iterations)
    assert quality["component"].to_list() == [1, 2, 3, 4]
    assert quality["converged"].all()


def test_dual_regression_that_refuses_leaves_its_column_empty(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    # the sum of two references: one that depends on the others, which ICA does not mind
    maps = np.vstack([references.maps[:3], references.maps[:2].sum(axis=0)])
    twin = replace(references, maps=maps)
    found = extracted([write_run(tmp_path)], twin)
    assert found.quality["dual_regression_correlation"].isna().all()
    assert found.quality["reference_correlation"].notna().all()
    refused = extracted([write_run(tmp_path)], twin, method="dual_regression")
    assert refused.exclusions["field"].to_list() == ["references, rank"]


def test_the_same_batch_gives_the_same_bytes(tmp_path: Path, references: ReferencesOnGrid) -> None:
    runs = [write_run(tmp_path, f"sub-{n}", seed=n) for n in range(2)]
    for name in ("first", "second"):
        write_extracted(tmp_path / name, extracted(runs, references))
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == [
        "excluded.json",
        "excluded.tsv",
        "maps.npy",
        "quality.json",
        "quality.tsv",
        "runs.json",
        "runs.tsv",
        "time_courses.npy",
    ]
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_one_line_is_logged_for_each_run(
    tmp_path: Path, references: ReferencesOnGrid, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [write_run(tmp_path, f"sub-{n}") for n in range(3)]
    runs[1].image.unlink()
    with caplog.at_level(logging.INFO):
        extracted(runs, references)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in lines] == [f"sub-{n} ({n + 1} of 3)" for n in range(3)]


# What is left out


def damaged(run: Run, how: str) -> tuple[Path, str]:
    """Damage a run; return the file that is to be named, and the field."""
    values = run_values()
    match how:
        case "cut in the middle":
            cut_in_the_middle(run.image)
            return run.image, "data"
        case "no mask":
            run.mask.unlink()
            return run.mask, "file"
        case "3-D":
            save(run.image, values[..., 0])
            return run.image, "shape"
        case "too few volumes":
            save(run.image, values[..., :3])
            return run.image, "volumes"
        case "NaN inside the mask":
            values[6, 7, 5, 3] = np.nan
            save(run.image, values)
            return run.image, "values"
        case "an empty volume":
            values[..., 7] = 0
            save(run.image, values)
            return run.image, "volumes"
        case "constant voxels":
            values[4:] = 1
            save(run.image, values)
            return run.image, "values"
        case "no overlap":
            far = AFFINE + np.array([[0, 0, 0, 500.0], [0] * 4, [0] * 4, [0] * 4])
            save(run.image, values, far)
            save(run.mask, brain().astype(np.uint8), far)
            return run.image, "space"
        case "a folder":
            run.image.unlink()
            run.image.mkdir()
            return run.image, "file"
    raise AssertionError(how)


@pytest.mark.parametrize(
    "how",
    [
        "cut in the middle",
        "no mask",
        "3-D",
        "too few volumes",
        "NaN inside the mask",
        "an empty volume",
        "constant voxels",
        "no overlap",
        "a folder",
    ],
)
def test_a_damaged_run_is_excluded_by_file_and_field_and_the_others_go_on(
    tmp_path: Path, references: ReferencesOnGrid, how: str
) -> None:
    runs = [write_run(tmp_path, f"sub-{n}", seed=n) for n in range(3)]
    path, field = damaged(runs[1], how)
    found = extracted(runs, references)
    assert found.runs["participant_id"].to_list() == ["sub-0", "sub-2"]
    alone = extracted([runs[2]], references)
    np.testing.assert_array_equal(found.maps[1], alone.maps[0])
    np.testing.assert_array_equal(found.time_courses[1], alone.time_courses[0])
    (row,) = found.exclusions.to_dict("records")
    assert list(row) == list(EXCLUSION_COLUMNS)
    assert (row["participant_id"], row["stage"], row["what"]) == (
        "sub-1",
        "components",
        "participant",
    )
    assert (row["where"], row["field"]) == (str(path), field)
    assert row["remedy"]


def test_a_mask_without_any_voxel_of_a_reference_is_excluded_by_the_runs_file(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    maps = np.where(references.maps > 0.05, references.maps, 0)
    mask = brain()
    mask[references.grid.mask] = maps[2] == 0
    runs = [write_run(tmp_path, "sub-0", mask=mask), write_run(tmp_path, "sub-1")]
    found = extracted(runs, replace(references, maps=maps))
    (row,) = found.exclusions.to_dict("records")
    assert (row["where"], row["field"]) == (str(runs[0].image), "references, components")
    assert row["found"] == "1 constant, the first component 2"
    assert found.runs["participant_id"].to_list() == ["sub-1"]


def test_what_the_system_refuses_is_excluded_with_what_it_says(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    runs = [write_run(tmp_path, f"sub-{n}") for n in range(2)]
    # a name that leaves no room for that of the sidecar
    longest = runs[0].image.with_name("x" * 251 + ".nii")
    save(longest, run_values(), seconds=2.0)
    found = extracted([replace(runs[0], image=longest), runs[1]], references)
    (row,) = found.exclusions.to_dict("records")
    assert row["where"] == str(longest.with_suffix(".json"))
    assert (row["field"], row["found"]) == ("file", "File name too long")
    assert found.runs["participant_id"].to_list() == ["sub-1"]


def test_a_request_that_is_wrong_is_no_fault_of_a_participant(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    run = write_run(tmp_path)
    grid = VoxelGrid(np.ones(SHAPE, bool), AFFINE)
    bad = references.maps.copy()
    bad[1, 2] = np.nan
    cases = [
        ("method", lambda: extracted([run], references, method="ica")),
        ("dtype", lambda: extracted([run], references, dtype="float16")),
        ("participant_id", lambda: extracted([run, run], references)),
        ("references", lambda: extract_components([run], references.maps, grid, LABELS)),
        ("references", lambda: extract_components([run], bad, references.grid, LABELS)),
        (
            "references",
            lambda: extract_components(
                [run], references.maps, references.grid, numbered_components(53)
            ),
        ),
        (
            "components",
            lambda: extract_components(
                [run], references.maps, references.grid, LABELS.drop(columns="domain")
            ),
        ),
    ]
    for field, request in cases:
        with pytest.raises(BadInputError, match=f"component extraction: {field}: "):
            request()


# Written and read again


def test_batches_are_read_as_they_were_written_without_being_in_memory(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    batches = []
    for number in range(2):
        runs = [write_run(tmp_path, f"sub-{number}{n}", seed=n, seconds=0) for n in range(2)]
        runs[0].mask.write_bytes(b"")
        batches.append(extracted(runs, references))
        write_extracted(tmp_path / f"batch-{number}", batches[-1])
    read = read_extracted([tmp_path / "batch-0", tmp_path / "batch-1"])
    for found, expected in zip(read, batches, strict=True):
        assert isinstance(found.maps, np.memmap)
        assert isinstance(found.time_courses, np.memmap)
        np.testing.assert_array_equal(found.maps, expected.maps)
        np.testing.assert_array_equal(found.time_courses, expected.time_courses)
        for name in ("runs", "quality", "exclusions"):
            pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))


def test_a_batch_in_which_all_runs_failed_is_read_again_without_trouble(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    runs = [write_run(tmp_path, f"sub-{n}") for n in range(2)]
    whole = extracted(runs, references)
    for run in runs:
        run.image.unlink()
    none = extracted(runs, references)
    assert none.maps.shape == (0, COMPONENTS, references.grid.voxels)
    assert none.time_courses.shape == (0, 0, COMPONENTS)
    write_extracted(tmp_path / "none", none)
    write_extracted(tmp_path / "whole", whole)
    read, _ = read_extracted([tmp_path / "none", tmp_path / "whole"])
    assert (read.maps.shape, read.time_courses.shape) == (none.maps.shape, none.time_courses.shape)
    assert len(read.exclusions) == 2
    for name in ("runs", "quality"):
        table = getattr(read, name)
        pd.testing.assert_frame_equal(table, getattr(none, name))
        assert table.dtypes.to_dict() == getattr(whole, name).dtypes.to_dict()


def test_batches_that_do_not_belong_together_are_refused(
    tmp_path: Path, references: ReferencesOnGrid
) -> None:
    found = extracted([write_run(tmp_path)], references)
    write_extracted(tmp_path / "a", found)
    write_extracted(tmp_path / "b", found)
    with pytest.raises(BadInputError, match=r"b/runs.tsv: participant_id: found sub-01, who"):
        read_extracted([tmp_path / "a", tmp_path / "b"])
    other = replace(found, maps=found.maps[..., 1:])
    write_extracted(tmp_path / "c", other)
    with pytest.raises(BadInputError, match=r"c/maps.npy: shape"):
        read_extracted([tmp_path / "a", tmp_path / "c"])
    mixed = replace(found, time_courses=np.zeros((2, 40, COMPONENTS), np.float32))
    write_extracted(tmp_path / "d", mixed)
    with pytest.raises(BadInputError, match=r"d: shapes"):
        read_extracted([tmp_path / "d"])


# Spectral power


def test_the_power_ratio_is_that_of_the_bands() -> None:
    rng = np.random.default_rng(0)
    courses = rng.normal(size=(4000, 3)).cumsum(axis=0) * [0, 0.02, 0.1]
    courses += rng.normal(size=courses.shape)
    found = spectral_power_ratio(courses, 2.0)
    # white noise: the bands are as wide as each other
    assert found[0] == pytest.approx(1.0, abs=0.15)
    frequencies, power = welch(courses, 0.5, axis=0, nperseg=1000, detrend="linear")
    low = power[(frequencies > 0) & (frequencies < 0.1)].sum(axis=0)
    high = power[(frequencies >= 0.15) & (frequencies <= 0.25)].sum(axis=0)
    np.testing.assert_allclose(found[:2], (low / high)[:2], rtol=0.2)
    assert (np.diff(found) > 0).all()


@given(st.floats(0.3, 2.0))
def test_a_slow_wave_has_all_its_power_below_and_a_fast_one_above(seconds: float) -> None:
    times = seconds * np.arange(400)
    courses = np.sin(2 * np.pi * np.outer(times, [0.03, 0.2]))
    slow, fast = spectral_power_ratio(courses, seconds)
    assert slow > 50
    assert fast < 0.02


def test_the_power_ratio_is_unknown_where_its_bands_are_not_seen() -> None:
    courses = np.random.default_rng(0).normal(size=(100, 2))
    for seconds in (None, 2.5, 3.0):
        assert np.isnan(spectral_power_ratio(courses, seconds)).all()
    assert np.isnan(spectral_power_ratio(courses[:3], 0.5)).all()
    assert np.isnan(spectral_power_ratio(np.zeros((100, 2)), 2.0)).all()
    assert np.isfinite(spectral_power_ratio(courses, 2.0)).all()


# Labels


def test_labels_are_read_in_the_order_of_the_template(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("domain\tcomponent\tlabel\textra\nSC\t1\tCaudate\tx\nSM\t2\t7\ty\n")
    table = read_component_labels(path)
    assert table.to_dict("list") == {
        "component": [1, 2],
        "domain": ["SC", "SM"],
        "label": ["Caudate", "7"],
    }


def test_labels_that_do_not_count_from_1_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    for first in ("2", "x", "n/a"):
        path.write_text(f"component\tdomain\tlabel\n{first}\tSC\tCaudate\n1\tSC\tPutamen\n")
        with pytest.raises(BadInputError, match=r"labels.tsv: component: found .*expected 1 to 2"):
            read_component_labels(path)
