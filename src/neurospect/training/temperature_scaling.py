"""Temperature scaling: make a trained model as sure as it is right (Guo et al., 2017)."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError

log = logging.getLogger(__name__)

BOUNDS = (0.1, 10.0)


@dataclass(frozen=True)
class FittedTemperature:
    """A temperature that logits are divided by, and how well it does.

    Attributes
    ----------
    temperature
        Below 1 where the model was less sure than right, above where it was more.
    loss, loss_before
        Mean negative log-likelihood in nats, with the temperature and without.
    at_bound
        Which bound the fit ran into, if any: the validation split then says no more than that the
        temperature lies beyond, and results are to be reported over a range of temperatures.
    """

    temperature: float
    loss: float
    loss_before: float
    at_bound: Literal["lower", "upper"] | None


def fit_temperature(
    logits: ArrayLike, classes: ArrayLike, *, bounds: tuple[float, float] = BOUNDS
) -> FittedTemperature:
    """Find the temperature with the least negative log-likelihood on a validation split.

    Where the model classifies the whole split rightly, the likelihood grows without end as the
    temperature falls: the fit then ends at the lower bound, and a warning says so.

    Parameters
    ----------
    logits
        Shape (examples, classes).
    classes
        Index of the class of each example.
    bounds
        Lowest and highest temperature.

    Raises
    ------
    BadInputError
        When shapes do not fit together, a logit is not finite, or the bounds are none.
    """
    scores = as_array(logits).astype(np.float64)
    own = as_array(classes)
    _check(scores, own, bounds)

    def loss(temperature: float) -> float:
        scaled = log_softmax(scores / temperature, axis=1)
        return float(-scaled[np.arange(len(own)), own].mean())

    low, high = (math.log(bound) for bound in bounds)
    # Convex in 1 / temperature, so that the one minimum of the logarithm is found.
    found = minimize_scalar(
        lambda logarithm: loss(math.exp(logarithm)),
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-9},
    )
    inner = float(found.x)
    best = min((*bounds, math.exp(inner)), key=loss)
    at_bound: Literal["lower", "upper"] | None = None
    if math.log(best) - low < 1e-6:
        best, at_bound = float(bounds[0]), "lower"
    elif high - math.log(best) < 1e-6:
        best, at_bound = float(bounds[1]), "upper"
    if at_bound is not None:
        log.warning(
            "temperature scaling ran into its %s bound, %g: the validation split does not fix the "
            "temperature; look at results over a range of temperatures",
            at_bound, best,
        )  # fmt: skip
    return FittedTemperature(best, loss(best), loss(1.0), at_bound)


def _check(scores: np.ndarray, own: np.ndarray, bounds: tuple[float, float]) -> None:
    shapes = scores.ndim == 2 and own.shape == scores.shape[:1] and len(own) > 0
    if not shapes or own.dtype.kind not in "iu" or own.min() < 0 or own.max() >= scores.shape[1]:
        raise _refused(
            "classes",
            f"{own.dtype} of shape {own.shape}, for logits of shape {scores.shape}",
            "for each row of logits the index of its class",
            "Give the model's logits of a validation split and its classes.",
        )
    if not np.isfinite(scores).all():
        raise _refused("logits", "NaN or infinity", "finite numbers", "Look at the model.")
    if not 0 < bounds[0] < bounds[1] < math.inf:
        raise _refused(
            "bounds", bounds, "two positive numbers, the lower first", "Mend the bounds."
        )


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "temperature scaling", field, found=found, expected=expected, remedy=remedy
    )
