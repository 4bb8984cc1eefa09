"""Confidence intervals by leaving out one unit at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurospect.errors import BadInputError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class JackknifeInterval:
    """Standard error and interval of an estimate, shapes (cells...).

    Attributes
    ----------
    standard_error, low, high
        In the unit of the estimate.
    degrees_of_freedom
        Of the t quantile: units less samples.
    """

    standard_error: Values
    low: Values
    high: Values
    degrees_of_freedom: int


def jackknife_interval(
    estimate: Values, leave_one_out: Values, sample: ArrayLike, *, confidence: float
) -> JackknifeInterval:
    """Interval of an estimate from several independent samples, two-sided.

    The variance is the sum over samples of (m - 1) / m · Σ (θ₍₋ᵤ₎ - mean)², over the m units u of
    a sample (Miller 1974; Arvesen 1969 for several samples), and the interval the estimate ± that
    quantile of Student's t times the standard error. With few units this is to be preferred to a
    bootstrap: resampled units repeat one another, which inflates the noise in their sum and lowers
    its rank, and so shifts its spectrum.

    Parameters
    ----------
    estimate
        From all units, shape (cells...).
    leave_one_out
        The estimate without one unit, shape (units, cells...).
    sample
        The sample that each unit is of, shape (units,): numbers or text.
    confidence
        Share of intervals that are to hold the true value, between 0 and 1.

    Raises
    ------
    BadInputError
        When a sample has fewer than two units, or the arguments do not fit together.
    """
    of = np.asarray(sample)
    if of.shape != (len(leave_one_out),) or leave_one_out.shape[1:] != estimate.shape:
        raise _bad(
            "shapes",
            f"{estimate.shape}, {leave_one_out.shape} and {of.shape}",
            "(cells...), (units, cells...) and (units,)",
            "Give the arrays of one estimate.",
        )
    if not 0 < confidence < 1:
        raise _bad("confidence", confidence, "between 0 and 1", "Choose a share, such as 0.95.")
    names, counts = np.unique(of, return_counts=True)
    if not counts.size or counts.min() < 2:
        raise _bad(
            "units",
            ", ".join(f"{count} of {name}" for name, count in zip(names, counts, strict=True)),
            "at least two of each sample",
            "Keep more blocks, or leave out the only unit of its kind.",
        )
    variance = np.zeros(estimate.shape)
    for name, count in zip(names, counts, strict=True):
        own = leave_one_out[of == name].astype(np.float64)
        variance += (count - 1) * own.var(axis=0)
    freedom = int(counts.sum() - counts.size)
    error = np.sqrt(variance)
    reach = stats.t.ppf((1 + confidence) / 2, freedom) * error
    return JackknifeInterval(error, estimate - reach, estimate + reach, freedom)


def _bad(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("jackknife", field, found=found, expected=expected, remedy=remedy)
