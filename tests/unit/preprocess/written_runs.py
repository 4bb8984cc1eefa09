"""A template and runs as files: blobs in an ellipsoid, with smooth time courses and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter1d

from neurospect.arrays.runs import Run

SHAPE = (12, 14, 11)
AFFINE = np.array([[-8.0, 0, 0, 44], [0, 8, 0, -52], [0, 0, 8, -40], [0, 0, 0, 1]])
COMPONENTS = 4
CENTRES = np.array([[-20.0, -24, 0], [20, -24, 8], [-16, 24, -8], [18, 20, 14]])


def positions(shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> np.ndarray:
    axes = np.meshgrid(*(np.arange(size) for size in shape), indexing="ij")
    return nibabel.affines.apply_affine(affine, np.stack(axes, axis=-1))


def brain(shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> np.ndarray:
    return ((positions(shape, affine) / [40, 48, 36]) ** 2).sum(axis=-1) <= 1


def blobs(shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> np.ndarray:
    """Four Gaussians, shape (x, y, z, 4), zero outside the brain."""
    squared = ((positions(shape, affine)[..., None, :] - CENTRES) ** 2).sum(axis=-1)
    return np.exp(-squared / (2 * 12.0**2)) * brain(shape, affine)[..., None]


def save(path: Path, values: Any, affine: np.ndarray = AFFINE, seconds: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    if values.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], seconds))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def write_template(path: Path, shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> Path:
    return save(path, blobs(shape, affine).astype(np.float32), affine)


def run_values(
    seed: int = 0, volumes: int = 40, shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE
) -> np.ndarray:
    """Shape (x, y, z, volumes), float32, zero outside the brain."""
    rng = np.random.default_rng(seed)
    inside = brain(shape, affine)
    courses = gaussian_filter1d(rng.normal(size=(volumes, COMPONENTS)), 1.5, axis=0)
    courses /= courses.std(axis=0)
    signal = blobs(shape, affine)[inside] @ courses.T
    baseline = 1000 + 50 * rng.normal(size=(len(signal), 1))
    values = np.zeros((*shape, volumes), np.float32)
    values[inside] = baseline + 20 * signal + 3 * rng.normal(size=signal.shape)
    return values


def write_run(
    folder: Path,
    participant: str = "sub-01",
    *,
    values: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    seconds: float = 2.0,
    sidecar: dict[str, Any] | None = None,
    seed: int = 0,
) -> Run:
    stem = folder / participant / "func" / f"{participant}_task-rest"
    if values is None:
        values = run_values(seed)
    if mask is None:
        mask = brain(values.shape[:3], affine)
    image = save(Path(f"{stem}_bold.nii.gz"), values, affine, seconds)
    if sidecar is not None:
        Path(f"{stem}_bold.json").write_text(json.dumps(sidecar))
    mask_path = save(Path(f"{stem}_mask.nii.gz"), mask.astype(np.uint8), affine)
    return Run(participant, image, mask_path)


def cut_in_the_middle(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
