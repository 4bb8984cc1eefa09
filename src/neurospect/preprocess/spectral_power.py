"""How much of a time course's power is slow: a mark of signal rather than noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import periodogram

LOW_HZ = 0.1
HIGH_HZ = (0.15, 0.25)


def spectral_power_ratio(
    time_courses: NDArray[np.floating], repetition_time: float | None
) -> NDArray[np.float64]:
    """Power of each time course under 0.1 Hz over that from 0.15 to 0.25 Hz.

    High for components of the brain, near or below one for noise (Allen et al. 2011, Frontiers
    in Systems Neuroscience 5:2).

    Parameters
    ----------
    time_courses
        Shape (volumes, components), in any unit; linear trends are taken out.
    repetition_time
        In s, or None where it is unknown.

    Returns
    -------
    numpy.ndarray
        Shape (components,). NaN where the repetition time is unknown, volumes come too seldom to
        see 0.25 Hz, the run is too short to tell the bands apart, or there is no power in the
        upper band.
    """
    ratio = np.full(time_courses.shape[1], np.nan)
    # a repetition time of 2 s sees 0.25 Hz, but for rounding
    if repetition_time is None or 0.5 / repetition_time < HIGH_HZ[1] * (1 - 1e-6):
        return ratio
    courses = time_courses.astype(np.float64)
    frequencies, power = periodogram(courses, 1 / repetition_time, detrend="linear", axis=0)
    low = (frequencies > 0) & (frequencies < LOW_HZ)
    high = (frequencies >= HIGH_HZ[0]) & (frequencies <= HIGH_HZ[1] * (1 + 1e-6))
    if not (low.any() and high.any()):
        return ratio
    slow, fast = power[low].sum(axis=0), power[high].sum(axis=0)
    np.divide(slow, fast, out=ratio, where=fast > 0)
    return ratio
