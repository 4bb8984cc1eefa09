"""Test whether a map is more like a reference than other maps as smooth as it would be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, stats

from neurospect.errors import BadInputError
from neurospect.saliency.criteria import pearson


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
    values: ArrayLike,
    reference: ArrayLike,
    mask: ArrayLike,
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
        Shape (*grid), in any number of dimensions.
    mask
        Shape (*grid); only where it is true is compared.
    surrogates
        Random maps to draw for each of the two.
    seed
        Of the phases.

    Raises
    ------
    BadInputError
        When shapes differ, the mask holds fewer than three voxels, a map is constant or not finite
        inside it, or there are no surrogates.
    """
    first, second, inside = np.asarray(values), np.asarray(reference), np.asarray(mask).astype(bool)
    _check(first, second, inside, surrogates)
    correlation = float(pearson(first[inside], second[inside]))

    def share_as_extreme(randomised: NDArray[np.floating], kept: NDArray[np.floating]) -> float:
        drawn = phase_randomised(randomised, inside, surrogates, seed=seed)
        found = (abs(float(pearson(one, kept[inside]))) >= abs(correlation) for one in drawn)
        return (1 + sum(found)) / (1 + surrogates)

    p = max(share_as_extreme(first, second), share_as_extreme(second, first))
    naive = stats.pearsonr(first[inside].astype(np.float64), second[inside].astype(np.float64))
    return SpatialTest(correlation, p, float(naive.pvalue), surrogates)


def phase_randomised(
    values: ArrayLike, mask: ArrayLike, count: int, *, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Draw maps with the spectrum of the given one and random phases.

    Only what lies inside the mask counts: its mean is taken off and the rest set to zero, so that
    neither a step at the edge of the mask enters the spectrum, nor what is beyond it.

    Parameters
    ----------
    values
        Shape (*grid).
    mask
        Shape (*grid), true somewhere.
    count
        How many.
    seed
        Of the phases.

    Yields
    ------
    numpy.ndarray
        One map inside the mask, shape (voxels,), in C order.
    """
    inside = np.asarray(mask).astype(bool)
    box = tuple(slice(axis.min(), axis.max() + 1) for axis in np.nonzero(inside))
    inside = inside[box]
    field = np.zeros(inside.shape)
    cropped = np.asarray(values, dtype=np.float64)[box][inside]
    field[inside] = cropped - cropped.mean()
    amplitudes = np.abs(fft.rfftn(field))
    generator = np.random.default_rng(seed)
    for _ in range(count):
        # White noise has uniform phases with the symmetry of a real field.
        phases = fft.rfftn(generator.standard_normal(inside.shape))
        yield fft.irfftn(amplitudes * phases / np.abs(phases), s=inside.shape)[inside]


def _check(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    inside: NDArray[np.bool_],
    surrogates: int,
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
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            raise _refused(
                name,
                "a constant, NaN or infinity inside the mask",
                "finite values that differ",
                "Look at the map; a model that is too sure has maps of zeros.",
            )
    if surrogates < 1:
        raise _refused("surrogates", surrogates, "1 or more", "Mend the number.")


def _refused(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError(
        "spatial correlation", field, found=found, expected=expected, remedy=remedy
    )
