"""A stand-in where the NeuroMark template is not at hand: one smooth blob per component."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_img
from numpy.typing import NDArray
from scipy.spatial import KDTree

from neurospect.errors import BadInputError
from neurospect.preprocess.neuromark import neuromark_components

DESCRIPTION = "Stand-in: Gaussian blobs at 53 peaks. NOT the NeuroMark template"
COMMENT = (
    "This is a stand-in for demonstrations and tests. Each of its 53 maps is one Gaussian blob"
    " at the peak that is published for that component of NeuroMark fMRI 1.0. It holds nothing"
    " else of the NeuroMark template and must not be reported as it."
)
FARTHEST_MM = 15.0  # a mask farther from a peak than this does not cover that component
REACH = 5.0  # standard deviations beyond which a blob is exactly zero, so that none is subnormal


def stand_in_template(
    *, voxel_mm: float = 3.0, fwhm_mm: float = 12.0, mask: Any = None
) -> nibabel.Nifti1Image:
    """Make 53 smooth blobs at the peaks of the NeuroMark components, on an MNI grid.

    Parameters
    ----------
    voxel_mm
        Edge of the cubic voxels, mm, to which nilearn's MNI152 brain mask is resampled. Not
        used where `mask` is given.
    fwhm_mm
        Full width at half maximum of each blob, mm; at least one voxel.
    mask
        A 3-D image in MNI space, nonzero inside the brain; the template lies on its grid. By
        default, the MNI152 brain mask that nilearn ships.

    Returns
    -------
    nibabel.Nifti1Image
        Shape (x, y, z, 53), float32, in the order of `neuromark_components`: 1 at the peak,
        falling off to 0, and 0 outside the mask. A peak outside the mask goes to the nearest
        voxel inside. The header says that it is a stand-in. The same arguments give the same
        bytes.

    Raises
    ------
    BadInputError
        If the voxels or blobs have no usable size, the mask is not 3-D, empty, or does not
        cover each peak within 15 mm, or two components fall into the same voxel.
    """
    image = _brain_mask(voxel_mm) if mask is None else mask
    inside = _inside(image)
    affine = np.asarray(image.affine, dtype=np.float64)
    _check_width(fwhm_mm, float(np.linalg.norm(affine[:3, :3], axis=0).max()))
    peaks = neuromark_components()[["x", "y", "z"]].to_numpy(dtype=np.float64)
    centres = _centres(peaks, inside, affine)
    positions = _moved(affine, np.argwhere(inside))
    sigma = fwhm_mm / np.sqrt(8 * np.log(2))
    maps = np.zeros((*inside.shape, len(centres)), dtype=np.float32)
    for component, centre in enumerate(centres):
        squared = ((positions - centre) ** 2).sum(axis=1) / sigma**2
        maps[inside, component] = np.where(squared <= REACH**2, np.exp(-squared / 2), 0.0)
    return _described(maps, affine)


def _brain_mask(voxel_mm: float) -> Any:
    if not 1.0 <= voxel_mm <= 12.0:
        raise BadInputError(
            "stand-in template",
            "voxel_mm",
            found=voxel_mm,
            expected="1 to 12 mm",
            remedy="Take the voxel size of the runs, 3 mm for most.",
        )
    # 2 mm is fine enough for nearest-neighbour, unless the target is finer
    source = load_mni152_brain_mask(resolution=2 if voxel_mm >= 2 else 1)
    return resample_img(
        source,
        target_affine=np.diag([voxel_mm] * 3),
        interpolation="nearest",
        copy_header=True,
        force_resample=True,
    )


def _inside(image: Any) -> NDArray[np.bool_]:
    inside = np.asanyarray(image.dataobj)
    if inside.ndim != 3 or not np.any(inside):
        raise BadInputError(
            "stand-in template",
            "mask",
            found="no voxel inside" if inside.ndim == 3 else f"{inside.ndim}-D {inside.shape}",
            expected="a 3-D image, nonzero inside the brain",
            remedy="Give one volume in MNI space, or none for the MNI152 brain mask.",
        )
    return np.asarray(inside != 0)


def _check_width(fwhm_mm: float, voxel_mm: float) -> None:
    if not voxel_mm <= fwhm_mm < np.inf:
        raise BadInputError(
            "stand-in template",
            "fwhm_mm",
            found=fwhm_mm,
            expected=f"a width of at least one voxel, {voxel_mm:g} mm",
            remedy="Make the blobs wider or the voxels smaller.",
        )


def _centres(
    peaks: NDArray[np.float64], inside: NDArray[np.bool_], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each peak, or the nearest inside voxel's centre where the peak is outside."""
    voxels = np.argwhere(inside)
    home = np.rint(_moved(np.linalg.inv(affine), peaks)).astype(np.intp)
    # padded, so that whatever lies off the grid lies outside the mask
    padded = np.pad(inside, 1)
    outside = ~padded[tuple(np.clip(home + 1, 0, np.array(padded.shape) - 1).T)]
    distance, nearest = KDTree(_moved(affine, voxels)).query(peaks)
    far = np.flatnonzero(outside & (distance > FARTHEST_MM))
    if len(far):
        raise BadInputError(
            "stand-in template",
            "mask",
            found=f"component {far[0] + 1}, {distance[far[0]]:.0f} mm from the mask",
            expected=f"a brain mask in MNI space, within {FARTHEST_MM:g} mm of every peak",
            remedy="Give a mask of the whole brain; check that its affine is that of MNI space.",
        )
    home[outside] = voxels[nearest[outside]]
    _check_distinct(home)
    return np.where(outside[:, None], _moved(affine, home), peaks)


def _moved(affine: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    """Return points, shape (n, 3), carried over by an affine: voxels to mm, or its inverse."""
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3], dtype=np.float64)


def _check_distinct(home: NDArray[np.intp]) -> None:
    """Refuse two components in one voxel: no analysis could tell them apart."""
    _, which, counts = np.unique(home, axis=0, return_inverse=True, return_counts=True)
    if counts.max() > 1:
        twins = np.flatnonzero(which == counts.argmax()) + 1
        raise BadInputError(
            "stand-in template",
            "voxel size",
            found=f"components {', '.join(map(str, twins))} in one voxel",
            expected="a voxel of its own for every peak",
            remedy="Use smaller voxels, or a mask that covers all peaks.",
        )


def _described(maps: NDArray[np.float32], affine: NDArray[np.float64]) -> nibabel.Nifti1Image:
    header: Any = nibabel.Nifti1Header()  # type: ignore[no-untyped-call]
    header.set_data_dtype(np.float32)
    header.set_data_shape(maps.shape)
    header.set_xyzt_units("mm")
    header.set_qform(affine, code="mni")
    header.set_sform(affine, code="mni")
    header["descrip"] = DESCRIPTION.encode("ascii")
    header["intent_name"] = b"stand-in blobs"
    header.extensions.append(Nifti1Extension("comment", COMMENT.encode("ascii")))
    return nibabel.Nifti1Image(maps, affine, header)  # type: ignore[no-untyped-call]
