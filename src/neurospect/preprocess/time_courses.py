"""Time courses for models: detrended, filtered, z-scored, and brought to one length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from nilearn.signal import clean
from numpy.typing import NDArray

from neurospect.errors import BadInputError

FEWEST_VOLUMES = 8
# The filter looks beyond both ends of a run for this many volumes, which it makes up by mirroring.
FEWEST_VOLUMES_TO_FILTER = 40
# What is left of a time course after cleaning, relative to its range, is rounding below this.
ROUNDING = 1e-6


def model_time_courses(
    time_courses: Sequence[NDArray[np.floating]],
    repetition_times: Sequence[float | None],
    *,
    detrend: bool,
    high_pass_hz: float | None,
    low_pass_hz: float | None,
    length: int | None,
    participants: Sequence[str] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Bring the time courses of a cohort into the form that models read.

    Linear trends and frequencies outside the band are removed from the whole run (Butterworth
    filter of order 5, forwards and backwards); what is kept of it is then z-scored.

    Parameters
    ----------
    time_courses
        One array per participant, shape (volumes of the run, components), any unit.
    repetition_times
        In s, one per participant; None or NaN where it is unknown, which only a filter minds.
    detrend
        Whether linear trends are removed.
    high_pass_hz, low_pass_hz
        Slower, and faster, fluctuations are filtered out; None for no filter.
    length
        Volumes to cut longer runs to, and to fill up shorter ones to; None for those of the
        longest run.
    participants
        Their identifiers, for messages; None to count them from 1.

    Returns
    -------
    numpy.ndarray
        Shape (participants, length, components), float32. Each component has mean 0 and standard
        deviation 1 (ddof 0) over the volumes that the participant has; zeros come after them.
    numpy.ndarray
        How many these are, shape (participants,), int64.

    Raises
    ------
    BadInputError
        Naming the participant, if time courses are no matrix of finite numbers, differ in their
        number of components, have too few volumes, are constant or become so; if a filter is
        asked for and the repetition time is unknown or too long for it. Naming the setting, if
        `length` is too short or the band is empty.
    """
    names = participants or [f"participant {row + 1}" for row in range(len(time_courses))]
    kept = _checked_length(time_courses, length)
    _check_band(high_pass_hz, low_pass_hz)
    filtering = high_pass_hz is not None or low_pass_hz is not None
    components = time_courses[0].shape[-1] if time_courses else 0
    prepared = np.zeros((len(time_courses), kept, components), dtype=np.float32)
    lengths = np.zeros(len(time_courses), dtype=np.int64)
    for row, (name, courses, seconds) in enumerate(
        zip(names, time_courses, repetition_times, strict=True)
    ):
        _check_courses(name, courses, components, filtering)
        if filtering:
            _check_sampling(name, seconds, high_pass_hz, low_pass_hz)
        cleaned = clean(
            courses.astype(np.float64),
            detrend=detrend,
            standardize=None,
            high_pass=high_pass_hz,
            low_pass=low_pass_hz,
            t_r=seconds if filtering else None,
            filter="butterworth" if filtering else False,
        )[:kept]
        lengths[row] = len(cleaned)
        prepared[row, : len(cleaned)] = _z_scored(name, cleaned, np.ptp(courses, axis=0))
    return prepared, lengths


def _z_scored(
    name: str, cleaned: NDArray[np.float64], ranges: NDArray[np.floating]
) -> NDArray[np.float64]:
    deviations = cleaned.std(axis=0)
    constant = np.flatnonzero(deviations <= ROUNDING * ranges)
    if len(constant):
        raise _fault(
            name,
            f"component {constant[0] + 1}",
            f"a time course that never changes ({len(constant)} in all)",
            "fluctuations that detrending, filtering and cutting leave",
            "Leave the participant out, or look how the components were found.",
        )
    return np.asarray((cleaned - cleaned.mean(axis=0)) / deviations, dtype=np.float64)


def _checked_length(time_courses: Sequence[NDArray[np.floating]], length: int | None) -> int:
    if length is None:
        return max((len(each) for each in time_courses), default=0)
    if length < FEWEST_VOLUMES:
        raise _fault(
            "time courses", "length", length, f"at least {FEWEST_VOLUMES}", "Keep more volumes."
        )
    return length


def _check_band(high_pass_hz: float | None, low_pass_hz: float | None) -> None:
    low = 0.0 if high_pass_hz is None else high_pass_hz
    high = math.inf if low_pass_hz is None else low_pass_hz
    if not 0 <= low < high or 0 in (high_pass_hz, low_pass_hz):
        raise _fault(
            "time courses",
            "high_pass_hz, low_pass_hz",
            f"{high_pass_hz} and {low_pass_hz}",
            "frequencies above 0, the first below the second",
            "Keep a band, or set what is not wanted to none.",
        )


def _check_courses(
    name: str, courses: NDArray[np.floating], components: int, filtering: bool
) -> None:
    if courses.ndim != 2 or courses.shape[1] != components or components == 0:
        raise _fault(
            name,
            "time courses",
            f"shape {courses.shape}",
            f"(volumes, {components or 'components'}), as of the first participant",
            "Extract the components of all participants with one template.",
        )
    fewest = FEWEST_VOLUMES_TO_FILTER if filtering else FEWEST_VOLUMES
    if len(courses) < fewest:
        raise _fault(
            name,
            "volumes",
            len(courses),
            f"at least {fewest}" + (" to filter them" if filtering else ""),
            "Leave the participant out" + (", or do not filter." if filtering else "."),
        )
    bad = np.argwhere(~np.isfinite(courses))
    if len(bad):
        raise _fault(
            name,
            f"volume {bad[0][0] + 1}, component {bad[0][1] + 1}",
            f"{len(bad)} values that are NaN or infinite",
            "finite numbers",
            "Extract this participant's components again, or leave the participant out.",
        )


def _check_sampling(
    name: str, seconds: float | None, high_pass_hz: float | None, low_pass_hz: float | None
) -> None:
    if seconds is None or not 0 < seconds < math.inf:
        raise _fault(
            name,
            "repetition time",
            "none" if seconds is None else seconds,
            "seconds between volumes, without which nothing can be filtered",
            "Add RepetitionTime to the sidecar of the run, or do not filter.",
        )
    highest = max(each for each in (high_pass_hz, low_pass_hz) if each is not None)
    if highest >= 0.5 / seconds:
        raise _fault(
            name,
            "repetition time",
            f"{seconds:g} s, which shows nothing above {0.5 / seconds:g} Hz",
            f"one short enough to filter at {highest:g} Hz",
            "Filter at a lower frequency, or not at all.",
        )


def _fault(where: str, field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(where, field, found=found, expected=expected, remedy=remedy)
