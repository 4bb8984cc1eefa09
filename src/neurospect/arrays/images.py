"""Images in NIfTI: read volume by volume, refused in plain words, written whole or not at all."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from numpy.typing import DTypeLike, NDArray

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError

AXES = {3: "3-D (x, y, z)", 4: "4-D (x, y, z, volumes)"}
UNREADABLE = (OSError, EOFError, ValueError, zlib.error)


def read_image(path: str | Path, *, dimensions: int | None = None) -> Any:
    """Open a NIfTI image; only its header is read.

    Parameters
    ----------
    path
        A `.nii` or `.nii.gz`.
    dimensions
        3 or 4, if the image must have so many. Axes of length 1 beyond them do not count: a
        mask of shape (x, y, z, 1) is 3-D.

    Returns
    -------
    nibabel.Nifti1Image
        Its voxels are still in the file; `image_data` and `image_volumes` read them.

    Raises
    ------
    BadInputError
        If the file is missing, is no NIfTI, holds no voxels, other values than real numbers, or
        an affine without inverse, or has another number of dimensions.
    """
    final = Path(path)
    image = _open(final)
    shape = tuple(map(int, image.shape))
    if dimensions is not None and set(shape[dimensions:]) == {1}:
        shape = shape[:dimensions]
        proxy = image.dataobj.reshape(shape)
        image = type(image)(proxy, image.affine, image.header, file_map=image.file_map)
    if 0 in shape or len(shape) < 3 or dimensions not in (None, len(shape)):
        raise BadInputError(
            final,
            "shape",
            found=f"{len(shape)}-D {shape}",
            expected="at least 3-D, no axis empty" if dimensions is None else AXES[dimensions],
            remedy="Look whether this is the file that you meant.",
        )
    if image.get_data_dtype().kind not in "iuf":
        raise BadInputError(
            final,
            "dtype",
            found=image.get_data_dtype(),
            expected="integers or real numbers",
            remedy="Convert the image; colours and complex numbers have no one value per voxel.",
        )
    _check_affine(final, image.affine)
    return image


def image_volumes(
    path: str | Path, image: Any, dtype: DTypeLike = np.float32
) -> Iterator[NDArray[Any]]:
    """Read an image volume by volume, from the first to the last, no two in memory at once.

    Parameters
    ----------
    path
        Its file; the name alone if `image` lives in memory.
    image
        As `read_image` gives it.
    dtype
        float32 or float64; the header's scale and offset are applied in float64.

    Yields
    ------
    numpy.ndarray
        Shape (x, y, z).

    Raises
    ------
    BadInputError
        If the file is cut short or damaged. A damaged `.gz` may give volumes before it does.
    """
    volumes = int(np.prod(image.shape[3:], dtype=np.int64))
    proxy = image.dataobj
    if not getattr(proxy, "is_proxy", False):
        values = np.asanyarray(proxy).reshape((*image.shape[:3], volumes), order="F")
        for number in range(volumes):
            yield values[..., number].astype(dtype)
        return
    length = int(np.prod(image.shape[:3], dtype=np.int64)) * proxy.dtype.itemsize
    whole = 0
    try:
        with ImageOpener(str(path), "rb") as stream:
            stream.seek(proxy.offset)
            while whole < volumes:
                block = stream.read(length)
                if len(block) < length:
                    raise EOFError
                yield _scaled(block, proxy, dtype)
                whole += 1
            # the checksum of a .gz is compared only when its end is reached
            stream.read(1)
    except UNREADABLE as error:
        raise BadInputError(
            path,
            "data",
            found=f"{whole} whole volumes{_said(error)}",
            expected=f"{volumes} volumes of {proxy.dtype} {image.shape[:3]}, as the header says",
            remedy="The file is damaged or cut short: copy it again.",
        ) from None


def image_data(path: str | Path, image: Any, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Read all voxels of an image.

    Parameters
    ----------
    path, image, dtype
        As for `image_volumes`.

    Returns
    -------
    numpy.ndarray
        Shape of the image, in Fortran order.

    Raises
    ------
    BadInputError
        If the file is cut short or damaged.
    """
    values = np.empty((*image.shape[:3], int(np.prod(image.shape[3:]))), dtype, order="F")
    for number, volume in enumerate(image_volumes(path, image, dtype)):
        values[..., number] = volume
    return values.reshape(image.shape, order="F")


