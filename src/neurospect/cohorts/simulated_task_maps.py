"""What simulated task maps are made of: regions in MNI space, people who differ, smooth noise.

The regions follow the two-dimensional synthetic set of the saliency paper: some belong to one
task, some to two, some to all. Every region is a Gaussian blob; it reaches as far as half its
height.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from neurospect.arrays.voxel_grid import VoxelGrid
from neurospect.cohorts.hcp_contrasts import TASK_CONTRASTS
from neurospect.errors import BadInputError

Floats = NDArray[np.float64]
# Full width at half maximum of a Gaussian, in standard deviations.
FWHM = float(np.sqrt(8 * np.log(2)))


@dataclass(frozen=True)
class Region:
    """A blob that is active in some tasks.

    Parameters
    ----------
    kind
        `specific` to one task, `pairwise` shared by two, or `common` to all.
    tasks
        In which tasks it is active.
    centre
        MNI coordinate, mm.
    """

    kind: str
    tasks: tuple[str, ...]
    centre: tuple[float, float, float]


REGIONS = (
    Region("specific", ("WM",), (42, 30, 32)),
    Region("specific", ("GAMBLING",), (10, 12, -8)),
    Region("specific", ("MOTOR",), (-38, -22, 56)),
    Region("specific", ("LANGUAGE",), (-32, -58, 44)),
    Region("specific", ("SOCIAL",), (54, -50, 16)),
    Region("specific", ("RELATIONAL",), (-32, 54, 4)),
    Region("specific", ("EMOTION",), (24, -4, -22)),
    Region("pairwise", ("WM", "GAMBLING"), (-42, 26, 30)),
    Region("pairwise", ("GAMBLING", "MOTOR"), (-26, 2, 4)),
    Region("pairwise", ("MOTOR", "LANGUAGE"), (-54, -8, 8)),
    Region("pairwise", ("LANGUAGE", "SOCIAL"), (-58, -32, -8)),
    Region("pairwise", ("SOCIAL", "RELATIONAL"), (2, 52, 22)),
    Region("pairwise", ("RELATIONAL", "EMOTION"), (38, -50, -20)),
    Region("pairwise", ("EMOTION", "WM"), (42, -36, 46)),
    Region("common", tuple(TASK_CONTRASTS), (-24, -90, 0)),
    Region("common", tuple(TASK_CONTRASTS), (26, -90, 0)),
    Region("common", tuple(TASK_CONTRASTS), (2, 8, 56)),
)


@dataclass(frozen=True)
class TaskMapModel:
    """How people and noise differ.

    Parameters
    ----------
    height
        Mean height of a region, in standard deviations of the noise.
    amplitude_sd
        Standard deviation over people of a region's amplitude, whose mean is one.
    heritability
        Share of that variance that is inherited, 0 to 1: amplitudes of identical twins correlate
        by it, those of full siblings by half of it, of half-siblings by a quarter.
    shift_mm
        Standard deviation over people of where a region lies, along each axis, mm.
    region_fwhm_mm
        Full width at half maximum of a region, mm.
    noise_fwhm_mm
        Smoothness of the noise, as the full width at half maximum of the kernel, mm.

    Raises
    ------
    BadInputError
        If a number makes no sense.
    """

    height: float = 4.0
    amplitude_sd: float = 0.35
    heritability: float = 0.6
    shift_mm: float = 2.0
    region_fwhm_mm: float = 18.0
    noise_fwhm_mm: float = 10.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = 1.0 if name == "heritability" else 100.0
            if not 0 <= value <= most or (name == "region_fwhm_mm" and value == 0):
                raise BadInputError(
                    "TaskMapModel",
                    name,
                    found=value,
                    expected=f"a number from 0 to {most:g}",
                    remedy="Correct it.",
                )


def brain_grid(voxel_mm: float) -> VoxelGrid:
    """Return nilearn's MNI152 brain mask on a grid of cubic voxels.

    Raises
    ------
    BadInputError
        If the voxels are smaller than 2 mm or larger than 8 mm.
    """
    if not 2 <= voxel_mm <= 8:
        raise BadInputError(
            "simulated task maps",
            "voxel_mm",
            found=voxel_mm,
            expected="2 to 8 mm",
            remedy="Choose another voxel size; in larger voxels the regions would vanish.",
        )
    # imported here: nilearn takes seconds to import, and planning a workflow needs only file names
    from nilearn.datasets import load_mni152_brain_mask
    from nilearn.image import resample_img

    mask: Any = resample_img(
        load_mni152_brain_mask(resolution=2),
        target_affine=np.diag([voxel_mm] * 3),
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )
    return VoxelGrid(np.asarray(mask.dataobj) != 0, np.asarray(mask.affine, dtype=np.float64))


def region_masks(grid: VoxelGrid, kind: str, model: TaskMapModel) -> NDArray[np.bool_]:
    """Say which voxels belong to each region of a kind, shape (regions, x, y, z)."""
    centres = np.array([region.centre for region in REGIONS if region.kind == kind], dtype=float)
    masks: NDArray[np.bool_] = grid.whole(_blobs(grid, centres, model.region_fwhm_mm) >= 0.5)
    return masks


def inherited_amplitudes(families: pd.DataFrame, model: TaskMapModel, seed: int) -> Floats:
    """Draw how strongly each region answers in each participant.

    A child's inherited part is the mean of the parents' and a part of its own, of which identical
    twins have one together.

    Parameters
    ----------
    families
        As `simulate_families` gives them.
    model
        Mean, variance and heritability.
    seed
        Seed of all draws.

    Returns
    -------
    numpy.ndarray
        Shape (participants, regions), mean one.
    """
    generator = np.random.default_rng([seed, 1])
    everyone = len(families)
    mothers, fathers, zygotes, own = generator.standard_normal((4, everyone, len(REGIONS)))
    inherited = (
        mothers[families["mother"]] / 2
        + fathers[families["father"]] / 2
        + zygotes[families["zygote"]] * np.sqrt(0.5)
    )
    share = model.heritability
    deviations: Floats = np.sqrt(share) * inherited + np.sqrt(1 - share) * own
    return 1 + model.amplitude_sd * deviations


def regions_of_one(grid: VoxelGrid, shifts: Floats, model: TaskMapModel) -> Floats:
    """Draw the regions where they lie in one participant.

    Parameters
    ----------
    grid
        The brain.
    shifts
        Shape (regions, 3), mm.
    model
        Width of the regions.

    Returns
    -------
    numpy.ndarray
        Shape (regions, voxels), 1 at each centre.
    """
    centres = np.array([region.centre for region in REGIONS], dtype=np.float64) + shifts
    return _blobs(grid, centres, model.region_fwhm_mm)


def active_regions(task: str) -> NDArray[np.bool_]:
    """Say which regions are active in a task, shape (regions,)."""
    return np.array([task in region.tasks for region in REGIONS])


def smooth_noise(grid: VoxelGrid, fwhm_mm: float, generator: np.random.Generator) -> Floats:
    """Draw Gaussian noise of standard deviation one, equally smooth everywhere.

    Returns
    -------
    numpy.ndarray
        Shape (voxels,).
    """
    sigma = fwhm_mm / FWHM / float(np.linalg.norm(grid.affine[:3, 0]))
    reach = np.zeros(2 * int(np.ceil(4 * sigma)) + 3)
    reach[len(reach) // 2] = 1
    kernel = gaussian_filter1d(reach, sigma, mode="constant") if sigma else reach
    white = generator.standard_normal(grid.mask.shape)
    smooth = gaussian_filter(white, sigma, mode="wrap") if sigma else white
    values: Floats = smooth[grid.mask] / np.sum(kernel**2) ** 1.5
    return values


def _blobs(grid: VoxelGrid, centres: Floats, fwhm_mm: float) -> Floats:
    positions = np.argwhere(grid.mask) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    squared = ((positions[None] - centres[:, None]) ** 2).sum(axis=2)
    blobs: Floats = np.exp(-squared / (2 * (fwhm_mm / FWHM) ** 2))
    return blobs
