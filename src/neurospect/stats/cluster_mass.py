"""Permutation test by the mass of clusters of neighbouring cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from neurospect.errors import BadInputError
from neurospect.stats.labelings import (
    Values,
    as_masks,
    check_arrays,
    share_reaching,
    smallest_significant,
    standardised,
)

# Neighbours along rows and along columns; two labelings are never neighbours.
NEIGHBOURS = np.stack([np.zeros((3, 3)), ndimage.generate_binary_structure(2, 1), np.zeros((3, 3))])


@dataclass(frozen=True)
class ClusterMass:
    """Result of a test that controls the family-wise error over all clusters of all arrays.

    Attributes
    ----------
    z
        Per array, shape (rows, columns): observed value over its permutation spread; NaN if
        untested.
    cluster
        Per array: number of the cluster that a cell belongs to, from 1 over all arrays in their
        order; 0 outside of clusters.
    mass
        Shape (clusters,): sum of |z| over the cells of cluster 1, 2, ...
    p
        Shape (clusters,): family-wise p value of each cluster as a whole, not of its cells.
    threshold
        p is at most alpha exactly where the mass reaches it; NaN where there are too few
        relabelings for any p value to be that small.
    """

    z: dict[str, Values]
    cluster: dict[str, NDArray[np.intp]]
    mass: Values
    p: Values
    threshold: float


def cluster_mass_test(
    observed: Mapping[str, Values],
    permuted: Mapping[str, NDArray[np.floating]],
    tested: Mapping[str, ArrayLike],
    *,
    forming: float,
    alpha: float,
) -> ClusterMass:
    """Test clusters of cells that differ in the same direction, two-sided.

    Cells are first brought to one scale (`standardised`). A cluster is a set of tested cells of one
    array that are neighbours in a row or in a column, with z ≥ `forming` in all or z ≤ -`forming`
    in all. Its p value is the share of labelings, the observed one among them, whose heaviest
    cluster in any array reaches its mass (Bullmore et al. 1999; Maris & Oostenveld 2007).

    Parameters
    ----------
    observed
        Name → values, shape (rows, columns), zero being "no difference".
    permuted
        Name → values under each relabeling, shape (relabelings, rows, columns).
    tested
        Name → whether a cell takes part, as truth values or as 0 and 1; must not depend on the
        labels.
    forming
        Smallest |z| of a cell in a cluster, above 0. To be chosen before looking: any choice gives
        a valid test, a lower one finds wide and weak differences, a higher one narrow and strong.
    alpha
        Family-wise error rate, for the threshold.

    Raises
    ------
    BadInputError
        When the arrays do not fit together or are no grids, `tested` holds other values, nothing is
        tested, a tested value is not finite, or `forming` is not above 0.
    """
    _check(observed, forming)
    masks = as_masks(tested)
    check_arrays(observed, permuted, masks)
    heaviest = np.zeros(len(next(iter(permuted.values()))) + 1)
    z: dict[str, Values] = {}
    cluster: dict[str, NDArray[np.intp]] = {}
    masses: list[Values] = [np.zeros(0)]
    for name, values in observed.items():
        scores = np.zeros((heaviest.size, *values.shape))
        scores[:, masks[name]] = standardised(name, values, permuted[name], masks[name])
        z[name] = np.where(masks[name], scores[0], np.nan)
        cluster[name] = np.zeros(values.shape, dtype=np.intp)
        for above in (scores >= forming, scores <= -forming):
            numbers, mass, labeling = _clusters(np.abs(scores), above)
            np.maximum.at(heaviest, labeling, mass)
            own = labeling == 0
            before = sum(map(len, masses))
            # Clusters are numbered labeling by labeling, so those observed come first.
            cluster[name] += np.where(numbers[0] > 0, numbers[0] + before, 0)
            masses.append(mass[own])
    mass = np.concatenate(masses)
    return ClusterMass(
        z=z,
        cluster=cluster,
        mass=mass,
        p=share_reaching(heaviest, mass),
        threshold=smallest_significant(heaviest, alpha),
    )


def _clusters(
    sizes: Values, above: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], Values, NDArray[np.intp]]:
    """Clusters of all labelings at once: their cells' numbers, and each one's mass and labeling."""
    numbers, count = ndimage.label(above, structure=NEIGHBOURS)
    flat = numbers.ravel()
    # Summed in the order of the cells, so that equal clusters have equal masses to the last bit.
    mass = np.bincount(flat, weights=sizes.ravel(), minlength=count + 1)[1:].astype(np.float64)
    labeling = np.zeros(count + 1, dtype=np.intp)
    cell = np.flatnonzero(flat)
    labeling[flat[cell]] = cell // above[0].size
    return numbers.astype(np.intp), mass, labeling[1:]


def _check(observed: Mapping[str, Values], forming: float) -> None:
    if not forming > 0:
        raise BadInputError(
            "cluster-mass test",
            "forming",
            found=forming,
            expected="a number above 0",
            remedy="Choose the smallest absolute z of a cell in a cluster, such as 2.",
        )
    for name, values in observed.items():
        if values.ndim != 2:
            raise BadInputError(
                "cluster-mass test",
                name,
                found=f"shape {values.shape}",
                expected="(rows, columns)",
                remedy="Give grids: only there cells have neighbours.",
            )
