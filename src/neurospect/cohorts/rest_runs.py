"""One participant's simulated run: maps, brightness, motion and noise inside a mask of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from neurospect.cohorts.rest_motion import (
    confounds,
    distance_from_start,
    framewise_displacement,
    head_motion,
)
from neurospect.cohorts.rest_sources import RestParameters, random_stream
from neurospect.errors import BadInputError

BRIGHTNESS = 10_000.0  # mean of the brain; any unit, and int16 holds three times as much
TEXTURE = 0.2  # standard deviation of the logarithm of the brightness
TEXTURE_MM = 25.0
FIELD_MM = 30.0  # how far artefacts and drift reach, full width at half maximum
RIM_MM = 8.0  # depth at which the rim's darkness and artefacts have fallen to 1/e
EXTRA_MM = 12.0  # full width at half maximum of what a map has elsewhere
QUIET_SHARE = 0.25  # of the mask: where the template has least, and extra blobs are centred
FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))


@dataclass(frozen=True, eq=False)
class SourceTemplate:
    """The maps that every participant's maps are variants of.

    Parameters
    ----------
    splines
        Spline coefficients of each map, peak 1, shape (components, x, y, z), float64.
    mask
        Where any map is not 0, shape (x, y, z), bool.
    quiet
        Voxels of the mask in which the template has least, shape (voxels, 3), integers.
    affine
        Shape (4, 4), voxels to mm.
    """

    splines: NDArray[np.float64]
    mask: NDArray[np.bool_]
    quiet: NDArray[np.int64]
    affine: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SimulatedRun:
    """One participant's run, and the truth about it.

    Parameters
    ----------
    image
        The 4-D NIfTI, int16, 0 outside the mask.
    mask
        The 3-D NIfTI, uint8.
    confounds
        With the columns of `CONFOUND_COLUMNS`, one row a volume.
    maps
        The maps in the run, shape (components, voxels of the mask), float32.
    """

    image: Any
    mask: Any
    confounds: pd.DataFrame
    maps: NDArray[np.float32]


def source_template(image: Any) -> SourceTemplate:
    """Take the maps out of a template's image.

    Parameters
    ----------
    image
        4-D NIfTI, shape (x, y, z, components).

    Raises
    ------
    BadInputError
        If it is not 4-D, or a map is not finite or 0 throughout.
    """
    values = np.asarray(image.dataobj, dtype=np.float64)
    if values.ndim != 4:
        raise _bad_template("shape", values.shape, "4-D, one volume for each component")
    peaks = np.abs(values).max(axis=(0, 1, 2), initial=0.0)
    unusable = np.flatnonzero(~(np.isfinite(peaks) & (peaks > 0)))
    if len(unusable):
        raise _bad_template(
            f"component {unusable[0] + 1}", "zeros, NaN or infinite", "a map of finite values"
        )
    maps = np.moveaxis(values / peaks, 3, 0)
    strongest = np.abs(maps).max(axis=0)
    mask = strongest > 0
    quiet = mask & (strongest <= np.quantile(strongest[mask], QUIET_SHARE))
    splines = np.stack([ndimage.spline_filter(each) for each in maps])
    affine = np.asarray(image.affine, dtype=np.float64)
    return SourceTemplate(splines, mask, np.argwhere(quiet), affine)


def simulated_run(
    template: SourceTemplate,
    time_courses: NDArray[np.floating],
    repetition_time: float,
    parameters: RestParameters,
    seed: int,
    participant: int,
) -> SimulatedRun:
    """Make one participant's run.

    Parameters
    ----------
    template
        Of the maps.
    time_courses
        Shape (volumes, components), those of the participant's sources.
    repetition_time
        In s, for the header.
    parameters
        How strong everything is.
    seed
        Of the cohort.
    participant
        Number of the participant, from 1.
    """
    volumes = len(time_courses)
    mask = _own_mask(template, random_stream(seed, participant, "mask"))
    depth = _depth_mm(mask, template.affine)[mask]
    maps = _own_maps(template, mask, parameters, random_stream(seed, participant, "maps"))
    motion = head_motion(random_stream(seed, participant, "head motion"), volumes)
    noise = random_stream(seed, participant, "noise")
    values = noise.standard_normal((volumes, len(depth))) / parameters.contrast_to_noise
    values += time_courses.astype(np.float64) @ maps.astype(np.float64)
    values *= parameters.signal
    artefacts = random_stream(seed, participant, "artefacts")
    values += _drift(template, mask, volumes, artefacts) * parameters.drift
    values += (
        _motion_artefact(template, mask, depth, motion, artefacts) * parameters.motion_artefact
    )
    brightness = random_stream(seed, participant, "brightness")
    values += _brightness(template, mask, depth, brightness)
    limits = np.iinfo(np.int16)
    whole = np.zeros((*mask.shape, volumes), dtype=np.int16)
    whole[mask] = np.clip(np.rint(BRIGHTNESS * values), 1, limits.max).T
    return SimulatedRun(
        image=_nifti(whole, template.affine, repetition_time),
        mask=_nifti(mask.astype(np.uint8), template.affine),
        confounds=confounds(motion),
        maps=maps,
    )


def _own_mask(template: SourceTemplate, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Move the mask's edge in and out by about half a voxel; keep the largest piece."""
    depth = _depth_mm(template.mask, template.affine)
    field = _smooth_field(template.mask, template.affine, FIELD_MM, generator)
    pieces, _ = ndimage.label(depth > _voxel_mm(template.affine).min() / 2 * field)
    sizes = np.bincount(pieces.ravel())
    return np.asarray(pieces == 1 + np.argmax(sizes[1:]))


