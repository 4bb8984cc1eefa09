"""Test whether a map is more like a reference than other maps as smooth as it would be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats
from torch import Tensor

from neurospect.arrays.tensors import as_array
from neurospect.errors import BadInputError
from neurospect.saliency.checks import checked_mask, checked_seed
from neurospect.saliency.criteria import pearson
from neurospect.training.checks import check_counts


@dataclass(frozen=True)
class SpatialTest:
    """A correlation between two smooth maps, and how surprising it is.

    Attributes
    ----------
    correlation
        Pearson's, inside the mask.
    p
        Two-sided, against maps of the same spectrum with random phases, drawn for either of the two
        in turn; the larger p of both. Never below 1 / (surrogates + 1).
    naive_p
        As if voxels were independent of each other, which they are not: for comparison only.
    surrogates
        How many random maps for each of the two.
    """

    correlation: float
    p: float
    naive_p: float
    surrogates: int


def spatial_correlation_test(
    values: ArrayLike | Tensor,
    reference: ArrayLike | Tensor,
    mask: ArrayLike | Tensor,
    *,
    surrogates: int = 1000,
    seed: int = 0,
) -> SpatialTest:
    """Test the correlation of two maps against that of maps as smooth as they are.

    Independent smooth maps correlate, one way or the other, far more than as many independent
    voxels would. The test keeps to its level where the mask is many times wider than the maps are
    smooth; where it holds but a few blobs, the spectrum is poorly known and p somewhat too small.

    Parameters
    ----------
    values, reference
        Shape (*grid), in any number of dimensions; numbers, or booleans as of a region.
    mask
        Shape (*grid), of booleans, or 0 and 1; only where it is true is compared.
    surrogates
        Random maps to draw for each of the two.
    seed
        Of the phases.

    Raises
    ------
    BadInputError
        When shapes differ, the mask holds fewer than three voxels, a map is constant or not finite
        inside it or does not hold real numbers, there are no surrogates, or the seed is no whole
        number from 0 on.
    """
    check_counts("spatial correlation", surrogates=surrogates)
    first, second = _numbers("map", values), _numbers("reference", reference)
    inside = checked_mask("spatial correlation", mask)
    _check(first, second, inside)
    correlation = float(pearson(first[inside], second[inside]))

    def share_as_extreme(randomised: NDArray[np.floating], kept: NDArray[np.floating]) -> float:
        drawn = phase_randomised(randomised, inside, surrogates, seed=seed)
        found = (abs(float(pearson(one, kept[inside]))) >= abs(correlation) for one in drawn)
        return (1 + sum(found)) / (1 + surrogates)

    p = max(share_as_extreme(first, second), share_as_extreme(second, first))
    naive = stats.pearsonr(first[inside], second[inside])
    return SpatialTest(correlation, p, float(naive.pvalue), int(surrogates))


def phase_randomised(
    values: ArrayLike | Tensor, mask: ArrayLike | Tensor, count: int, *, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Draw maps with the spectrum of the given one and random phases.

    Only what lies inside the mask counts: its mean is taken off and the rest set to zero, so that
    neither a step at the edge of the mask enters the spectrum, nor what is beyond it.

    Parameters
    ----------
    values
        Shape (*grid).
    mask
        Shape (*grid), of booleans, or 0 and 1; true somewhere.
    count
        How many.
    seed
        Of the phases.

    Yields
    ------
    numpy.ndarray
        One map inside the mask, shape (voxels,), in C order.

    Raises
    ------
    BadInputError
        Before the first, when the mask is none, or the seed no whole number from 0 on.
    """
    inside = checked_mask("spatial correlation", mask)
    seed = checked_seed("spatial correlation", seed, negative=False)
    box = tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(inside))
    inside = inside[box]
    field = np.zeros(inside.shape)
    cropped = as_array(values).astype(np.float64, copy=False)[box][inside]
    field[inside] = cropped - cropped.mean()
    amplitudes = np.abs(fft.rfftn(field))
    generator = np.random.default_rng(seed)
    for _ in range(count):
        # White noise has uniform phases with the symmetry of a real field.
        phases = fft.rfftn(generator.standard_normal(inside.shape))
        yield fft.irfftn(amplitudes * phases / np.abs(phases), s=inside.shape)[inside]


def _numbers(name: str, values: ArrayLike | Tensor) -> NDArray[np.float64]:
    found = as_array(values)
    if found.dtype.kind not in "biuf":
        raise _refused(name, found.dtype, "real numbers", "Give the values of a map.")
    return found.astype(np.float64, copy=False)


def _check(
    first: NDArray[np.float64], second: NDArray[np.float64], inside: NDArray[np.bool_]
) -> None:
    if not first.shape == second.shape == inside.shape or np.count_nonzero(inside) < 3:
        raise _refused(
            "mask",
            f"shape {inside.shape} with {np.count_nonzero(inside)} voxels inside, for maps of "
            f"shapes {first.shape} and {second.shape}",
            "one shape, and three voxels or more",
            "Use the mask of the maps.",
        )
    for name, values in (("map", first[inside]), ("reference", second[inside])):
        finite = bool(np.isfinite(values).all())
        if not finite or np.ptp(values) == 0:
            raise _refused(
                name,
                f"{'a constant' if finite else 'NaN or infinity'} inside the mask",
                "finite values that differ",
                "Look at the map; a model that is too sure has maps of zeros.",
            )


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "spatial correlation", field, found=found, expected=expected, remedy=remedy
    )
