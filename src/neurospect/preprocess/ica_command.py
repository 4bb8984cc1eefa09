"""One run's components as BIDS-like files: what `neurospect ica` writes."""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from nilearn.masking import compute_epi_mask

from neurospect.arrays.atomic import atomic_files, write_text
from neurospect.arrays.images import (
    image_stem,
    image_volumes,
    read_image,
    read_mask,
    write_image,
)
from neurospect.arrays.runs import Run
from neurospect.arrays.tables import write_table
from neurospect.errors import BadInputError
from neurospect.preprocess.analysis_grid import (
    Grid,
    ReferencesOnGrid,
    chosen_grid,
    references_on_grid,
)
from neurospect.preprocess.component_extraction import RunResult, extract_run
from neurospect.preprocess.constrained_ica import THRESHOLD
from neurospect.preprocess.extracted_components import QUALITY_COLUMNS
from neurospect.preprocess.reference_template import STAND_IN, open_template
from neurospect.preprocess.subject_components import Method
from neurospect.provenance.content import file_sha256

# Not plainly `mask`: that is how the run's own is called, and it may lie in the same folder.
MASK = "componentsmask"


def write_run_components(
    run: Path,
    template: str | Path,
    out: Path,
    *,
    mask: Path | None = None,
    labels: Path | None = None,
    method: Method = "constrained_ica",
    grid: Grid = "run",
    confounds: Path | None = None,
    dtype: str = "float32",
) -> list[Path]:
    """Find the components of one run and write them.

    Parameters
    ----------
    run
        The 4-D NIfTI.
    template
        The 4-D NIfTI of reference maps, in the run's space; or `stand-in`, blobs at the peaks of
        the NeuroMark components, for a run in MNI space.
    out
        Folder, made if missing. Gets, with the run's name less `_bold` as stem, `_components`
        (.nii.gz, float32, z-scored maps; .json), `_componentsmask.nii.gz` (their voxels),
        `_timeseries.tsv` and `_quality.tsv` (.json beside each). Files of these names are
        replaced when all of the new ones are there.
    mask
        The run's 3-D mask. By default nilearn's compute_epi_mask of the mean volume.
    labels
        TSV with component, domain and label. By default those of NeuroMark for its template and
        the stand-in, and numbers for others.
    method, dtype
        As for `subject_components`.
    grid
        On whose grid the maps lie: that of the run or of the template.
    confounds
        fMRIPrep's table of confounds, for the mean framewise displacement.

    Returns
    -------
    list of pathlib.Path
        What was written.

    Raises
    ------
    BadInputError
        If any of the files cannot be used.
    """
    image = read_image(run, dimensions=4)
    stem = image_stem(run).removesuffix("_bold")
    with atomic_files(out) as folder:
        used = folder / f"{stem}_{MASK}.nii.gz"
        if mask is None:
            write_image(used, _epi_mask(run, image))
        participant = stem.split("_")[0] if stem.startswith("sub-") else stem
        files = Run(participant, image=run, mask=mask or used, confounds=confounds)
        is_stand_in = str(template) == STAND_IN
        inside = read_mask(files.mask) if is_stand_in else None
        given = open_template(template, labels, stand_in_mask=inside)
        common = chosen_grid(grid, given.image, image)
        references = references_on_grid(
            given.image, common, labels=given.components["label"].to_list()
        )
        maps, inside = references.maps, references.grid
        found = extract_run(files, maps, inside, given.components, method=method, dtype=dtype)
        sidecar = {
            "Description": "Components of one run that belong to reference maps: z-scored spatial "
            "maps, in the order of the references, zero outside the mask",
            "GeneratedBy": [{"Name": "neurospect", "Version": version("neurospect")}],
            "Run": {"File": run.name, "SHA256": file_sha256(run)},
            "Mask": _mask_facts(mask),
            "Method": method,
            "Dtype": dtype,
            "PrincipalComponentThreshold": THRESHOLD if method == "constrained_ica" else None,
            "Reading": _plain(found.facts),
            **references.description,
            "Template": {**given.facts, **references.description["Template"]},
        }
        space = int(common.header["sform_code"]) or int(common.header["qform_code"])
        _write(folder, stem, found, references, given.components, sidecar, space)
        names = sorted(path.name for path in folder.iterdir())
    return [out / name for name in names]


def _epi_mask(run: Path, image: Any) -> Any:
    total = np.zeros(image.shape[:3])
    for volume in image_volumes(run, image):
        total += volume
    mean = nibabel.Nifti1Image(total / image.shape[3], image.affine)  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        # an empty mask is refused here, in plain words
        warnings.simplefilter("ignore")
        mask = compute_epi_mask(mean)
    if not np.any(mask.dataobj):
        raise BadInputError(
            run,
            "mask",
            found="no brain in the mean volume",
            expected="a run from which nilearn's compute_epi_mask can tell brain and background",
            remedy="Give the run's mask with --mask.",
        )
    return mask


def _mask_facts(mask: Path | None) -> dict[str, str]:
    if mask is None:
        return {"Source": "nilearn.masking.compute_epi_mask", "Version": version("nilearn")}
    return {"Source": "file", "File": mask.name, "SHA256": file_sha256(mask)}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Name facts as BIDS sidecars do; who and which session are in the files' names."""
    return {
        "".join(word.capitalize() for word in name.split("_")): value
        for name, value in facts.items()
        if name not in ("participant_id", "session")
    }


def _write(
    folder: Path,
    stem: str,
    found: RunResult,
    references: ReferencesOnGrid,
    components: pd.DataFrame,
    sidecar: dict[str, Any],
    space: int,
) -> None:
    maps = np.moveaxis(references.grid.whole(found.maps), 0, -1)
    mask = references.grid.whole(found.inside.astype(np.uint8))
    for name, values in (("components", maps), (MASK, mask)):
        image: Any = nibabel.Nifti1Image(values, references.grid.affine)  # type: ignore[no-untyped-call]
        image.header.set_sform(references.grid.affine, code=space)
        image.header.set_xyzt_units("mm")
        write_image(folder / f"{stem}_{name}.nii.gz", image)
    width = max(2, len(str(len(components))))
    names = [f"component_{number:0{width}}" for number in components["component"]]
    described = {
        name: f"Time course of {row.label} ({row.domain}), in the run's unit"
        for name, row in zip(names, components.itertuples(), strict=True)
    }
    courses = pd.DataFrame(found.time_courses, columns=names)
    write_table(folder / f"{stem}_timeseries.tsv", courses, described)
    write_table(folder / f"{stem}_quality.tsv", found.quality, QUALITY_COLUMNS)
    text = json.dumps(sidecar, indent=2, ensure_ascii=False)
    write_text(folder / f"{stem}_components.json", f"{text}\n")
