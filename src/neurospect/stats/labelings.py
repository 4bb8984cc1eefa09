"""What permutation tests share: values on one scale, and p values from the maxima of labelings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurospect.errors import BadInputError

Values = NDArray[np.float64]


def standardised(
    name: str, observed: Values, permuted: NDArray[np.floating], tested: NDArray[np.bool_]
) -> Values:
    """Divide each cell by its root mean square over all labelings, the observed one among them.

    So no cell rules a maximum only because it varies more; the scale is the same for every
    labeling, which keeps a test exact.

    Parameters
    ----------
    name
        Of the array, for the message of an error.
    observed, permuted, tested
        Shapes (cells...), (relabelings, cells...) and (cells...).

    Returns
    -------
    numpy.ndarray
        Shape (1 + relabelings, tested cells), float64, the observed labeling first; zero where a
        cell is zero under every labeling.

    Raises
    ------
    BadInputError
        When a tested value is not finite.
    """
    every = np.vstack([observed[tested][None], permuted[:, tested]]).astype(np.float64)
    bad = int((~np.isfinite(every)).any(axis=0).sum())
    if bad:
        raise BadInputError(
            "permutation test",
            name,
            found=f"NaN or infinity in {bad} tested cells",
            expected="finite values",
            remedy="Mend the values, or leave these cells untested.",
        )
    spread = np.sqrt(np.mean(every**2, axis=0))
    return np.divide(every, spread, out=np.zeros_like(every), where=spread > 0)


def share_reaching(maxima: Values, values: Values | float) -> Values:
    """Share of the maxima, shape (labelings,), that are at least each value; NaN stays NaN."""
    reached = np.searchsorted(np.sort(maxima), values)
    return np.where(np.isnan(values), np.nan, (maxima.size - reached) / maxima.size)


def smallest_significant(maxima: Values, alpha: float) -> float:
    """Smallest number that at most a share `alpha` of the maxima reach; NaN where there is none."""
    ordered = np.sort(maxima)
    # The very numbers that p values are, as their products with the level are rounded.
    shares = np.arange(1, ordered.size + 1) / ordered.size
    may_reach = int(np.searchsorted(shares, alpha, side="right"))
    if may_reach == 0:
        return np.nan
    if may_reach >= ordered.size:
        return 0.0
    return float(np.nextafter(ordered[-may_reach - 1], np.inf))


def as_masks(tested: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.bool_]]:
    """Take what says whether cells are tested as truth values; files keep them as 0 and 1.

    Parameters
    ----------
    tested
        Name → shape (cells...), truth values, or numbers that are 0 or 1.

    Raises
    ------
    BadInputError
        When there are other values, which might be the places of cells.
    """
    masks = {}
    for name, values in tested.items():
        given = np.asarray(values)
        if given.dtype != bool and not np.isin(given, (0, 1)).all():
            raise BadInputError(
                "permutation test",
                f"tested, {name}",
                found=f"other values than 0 and 1, of type {given.dtype}",
                expected="whether each cell is tested",
                remedy="Give truth values of the shape of the array.",
            )
        masks[name] = given.astype(bool)
    return masks


def check_arrays(
    observed: Mapping[str, Values],
    permuted: Mapping[str, NDArray[np.floating]],
    tested: Mapping[str, NDArray[np.bool_]],
) -> int:
    """Check the arrays of one test, and count the cells that take part.

    Raises
    ------
    BadInputError
        When the arrays do not fit together, or nothing is tested.
    """
    fits = observed.keys() == permuted.keys() == tested.keys() and all(
        permuted[name].shape[1:] == values.shape == tested[name].shape
        for name, values in observed.items()
    )
    if not fits or len({len(values) for values in permuted.values()}) > 1:
        shapes = [
            {name: np.shape(values) for name, values in arrays.items()}
            for arrays in (observed, permuted, tested)
        ]
        raise BadInputError(
            "permutation test",
            "shapes",
            found=", ".join(map(str, shapes)),
            expected="(cells...), (relabelings, cells...) and (cells...) under the same names",
            remedy="Give the arrays of one test.",
        )
    cells = int(sum(mask.sum() for mask in tested.values()))
    if cells == 0:
        raise BadInputError(
            "permutation test",
            "tested",
            found="no cell",
            expected="at least one",
            remedy="Look at the inputs: every value lies under its noise floor.",
        )
    return cells
