"""The grid and mask on which all runs of an analysis are compared, and the references on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.images import image_data
from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.errors import BadInputError
from neurospect.preprocess.resampling import centre_mm, grid_facts, resampled, same_grid

Grid = Literal["run", "template"]
# A map whose values, inside the analysis mask, span less than this share of what they span in the
# template, is not there: what is left is ringing of the interpolation.
LEAST_SPAN = 0.01


@dataclass(frozen=True, eq=False)
class ReferencesOnGrid:
    """Reference maps inside the analysis mask.

    Parameters
    ----------
    maps
        Shape (components, voxels), float32, finite, in the template's unit.
    grid
        The analysis mask on the common grid.
    description
        What was resampled, and from where the mask is; plain values for a JSON sidecar.
    """

    maps: NDArray[np.float32]
    grid: VoxelGrid
    description: dict[str, Any]


def chosen_grid(choice: Grid, template_image: Any, run_image: Any) -> Any:
    """Return the image whose grid is to be the common one.

    Parameters
    ----------
    choice
        `run`: the template is resampled, once, and runs of that grid keep their values.
        `template`: every run of another grid is resampled.
    template_image, run_image
        NIfTI images.

    Raises
    ------
    BadInputError
        If the choice is neither.
    """
    images = {"run": run_image, "template": template_image}
    if choice not in images:
        raise BadInputError(
            "analysis grid",
            "grid",
            found=repr(choice),
            expected=" or ".join(images),
            remedy="Name one of the two.",
        )
    return images[choice]


def references_on_grid(
    template_image: Any,
    grid_image: Any,
    *,
    mask_image: Any = None,
    labels: Sequence[str] = (),
) -> ReferencesOnGrid:
    """Bring the maps of a template to a grid, and keep what lies inside the analysis mask.

    Parameters
    ----------
    template_image
        4-D NIfTI, shape (x, y, z, components). Values that are NaN or infinite count as zero.
    grid_image
        Any NIfTI on the common grid: the template itself, a run or a mask.
    mask_image
        3-D NIfTI in the template's space, nonzero inside the analysis mask. By default, the
        template's support: where any map is nonzero and finite.
    labels
        Names of the components, for messages.

    Returns
    -------
    ReferencesOnGrid
        Maps are resampled by cubic splines, masks to the nearest voxel, and neither if it is on
        the grid already.

    Raises
    ------
    BadInputError
        If the analysis mask and the template do not overlap on the grid, if a map vanishes
        there, or if an image's file is damaged.
    """
    name = _name(template_image, "template")
    maps = image_data(name, template_image)
    finite = np.isfinite(maps)
    support = ((maps != 0) & finite).any(axis=3)
    unusable = int(maps.size - np.count_nonzero(finite))
    if unusable:
        maps[~finite] = 0
    span = np.ptp(maps.reshape(-1, maps.shape[3], order="F"), axis=0)
    shape, affine = tuple(grid_image.shape[:3]), np.asarray(grid_image.affine, np.float64)
    support, _ = _moved(support, template_image.affine, shape, affine, "nearest")
    inside, mask_facts = support, {"Source": "support of the template"}
    if mask_image is not None:
        inside, mask_facts = _analysis_mask(mask_image, shape, affine)
    if not (inside & support).any():
        raise _no_overlap(name, maps, template_image.affine, inside, affine)
    maps, template_facts = _moved(maps, template_image.affine, shape, affine, "continuous")
    grid = VoxelGrid(inside, affine)
    kept = np.ascontiguousarray(maps[inside].T)
    _refuse_vanished(name, kept, span, labels)
    if unusable:
        template_facts["NotFiniteSetToZero"] = unusable
    description = {
        "Grid": grid_facts(shape, affine),
        "Template": template_facts,
        "AnalysisMask": {**mask_facts, "Voxels": grid.voxels},
    }
    return ReferencesOnGrid(kept, grid, description)


def _name(image: Any, otherwise: str) -> str:
    return str(image.get_filename() or otherwise)


def _moved(
    values: NDArray[Any],
    affine: NDArray[np.float64],
    shape: tuple[int, ...],
    target_affine: NDArray[np.float64],
    interpolation: Literal["continuous", "nearest"],
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Resample if the grid is another one, and say so."""
    if same_grid(values.shape, affine, shape, target_affine):
        return values, {"Resampled": False}
    facts = {
        "Resampled": True,
        "From": grid_facts(values.shape, affine),
        "To": grid_facts(shape, target_affine),
        "Interpolation": "cubic spline" if interpolation == "continuous" else "nearest voxel",
    }
    return resampled(values, affine, shape, target_affine, interpolation), facts


def _analysis_mask(
    image: Any, shape: tuple[int, ...], affine: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    name = _name(image, "analysis mask")
    values = image_data(name, image).reshape(image.shape[:3], order="F")
    given = (values != 0) & ~np.isnan(values)
    inside, facts = _moved(given, image.affine, shape, affine, "nearest")
    if not inside.any():
        raise BadInputError(
            name,
            "voxels",
            found="none on the common grid",
            expected="a mask that overlaps the grid of the analysis",
            remedy="Give a mask in the template's space.",
        )
    return inside, {"Source": "mask", **facts}


def _no_overlap(
    name: str,
    maps: NDArray[Any],
    template_affine: NDArray[np.float64],
    inside: NDArray[np.bool_],
    affine: NDArray[np.float64],
) -> BadInputError:
    support = (maps != 0).any(axis=3)
    # where the template does not reach the grid at all, the grid itself is what it is far from
    target = inside if inside.any() else np.ones_like(inside)
    where = f"centred at {centre_mm(support, template_affine)}" if support.any() else "all zero"
    return BadInputError(
        name,
        "maps",
        found=f"a template {where}",
        expected=f"one that overlaps the analysis, centred at {centre_mm(target, affine)}",
        remedy="Give template, runs and mask in one space; look at the affines of all three.",
    )


def _refuse_vanished(
    name: str, maps: NDArray[np.float32], span: NDArray[np.float32], labels: Sequence[str]
) -> None:
    gone = np.flatnonzero(np.ptp(maps, axis=1) <= LEAST_SPAN * span)
    if len(gone):
        label = f" ({labels[gone[0]]})" if len(labels) else ""
        raise BadInputError(
            name,
            f"component {gone[0] + 1}{label}",
            found=f"a map that vanishes inside the analysis mask ({len(gone)} in all)",
            expected="every reference map to be seen in the analysis",
            remedy="Use a larger mask or grid, or a template without this component.",
        )
