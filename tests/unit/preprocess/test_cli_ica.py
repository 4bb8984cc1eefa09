"""`neurospect ica`: files of BIDS-like names, or one plain line and status 2."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_img
from written_runs import (
    AFFINE,
    SHAPE,
    blobs,
    brain,
    cut_in_the_middle,
    run_values,
    save,
    write_run,
    write_template,
)

from neurospect.arrays.runs import Run
from neurospect.arrays.tables import read_table
from neurospect.cli import main
from neurospect.preprocess.constrained_ica import constrained_ica
from neurospect.preprocess.dual_regression import dual_regression

STEM = "sub-01_task-rest"
NAMES = [
    f"{STEM}_components.json",
    f"{STEM}_components.nii.gz",
    f"{STEM}_componentsmask.nii.gz",
    f"{STEM}_quality.json",
    f"{STEM}_quality.tsv",
    f"{STEM}_timeseries.json",
    f"{STEM}_timeseries.tsv",
]
FINE = np.array([[4.0, 0, 0, -46], [0, 4, 0, -54], [0, 0, 4, -42], [0, 0, 0, 1]])
FINE_SHAPE = (23, 27, 21)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A run with mask, and a template beside it."""
    monkeypatch.chdir(tmp_path)
    write_template(Path("template.nii.gz"))
    yield write_run(Path("data"))


def ica(run: Run, *more: str, template: str = "template.nii.gz", mask: bool = True) -> int:
    given = ["--mask", str(run.mask)] if mask else []
    return main(["ica", str(run.image), "--template", template, "--out", "out", *given, *more])


def sidecar() -> dict:
    return json.loads(Path(f"out/{STEM}_components.json").read_text())


def maps() -> np.ndarray:
    return np.moveaxis(nibabel.load(f"out/{STEM}_components.nii.gz").get_fdata(), 3, 0)


def inside() -> np.ndarray:
    return nibabel.load(f"out/{STEM}_componentsmask.nii.gz").get_fdata() > 0


# What is written


