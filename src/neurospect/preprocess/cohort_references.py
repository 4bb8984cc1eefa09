"""The references of a cohort: template, labels and mask on the grid of the analysis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd

from neurospect.arrays.atomic import write_text
from neurospect.arrays.images import image_data, read_image, write_image
from neurospect.arrays.tables import read_table, write_table
from neurospect.arrays.voxel_grid import VoxelGrid, read_voxel_grid
from neurospect.errors import BadInputError
from neurospect.preprocess.analysis_grid import (
    Grid,
    ReferencesOnGrid,
    chosen_grid,
    references_on_grid,
)
from neurospect.preprocess.brain_mask import mni_brain_mask
from neurospect.preprocess.component_labels import LABEL_COLUMNS
from neurospect.preprocess.reference_template import STAND_IN, open_template
from neurospect.preprocess.run_components import Array

COMPONENT_COLUMNS = {
    **LABEL_COLUMNS,
    "x": "Peak, mm to the right in MNI space",
    "y": "Peak, mm to the front in MNI space",
    "z": "Peak, mm upwards in MNI space",
}


def cohort_references(
    runs: Sequence[str | Path],
    template: str | Path | None = None,
    labels: str | Path | None = None,
    mask: str | Path | None = None,
    *,
    grid: Grid = "run",
) -> tuple[ReferencesOnGrid, pd.DataFrame]:
    """Settle on the grid, mask and references of a cohort.

    Parameters
    ----------
    runs
        Some 4-D NIfTIs of the cohort; the grid is that of the first that can be opened.
    template
        4-D NIfTI of reference maps; None for the stand-in, inside the MNI152 brain mask.
    labels
        TSV with component, domain and label.
    mask
        3-D NIfTI, nonzero inside the analysis; None for the support of the template.
    grid
        `run`: the template is resampled to the runs. `template`: runs are resampled to it.

    Returns
    -------
    ReferencesOnGrid, pandas.DataFrame
        The references, and the table of components.

    Raises
    ------
    BadInputError
        If no run can be opened, or template, labels or mask cannot be used.
    """
    path, run = _first_that_opens(runs)
    shape, affine = tuple(run.shape[:3]), np.asarray(run.affine, np.float64)
    stand_in_mask = None
    if template is None:
        stand_in_mask = _image(mni_brain_mask(path, shape, affine))
    given = open_template(template or STAND_IN, labels, stand_in_mask=stand_in_mask)
    found = references_on_grid(
        given.image,
        chosen_grid(grid, given.image, run),
        mask_image=None if mask is None else read_image(mask, dimensions=3),
        labels=given.components["label"].to_list(),
    )
    facts = {**found.description, "Template": {**given.facts, **found.description["Template"]}}
    return ReferencesOnGrid(found.maps, found.grid, facts), given.components


def write_references(
    folder: str | Path, references: ReferencesOnGrid, components: pd.DataFrame
) -> None:
    """Write references.nii.gz, mask.nii.gz, components.tsv and references.json."""
    home = Path(folder)
    maps = np.moveaxis(references.grid.whole(references.maps), 0, -1)
    image = nibabel.Nifti1Image(maps, references.grid.affine)  # type: ignore[no-untyped-call]
    write_image(home / "references.nii.gz", image)
    write_image(home / "mask.nii.gz", _image(references.grid))
    write_table(home / "components.tsv", components, COMPONENT_COLUMNS)
    text = json.dumps(references.description, indent=2, ensure_ascii=False)
    write_text(home / "references.json", f"{text}\n")


def read_references(
    references: str | Path, mask: str | Path, components: str | Path
) -> tuple[Array, VoxelGrid, pd.DataFrame]:
    """Read what `write_references` wrote.

    Returns
    -------
    numpy.ndarray, VoxelGrid, pandas.DataFrame
        Maps, shape (components, voxels), float32; the analysis mask; the table of components.

    Raises
    ------
    BadInputError
        If a file is missing or damaged.
    """
    grid = read_voxel_grid(mask)
    values = image_data(references, read_image(references, dimensions=4))
    table = read_table(components, required=list(LABEL_COLUMNS), text=["domain", "label"])
    return np.ascontiguousarray(values[grid.mask].T), grid, table


def _first_that_opens(runs: Sequence[str | Path]) -> tuple[str | Path, Any]:
    fault = BadInputError(
        "runs", "files", found="none", expected="at least one run", remedy="Check the cohort."
    )
    for path in runs:
        try:
            return path, read_image(path, dimensions=4)
        except BadInputError as error:
            fault = error
    raise fault


def _image(grid: VoxelGrid) -> Any:
    return nibabel.Nifti1Image(grid.mask.astype(np.uint8), grid.affine)  # type: ignore[no-untyped-call]
