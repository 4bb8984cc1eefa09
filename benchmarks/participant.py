"""One participant end to end: load, resample, constrained ICA, write; and where the time goes.

A run is made on a 3 mm grid, and written as NIfTI. Each way to go through it is a process of its
own, so that its peak of memory is its own, too. Writes its table into docs/benchmarks.md.

Usage: python benchmarks/participant.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nilearn.image import load_img, resample_to_img

from neurospect.arrays.images import read_image, read_mask, write_image
from neurospect.arrays.runs import Run
from neurospect.preprocess.analysis_grid import references_on_grid
from neurospect.preprocess.ica_command import write_run_components
from neurospect.preprocess.run_voxels import read_run
from neurospect.preprocess.stand_in_template import stand_in_template
from neurospect.preprocess.subject_components import subject_components
from table import write_section

TURNS = 3
VOLUMES = 150
TEXT = f"""\
## One participant, end to end

A made run of {VOLUMES} volumes at 3 mm (int16, .nii.gz) goes through `neurospect ica` with the
stand-in template of 53 components: loading, bringing template and run to one grid, constrained ICA
(with dual regression beside it, for the table of quality), and writing maps, time courses and
sidecars. Below it, the parts by themselves, and what nilearn takes to load the same run and to
resample it to a 3 mm grid that lies half a voxel aside. Seconds are medians of {TURNS} processes in
turn, imports left out; memory is the peak of the whole process, imports included.
"""


def main() -> None:
    if len(sys.argv) > 1:
        way, folder = sys.argv[1], Path(sys.argv[2])
        ready = loaded(folder) if way in METHODS else (folder,)
        started = time.perf_counter()
        WAYS[way](*ready)
        taken = time.perf_counter() - started
        print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
        return
    with tempfile.TemporaryDirectory() as folder:
        voxels = make(Path(folder))
        measured: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for _ in range(TURNS):
            for way, found in measured.items():
                command = [sys.executable, __file__, way, folder]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found.append([float(word) for word in done.stdout.split()[-2:]])
    rows: list[dict[str, Any]] = []
    for way, found in measured.items():
        seconds, memory = (statistics.median(one) for one in zip(*found, strict=True))
        rows.append(
            {"what": way, "voxels": voxels, "seconds": f"{seconds:.1f}", "GB": f"{memory:.2f}"}
        )
        print(rows[-1], flush=True)
    page = Path(__file__).parent.parent / "docs" / "benchmarks.md"
    write_section(page, "participant", TEXT, rows)


def make(folder: Path) -> int:
    """Write run.nii.gz, mask.nii.gz and other.nii.gz (a shifted grid); return the voxels."""
    template: Any = stand_in_template(voxel_mm=3.0)
    maps = np.asarray(template.dataobj)
    rng = np.random.default_rng(0)
    courses = np.cumsum(rng.standard_normal((VOLUMES, maps.shape[3])), axis=0)
    courses = (courses - courses.mean(0)) / courses.std(0)
    inside = maps.any(axis=3)
    values = np.zeros((*inside.shape, VOLUMES), np.int16)
    own = 8000 + 60 * maps[inside] @ courses.T + 40 * rng.standard_normal((inside.sum(), VOLUMES))
    values[inside] = own.astype(np.int16)
    image = nibabel.Nifti1Image(values, template.affine)
    image.header.set_zooms((3, 3, 3, 2.0))
    write_image(folder / "sub-01_task-rest_bold.nii.gz", image)
    write_image(folder / "mask.nii.gz", nibabel.Nifti1Image(inside.astype(np.uint8), image.affine))
    shifted = template.affine.copy()
    shifted[:3, 3] += 1.5
    write_image(folder / "other.nii.gz", nibabel.Nifti1Image(inside.astype(np.uint8), shifted))
    return int(inside.sum())


def end_to_end(folder: Path) -> None:
    run = folder / "sub-01_task-rest_bold.nii.gz"
    write_run_components(run, "stand-in", folder / "out", mask=folder / "mask.nii.gz")


def end_to_end_resampled(folder: Path) -> None:
    """Resample the run to the template's grid, which lies aside."""
    template = folder / "template.nii.gz"
    if not template.exists():
        write_image(template, stand_in_template(mask=read_mask(folder / "other.nii.gz")))
    run = folder / "sub-01_task-rest_bold.nii.gz"
    out = folder / "resampled"
    write_run_components(run, template, out, mask=folder / "mask.nii.gz", grid="template")


def loaded(folder: Path) -> tuple[Any, Any]:
    """Return the run's voxels and the references on them."""
    image = read_image(folder / "sub-01_task-rest_bold.nii.gz", dimensions=4)
    found = references_on_grid(stand_in_template(mask=read_mask(folder / "mask.nii.gz")), image)
    files = Run("sub-01", folder / "sub-01_task-rest_bold.nii.gz", folder / "mask.nii.gz")
    voxels = read_run(files, found.grid)
    return voxels.values, found.maps[:, voxels.inside]


def nilearn_loading(folder: Path) -> None:
    load_img(folder / "sub-01_task-rest_bold.nii.gz").get_fdata(dtype=np.float32)


def nilearn_resampling(folder: Path) -> None:
    run = folder / "sub-01_task-rest_bold.nii.gz"
    other = folder / "other.nii.gz"
    resample_to_img(str(run), str(other), force_resample=True, copy_header=True)


METHODS = {
    "constrained ICA alone": subject_components,
    "dual regression alone": partial(subject_components, method="dual_regression"),
}
WAYS: dict[str, Callable[..., object]] = {
    "end to end": end_to_end,
    "end to end, run resampled": end_to_end_resampled,
    **METHODS,
    "nilearn: load": nilearn_loading,
    "nilearn: load and resample": nilearn_resampling,
}

if __name__ == "__main__":
    main()