def test_maps_time_courses_quality_and_sidecars_are_written(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ica(run) == 0
    assert capsys.readouterr().out.splitlines() == [f"out/{name}" for name in NAMES]
    assert sorted(path.name for path in Path("out").iterdir()) == NAMES
    support = (blobs() != 0).any(axis=3)
    np.testing.assert_array_equal(inside(), support)
    values, references = run_values()[support].T, blobs()[support].T.astype(np.float32)
    expected = constrained_ica(values, references)
    np.testing.assert_allclose(maps()[:, support], expected.maps, atol=1e-4)
    assert not maps()[:, ~support].any()
    image = nibabel.load(f"out/{STEM}_components.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.affine, AFFINE)
    courses = read_table(f"out/{STEM}_timeseries.tsv")
    assert list(courses.columns) == [f"component_0{n}" for n in range(1, 5)]
    np.testing.assert_allclose(courses, expected.time_courses, atol=1e-4)
    quality = read_table(f"out/{STEM}_quality.tsv")
    assert set(quality["participant_id"]) == {"sub-01"}
    np.testing.assert_allclose(
        quality["reference_correlation"], expected.quality.reference_correlation, atol=1e-5
    )


def test_the_sidecar_says_from_what_and_how(run: Run) -> None:
    assert ica(run) == 0
    said = sidecar()
    packed = nibabel.load("template.nii.gz").to_bytes()
    assert said["Template"]["Name"] == "template.nii.gz"
    assert said["Template"]["MD5"] == hashlib.md5(packed, usedforsecurity=False).hexdigest()
    assert said["Template"]["Resampled"] is said["Template"]["StandIn"] is False
    content = run.image.read_bytes()
    assert said["Run"] == {
        "File": run.image.name,
        "SHA256": hashlib.sha256(content).hexdigest(),
    }
    assert said["Mask"]["File"] == run.mask.name
    assert (said["Method"], said["PrincipalComponentThreshold"]) == ("constrained_ica", 1e-8)
    assert said["Reading"]["RepetitionTime"] == 2.0
    assert said["Reading"]["PrincipalComponents"] == 40
    assert said["GeneratedBy"][0]["Name"] == "neurospect"


def test_the_same_request_gives_the_same_bytes_wherever_the_files_lie(run: Run) -> None:
    assert ica(run) == 0
    first = {name: Path("out", name).read_bytes() for name in NAMES}
    other = Path("elsewhere").resolve()
    Path("data").rename(other)
    moved = Run("sub-01", *(other / path.relative_to("data") for path in (run.image, run.mask)))
    assert ica(moved) == 0
    assert {name: Path("out", name).read_bytes() for name in NAMES} == first


def test_without_a_mask_it_is_computed_and_said_to_be(run: Run) -> None:
    assert ica(run, mask=False) == 0
    assert sidecar()["Mask"]["Source"] == "nilearn.masking.compute_epi_mask"
    support = (blobs() != 0).any(axis=3)
    assert (inside() & ~support).sum() == 0
    assert inside().sum() > 0.7 * support.sum()


def test_the_maps_lie_on_the_grid_that_was_asked_for(run: Run) -> None:
    write_template(Path("fine.nii.gz"), FINE_SHAPE, FINE)
    assert ica(run, template="fine.nii.gz") == 0
    assert inside().shape == SHAPE
    assert (sidecar()["Template"]["Resampled"], sidecar()["Reading"]["Resampled"]) == (True, False)
    assert ica(run, "--grid", "template", template="fine.nii.gz") == 0
    assert inside().shape == FINE_SHAPE
    assert (sidecar()["Template"]["Resampled"], sidecar()["Reading"]["Resampled"]) == (False, True)
    assert "resampled from 12 x 14 x 11" in sidecar()["Reading"]["Notes"]
    image = nibabel.load(f"out/{STEM}_components.nii.gz")
    np.testing.assert_array_equal(image.affine, FINE)


def test_maps_stay_in_the_space_that_the_run_names(run: Run) -> None:
    image = nibabel.load(run.image)
    image.header.set_sform(AFFINE, code="mni")
    nibabel.save(nibabel.Nifti1Image(run_values(), AFFINE, image.header), run.image)
    assert ica(run) == 0
    written = nibabel.load(f"out/{STEM}_components.nii.gz")
    assert written.header.get_sform(coded=True)[1] == 4


def test_method_dtype_labels_and_confounds_are_used(run: Run) -> None:
    Path("labels.tsv").write_text(
        "component\tdomain\tlabel\n" + "".join(f"{n}\tVIS\tArea {n}\n" for n in range(1, 5))
    )
    lines = ["framewise_displacement", "n/a", *["0.25"] * 39]
    Path("confounds.tsv").write_text("\n".join(lines) + "\n")
    options = ["--method", "dual_regression", "--dtype", "float64"]
    options += ["--labels", "labels.tsv", "--confounds", "confounds.tsv"]
    assert ica(run, *options) == 0
    support = (blobs() != 0).any(axis=3)
    values, references = run_values()[support].T, blobs()[support].T.astype(np.float32)
    expected = dual_regression(values, references, dtype=np.float64)
    np.testing.assert_allclose(maps()[:, support], expected.maps, atol=1e-6)
    assert read_table(f"out/{STEM}_quality.tsv")["label"].to_list()[1] == "Area 2"
    assert "Area 2" in Path(f"out/{STEM}_timeseries.json").read_text()
    assert sidecar()["Reading"]["MeanFramewiseDisplacement"] == 0.25
    assert (sidecar()["Method"], sidecar()["Dtype"]) == ("dual_regression", "float64")
    assert sidecar()["PrincipalComponentThreshold"] is None


def test_a_stand_in_is_loudly_no_neuromark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mask = resample_img(
        load_mni152_brain_mask(resolution=2),
        target_affine=np.diag([8.0] * 3),
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
    head = np.asarray(mask.dataobj) > 0
    values = np.random.default_rng(0).normal(1000, 10, (*head.shape, 60)) * head[..., None]
    run = write_run(tmp_path, values=values.astype(np.float32), mask=head, affine=mask.affine)
    assert ica(run, template="stand-in") == 0
    assert "NOT NeuroMark" in capsys.readouterr().err
    assert maps().shape == (53, *head.shape)
    said = sidecar()["Template"]
    assert said["StandIn"] is True
    assert "must not be reported" in said["Warning"]
    assert read_table(f"out/{STEM}_quality.tsv")["label"].to_list()[0] == "Caudate"
    assert ica(run, "--labels", "few.tsv", template="stand-in") == 2
    Path("few.tsv").write_text("component\tdomain\tlabel\n1\tSC\tCaudate\n")
    capsys.readouterr()
    assert ica(run, "--labels", "few.tsv", template="stand-in") == 2
    assert "few.tsv: rows: found 1, expected 53" in capsys.readouterr().err


# What is refused


def damaged(run: Run, how: str) -> tuple[list[str], str]:
    """Damage what the request reads; return more options, and what the line must say."""
    values = run_values()
    match how:
        case "no run":
            run.image.unlink()
            return [], "sub-01_task-rest_bold.nii.gz: file: found no such file"
        case "no mask":
            run.mask.unlink()
            return [], "sub-01_task-rest_mask.nii.gz: file: found no such file"
        case "no labels":
            return ["--labels", "labels.tsv"], "labels.tsv: file: found No such file"
        case "labels of another length":
            Path("labels.tsv").write_text("component\tdomain\tlabel\n1\tSC\tCaudate\n")
            return ["--labels", "labels.tsv"], "template.nii.gz: components: found 4 maps and 1"
        case "cut in the middle":
            cut_in_the_middle(run.image)
            return [], "sub-01_task-rest_bold.nii.gz: data: found"
        case "a template cut in the middle":
            cut_in_the_middle(Path("template.nii.gz"))
            return [], "template.nii.gz: data: found"
        case "not NeuroMark":
            write_template(Path("NeuroMark_fMRI_1.0.nii"))
            more = ["--template", "NeuroMark_fMRI_1.0.nii"]
            return more, "NeuroMark_fMRI_1.0.nii: shape and dtype: found"
        case "not the bytes of NeuroMark":
            save(Path("NeuroMark_fMRI_1.0.nii"), np.ones((53, 63, 52, 53), np.int16))
            return ["--template", "NeuroMark_fMRI_1.0.nii"], "NeuroMark_fMRI_1.0.nii: MD5: found"
        case "3-D":
            save(run.image, values[..., 0])
            return [], "sub-01_task-rest_bold.nii.gz: shape: found 3-D"
        case "NaN":
            values[6, 7, 5, 3] = np.nan
            save(run.image, values)
            return [], "sub-01_task-rest_bold.nii.gz: values: found 1 NaN"
        case "an output that is a file":
            Path("out").write_text("mine")
            return [], "out: --out: found something that is no folder, expected a folder"
    raise AssertionError(how)


@pytest.mark.parametrize(
    "how",
    [
        "no run",
        "no mask",
        "no labels",
        "labels of another length",
        "cut in the middle",
        "a template cut in the middle",
        "not NeuroMark",
        "not the bytes of NeuroMark",
        "3-D",
        "NaN",
        "an output that is a file",
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(
    run: Run, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    more, words = damaged(run, how)
    assert ica(run, *more) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert words in err
    assert not Path("out").is_dir() or not list(Path("out").iterdir())


def test_a_run_without_a_brain_asks_for_a_mask(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.random.default_rng(0).random((*SHAPE, 10), np.float32)
    values[:, :, ::4] += 1000  # bright slices, each too thin to be a brain
    save(run.image, values)
    assert ica(run, mask=False) == 2
    err = capsys.readouterr().err
    assert "mask: found no brain in the mean volume" in err
    assert "--mask" in err


def test_what_was_there_stays_where_the_run_is_refused(run: Run) -> None:
    assert ica(run) == 0
    before = {name: Path("out", name).read_bytes() for name in NAMES}
    cut_in_the_middle(run.image)
    assert ica(run) == 2
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_results_beside_the_run_leave_the_run_and_its_mask_alone(run: Run) -> None:
    before = [path.read_bytes() for path in (run.image, run.mask)]
    assert ica(run, "--out", str(run.image.parent)) == 0
    assert [path.read_bytes() for path in (run.image, run.mask)] == before


def test_a_template_is_needed(run: Run) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ica", str(run.image), "--out", "out"])
    assert ended.value.code == 2


def test_other_verbs_do_not_load_what_ica_needs() -> None:
    code = "import sys, neurospect.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "neurospect.cli" in loaded
    assert not {"numpy", "nibabel", "nilearn", "pandas", "torch"} & set(loaded)


def test_a_mask_of_the_whole_grid_is_bounded_by_the_template(run: Run) -> None:
    save(run.mask, np.ones(SHAPE, np.uint8))
    assert ica(run) == 0
    np.testing.assert_array_equal(inside(), brain())
