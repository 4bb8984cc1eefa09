"""References of a cohort, and its batches gathered into what models read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from written_runs import (
    AFFINE,
    COMPONENTS,
    cut_in_the_middle,
    run_values,
    write_run,
    write_template,
)

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.errors import BadInputError
from neurospect.preprocess.cohort_references import (
    cohort_references,
    read_references,
    write_references,
)
from neurospect.preprocess.component_extraction import extract_components
from neurospect.preprocess.extracted_components import read_extracted, write_extracted
from neurospect.preprocess.gathered_components import gather_components

PLAIN = {"detrend": False, "high_pass_hz": None, "low_pass_hz": None, "length": None}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return write_template(tmp_path / "template.nii.gz")


def test_references_read_back_as_they_were_written(tmp_path: Path, template: Path) -> None:
    run = write_run(tmp_path)
    references, components = cohort_references([run.image], template)
    write_references(tmp_path / "out", references, components)
    names = ("references.nii.gz", "mask.nii.gz", "components.tsv")
    maps, grid, table = read_references(*(tmp_path / "out" / name for name in names))
    np.testing.assert_array_equal(maps, references.maps)
    np.testing.assert_array_equal(grid.mask, references.grid.mask)
    assert table["component"].to_list() == list(range(1, COMPONENTS + 1))


def test_a_first_run_that_cannot_be_opened_leaves_the_grid_to_the_next(
    tmp_path: Path, template: Path
) -> None:
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no image")
    flat = write_run(tmp_path, "sub-02", values=run_values()[..., 0]).image
    good = write_run(tmp_path, "sub-03").image
    references, _ = cohort_references([broken, flat, good], template)
    np.testing.assert_array_equal(references.grid.affine, AFFINE)
    with pytest.raises(BadInputError, match=r"sub-02_task-rest_bold.nii.gz: shape: found 3-D"):
        cohort_references([broken, flat], template)


def test_without_a_template_the_stand_in_serves_and_says_what_it_is(tmp_path: Path) -> None:
    affine = np.diag([6.0, 6, 6, 1])
    affine[:3, 3] = (-78, -112, -70)
    run = write_run(tmp_path, values=np.ones((27, 33, 27, 2), np.float32), affine=affine)
    references, components = cohort_references([run.image])
    assert len(references.maps) == len(components) == 53
    assert references.description["Template"]["StandIn"]
    assert "NOT" in str(references.description["Template"]) or "stand-in" in str(
        references.description["Template"]
    )


def batches(folder: Path, template: Path, lengths: list[list[int]]) -> list[Path]:
    """Extract the components of runs of these numbers of volumes, batch by batch."""
    folders, number = [], 0
    for place, batch in enumerate(lengths):
        runs = []
        for volumes in batch:
            number += 1
            values = run_values(number, volumes)
            runs.append(write_run(folder, f"sub-{number:02d}", values=values))
        references, components = cohort_references([run.image for run in runs], template)
        extracted = extract_components(runs, references.maps, references.grid, components)
        folders.append(folder / f"batch-{place}")
        write_extracted(folders[-1], extracted)
    return folders


def test_batches_become_arrays_in_one_order_with_true_lengths(
    tmp_path: Path, template: Path
) -> None:
    folders = batches(tmp_path, template, [[40, 36], [44]])
    grid = cohort_references([tmp_path / "sub-01/func/sub-01_task-rest_bold.nii.gz"], template)[0]
    found = gather_components(read_extracted(folders), grid.grid, **PLAIN)
    assert found.runs["participant_id"].to_list() == ["sub-01", "sub-02", "sub-03"]
    assert found.runs["length"].to_list() == [40, 36, 44]
    assert found.time_courses.shape == (3, 44, COMPONENTS)
    assert not found.time_courses[1, 36:].any()
    np.testing.assert_allclose(found.time_courses[1, :36].std(axis=0), 1, rtol=1e-4)
    raw = read_extracted(folders)
    expected = np.concatenate([batch.maps for batch in raw]).mean(axis=0)
    inside = (np.concatenate([batch.maps for batch in raw]) != 0).any(axis=1).all(axis=0)
    np.testing.assert_allclose(found.mean_maps[:, inside], expected[:, inside], rtol=1e-5)
    assert len(found.quality) == 3 * COMPONENTS
    assert found.exclusions.empty


def test_who_cannot_be_filtered_is_left_out_and_the_others_go_on(
    tmp_path: Path, template: Path
) -> None:
    folders = batches(tmp_path, template, [[60, 20], [60]])
    grid = cohort_references([tmp_path / "sub-01/func/sub-01_task-rest_bold.nii.gz"], template)[0]
    found = gather_components(read_extracted(folders), grid.grid, **{**PLAIN, "high_pass_hz": 0.01})
    assert found.runs["participant_id"].to_list() == ["sub-01", "sub-03"]
    assert set(found.quality["participant_id"]) == {"sub-01", "sub-03"}
    row = found.exclusions.iloc[0]
    assert (row["participant_id"], row["stage"], row["field"]) == (
        "sub-02",
        "time courses",
        "volumes",
    )


def test_a_cohort_of_which_nobody_is_left_is_refused_with_the_first_reason(
    tmp_path: Path, template: Path
) -> None:
    run = write_run(tmp_path)
    references, components = cohort_references([run.image], template)
    cut_in_the_middle(run.image)
    extracted = extract_components([run], references.maps, references.grid, components)
    write_extracted(tmp_path / "batch", extracted)
    with pytest.raises(BadInputError, match="none that can be used, 1 left out") as refused:
        gather_components(read_extracted([tmp_path / "batch"]), references.grid, **PLAIN)
    assert "sub-01" in refused.value.remedy


def test_exclusions_of_several_stages_stand_in_one_table() -> None:
    fault = BadInputError("a.nii.gz", "data", found="2\nlines", expected="one", remedy="Mend it.")
    table = exclusion_table([Exclusion("sub-01", "runs", fault)])
    assert table.loc[0, "found"] == "2 lines"
    assert pd.concat([table, exclusion_table([])]).shape == (1, 8)