def _own_maps(
    template: SourceTemplate,
    mask: NDArray[np.bool_],
    parameters: RestParameters,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Shift each map, scale it, and add a weak blob elsewhere."""
    count = len(template.splines)
    shifts = generator.normal(0.0, parameters.shift_mm, (count, 3))
    strengths = np.exp(generator.normal(0.0, parameters.strength_deviation, count))
    centres = template.quiet[generator.integers(0, len(template.quiet), count)]
    to_mm = template.affine[:3, :3]
    shifts = shifts @ np.linalg.inv(to_mm).T
    voxels = np.argwhere(mask)
    maps = np.empty((count, len(voxels)), dtype=np.float32)
    for k, spline in enumerate(template.splines):
        moved = ndimage.map_coordinates(spline, (voxels - shifts[k]).T, prefilter=False)
        squared = (((voxels - centres[k]) @ to_mm.T) ** 2).sum(axis=1)
        blob = np.exp(-squared / 2 * (FWHM_PER_SIGMA / EXTRA_MM) ** 2)
        maps[k] = strengths[k] * (moved + parameters.extra_strength * blob)
    return maps


def _drift(
    template: SourceTemplate,
    mask: NDArray[np.bool_],
    volumes: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Let the brightness creep, straight and bent, by another amount at every place."""
    time = np.linspace(0.0, 1.0, volumes)[:, None]
    straight, bent = (
        _smooth_field(mask, template.affine, FIELD_MM, generator)[mask] for _ in range(2)
    )
    return np.asarray(time * straight + 2 * time * (1 - time) * bent, dtype=np.float64)


def _motion_artefact(
    template: SourceTemplate,
    mask: NDArray[np.bool_],
    depth: NDArray[np.float64],
    motion: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Let rim voxels flare up as the head moves, and change while it is elsewhere."""
    rim = np.exp(-depth / RIM_MM)
    flares, shades = (
        rim * _smooth_field(mask, template.affine, FIELD_MM, generator)[mask] for _ in range(2)
    )
    jumps = np.nan_to_num(framewise_displacement(motion))
    return np.outer(jumps, flares) + np.outer(distance_from_start(motion), shades)


def _brightness(
    template: SourceTemplate,
    mask: NDArray[np.bool_],
    depth: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Give every voxel a mean: uneven, darker at the rim, 1 on average."""
    field = _smooth_field(mask, template.affine, TEXTURE_MM, generator)[mask]
    bright = np.exp(TEXTURE * field) * (1 - np.exp(-depth / RIM_MM) / 2)
    return np.asarray(bright / bright.mean(), dtype=np.float64)


def _depth_mm(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each voxel lies inside the mask's edge; negative outside."""
    padded, voxel_mm = np.pad(mask, 1), _voxel_mm(affine)
    inward = ndimage.distance_transform_edt(padded, sampling=voxel_mm)
    outward = ndimage.distance_transform_edt(~padded, sampling=voxel_mm)
    half = voxel_mm.min() / 2
    depth = np.where(padded, inward - half, half - outward)
    return np.asarray(depth[1:-1, 1:-1, 1:-1], dtype=np.float64)


def _smooth_field(
    mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
    fwhm_mm: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Smooth random numbers on the whole grid, standard deviation 1 inside the mask."""
    sigma = fwhm_mm / FWHM_PER_SIGMA / _voxel_mm(affine)
    field = ndimage.gaussian_filter(generator.standard_normal(mask.shape), sigma)
    return np.asarray(field / np.sqrt(np.mean(field[mask] ** 2)), dtype=np.float64)


def _voxel_mm(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0), dtype=np.float64)


def _nifti(
    values: NDArray[Any], affine: NDArray[np.float64], repetition_time: float | None = None
) -> Any:
    header: Any = nibabel.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_xyzt_units("mm", "sec")
    header.set_qform(affine, code="mni")
    header.set_sform(affine, code="mni")
    header["descrip"] = b"simulated, not measured"
    if repetition_time is not None:
        header.set_zooms((*header.get_zooms()[:3], repetition_time))
    return nibabel.Nifti1Image(values, affine, header)  # type: ignore[no-untyped-call]


def _bad_template(field: str, found: object, expected: str) -> BadInputError:
    return BadInputError(
        "simulate_rest: template",
        field,
        found=found,
        expected=expected,
        remedy="Give the stand-in template, or a 4-D image of maps.",
    )
