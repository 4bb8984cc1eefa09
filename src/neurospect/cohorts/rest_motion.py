"""Head motion of simulated runs, as fMRIPrep tells it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

DISPLACEMENT = "framewise_displacement"
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
CONFOUND_COLUMNS = {
    DISPLACEMENT: "Framewise displacement (Power et al. 2012, head radius 50 mm), mm",
    **{name: f"Translation along {name[-1]}, mm" for name in MOTION[:3]},
    **{name: f"Rotation about {name[-1]}, radians" for name in MOTION[3:]},
}
HEAD_RADIUS_MM = 50.0
DRIFT_MM = 0.04  # per volume, before smoothing
JITTER_MM = 0.015
JERK_MM = 0.35
VOLUMES_PER_JERK = 40.0
DECIMALS = 6


def head_motion(generator: np.random.Generator, volumes: int) -> NDArray[np.float64]:
    """Draw the motion of one head: slow drift, jitter, and sudden jerks, half of which stay.

    Parameters
    ----------
    generator
        Of the random numbers.
    volumes
        How many.

    Returns
    -------
    numpy.ndarray
        Shape (volumes, 6): translations in mm, rotations in radians, in the order of `MOTION`.
        Some heads move several times as much as others.
    """
    restlessness = generator.lognormal(0.0, 0.5)
    walk = np.cumsum(generator.normal(0.0, DRIFT_MM, (volumes, 6)), axis=0)
    moved = gaussian_filter1d(walk - walk[0], 3.0, axis=0, mode="nearest")
    moved += generator.normal(0.0, JITTER_MM, moved.shape)
    for _ in range(generator.poisson(restlessness * volumes / VOLUMES_PER_JERK)):
        start = int(generator.integers(1, volumes))
        stop = volumes if generator.random() < 0.5 else start + int(generator.integers(1, 4))
        moved[start:stop] += generator.normal(0.0, JERK_MM / np.sqrt(6), 6)
    moved *= restlessness
    moved[:, 3:] /= HEAD_RADIUS_MM
    return np.asarray(np.round(moved, DECIMALS), dtype=np.float64)


def framewise_displacement(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the absolute changes since the volume before, rotations on a sphere of 50 mm.

    Parameters
    ----------
    motion
        Shape (volumes, 6), as `head_motion` gives it.

    Returns
    -------
    numpy.ndarray
        Shape (volumes,), in mm (Power et al. 2012, NeuroImage 59, 2142); NaN for the first.
    """
    change = np.abs(np.diff(motion, axis=0))
    change[:, 3:] *= HEAD_RADIUS_MM
    return np.concatenate([[np.nan], np.round(change.sum(axis=1), DECIMALS)])


def distance_from_start(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the absolute values, rotations on a sphere of 50 mm: shape (volumes,), in mm."""
    away = np.abs(motion)
    return np.asarray(away[:, :3].sum(axis=1) + HEAD_RADIUS_MM * away[:, 3:].sum(axis=1))


def confounds(motion: NDArray[np.float64]) -> pd.DataFrame:
    """Lay motion out as fMRIPrep's table of confounds, with `CONFOUND_COLUMNS`."""
    table = pd.DataFrame(motion, columns=list(MOTION))
    table.insert(0, DISPLACEMENT, framewise_displacement(motion))
    return table