def read_mask(path: str | Path) -> Any:
    """Read a 3-D mask: inside is what is neither zero nor NaN.

    Returns
    -------
    nibabel.Nifti1Image
        In memory, uint8, one inside and zero outside, with the header's affine.

    Raises
    ------
    BadInputError
        If it is no readable 3-D image, or nothing is inside.
    """
    image = read_image(path, dimensions=3)
    values = image_data(path, image)
    inside = (values != 0) & ~np.isnan(values)
    if not inside.any():
        raise BadInputError(
            path,
            "voxels",
            found="none inside the mask",
            expected="nonzero values inside the brain",
            remedy="Give the mask of the brain, or make it again.",
        )
    return type(image)(inside.astype(np.uint8), image.affine)


def image_stem(path: str | Path) -> str:
    """Name of an image's file without `.nii` or `.nii.gz`."""
    return re.sub(r"\.nii(\.gz)?$", "", Path(path).name, flags=re.IGNORECASE)


def image_md5(path: str | Path) -> str:
    """MD5 of an image's file, uncompressed, so that packing it does not change it."""
    digest = hashlib.md5(usedforsecurity=False)
    with ImageOpener(str(path), "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_image(path: str | Path, image: Any) -> None:
    """Write an image as `.nii` or `.nii.gz`, whole or not at all; same content, same bytes.

    Raises
    ------
    BadInputError
        If the name ends otherwise.
    """
    final = Path(path)
    if not final.name.endswith((".nii", ".nii.gz")):
        raise BadInputError(
            final,
            "file name",
            found=final.name,
            expected="a name that ends in .nii or .nii.gz",
            remedy="Images are written as NIfTI.",
        )
    # a copy, as nibabel would put the temporary name into the image that it is given
    copy = type(image)(image.dataobj, image.affine, image.header)
    with atomic_path(final) as temporary:
        # nibabel writes neither time nor name into a .gz, and compresses fast
        nibabel.save(copy, temporary)


def _open(path: Path) -> Any:
    problem: object
    try:
        image = nibabel.load(path)
    except FileNotFoundError:
        problem = "no such file"
    except (ImageFileError, *UNREADABLE) as error:
        problem = _said(error).removeprefix(", ") or "an unreadable file"
    else:
        # NIfTI-2 images are NIfTI-1 images to nibabel
        if isinstance(image, nibabel.Nifti1Image):
            return image
        problem = type(image).__name__
    raise BadInputError(
        path,
        "file",
        found=problem,
        expected="a NIfTI image (.nii or .nii.gz)",
        remedy="Check the path and the file.",
    )


def _check_affine(path: Path, affine: NDArray[Any]) -> None:
    if not np.isfinite(affine).all() or np.linalg.det(affine[:3, :3]) == 0:
        raise BadInputError(
            path,
            "affine",
            found=np.asarray(affine).tolist(),
            expected="finite numbers that carry voxels to mm and back",
            remedy="Mend sform and qform in the header.",
        )


def _scaled(block: bytes, proxy: Any, dtype: DTypeLike) -> NDArray[Any]:
    values = np.frombuffer(block, proxy.dtype).reshape(proxy.shape[:3], order="F")
    if (proxy.slope, proxy.inter) != (1, 0):
        values = values * np.float64(proxy.slope) + np.float64(proxy.inter)
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _said(error: BaseException) -> str:
    """Return what an error says, on one line after a comma, if it says anything."""
    said = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return f", {said}" if said else ""
