"""Random relabelings of samples: labels change places only where they are exchangeable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurospect.arrays.missing import missing_places
from neurospect.errors import BadInputError


@dataclass(frozen=True)
class Relabelings:
    """Labelings of the same samples, the observed one first.

    Attributes
    ----------
    labels
        Shape (1 + permutations, samples), dtype of the labels given.
    exchanged
        Shape (samples,): whether the label of a sample can change at all.
    possible
        How many distinct labelings there are, the observed one included.
    smallest_p
        Smallest p value that a two-sided test can reach with these labelings: one of them, or, in
        the long run, the share of those that tie with the observed one by repeating it or by
        swapping two groups.
    """

    labels: NDArray[Any]
    exchanged: NDArray[np.bool_]
    possible: int
    smallest_p: float


def relabelings(
    groups: ArrayLike,
    *,
    permutations: int,
    seed: int | Sequence[int],
    strata: ArrayLike | None = None,
    units: ArrayLike | None = None,
    alpha: float | None = None,
) -> Relabelings:
    """Draw relabelings that respect strata and units.

    Labels are exchanged only inside a stratum, such as a site, and between whole units, such as
    families: the labels of a unit move together to another unit of the same stratum and of as many
    samples, and change places inside a unit (whole-block and within-block exchange; Winkler et al.
    2015). So each stratum keeps its number of samples in each group, and relatives of one group
    stay together. Samples of a unit must be alike in all but their group, as twins or siblings are.
    Where all units that could change places have the same one label, nothing is exchanged, and
    `exchanged` says so.

    Parameters
    ----------
    groups
        Label of each sample, shape (samples,).
    permutations
        How many to draw, each with equal probability and independently.
    seed
        Of the draws.
    strata, units
        Stratum and unit of each sample, shape (samples,): numbers or text. By default all samples
        are of one stratum, and each is a unit by itself.
    alpha
        Level at which the relabelings will be used; by default any number of them will do.

    Raises
    ------
    BadInputError
        When the vectors differ in length or miss a value, a unit is in two strata, no labels can
        be exchanged, or no p value could be as small as `alpha`.
    """
    labels = _vector("groups", groups, None)
    if permutations < 1:
        raise _bad("permutations", permutations, "1 or more", "Draw some relabelings.")
    stratum = np.zeros(labels.size) if strata is None else _vector("strata", strata, labels.size)
    unit = np.arange(labels.size) if units is None else _vector("units", units, labels.size)
    rng = np.random.default_rng(seed)
    every = np.tile(labels, (1 + permutations, 1))
    exchanged = np.zeros(labels.size, dtype=bool)
    possible, swappable = 1, np.unique(labels).size == 2
    for members in _exchangeable(stratum, unit):
        patterns = np.sort(labels[members], axis=1)
        distinct, counts = np.unique(patterns, axis=0, return_counts=True)
        swappable = swappable and _swaps_into_itself(distinct, counts, np.unique(labels))
        own = np.array([_arrangements(np.unique(p, return_counts=True)[1]) for p in distinct])
        if len(distinct) == 1 and own[0] == 1:
            continue
        order = rng.permuted(np.tile(np.arange(len(members)), (permutations, 1)), axis=1)
        moved = patterns[order]
        moved = rng.permuted(moved, axis=2) if members.shape[1] > 1 else moved
        every[1:, members.ravel()] = moved.reshape(permutations, -1)
        exchanged[members.ravel()] = True
        possible *= _arrangements(counts)
        for ways, count in zip(own.tolist(), counts.tolist(), strict=True):
            possible *= ways**count
    # Python's integers divide without overflow.
    smallest_p = max(1 / (1 + permutations), (2 if swappable else 1) / possible)
    found = Relabelings(every, exchanged, possible, smallest_p)
    _check_enough(found, labels, stratum, alpha)
    return found


def _exchangeable(stratum: NDArray[Any], unit: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Find the samples of units that may change places, each array of shape (units, size)."""
    _, codes = np.unique(unit, return_inverse=True)
    by_unit = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    classes: dict[tuple[Any, int], list[NDArray[np.intp]]] = {}
    for samples in by_unit:
        found = np.unique(stratum[samples])
        if found.size > 1:
            raise _bad(
                f"unit {unit[samples[0]]}",
                f"strata {', '.join(map(str, found))}",
                "one stratum for each unit",
                "Merge these strata, or leave the unit out.",
            )
        classes.setdefault((found[0], samples.size), []).append(samples)
    return [np.stack(classes[key]) for key in sorted(classes)]


def _swaps_into_itself(
    distinct: NDArray[Any], counts: NDArray[np.intp], pair: NDArray[Any]
) -> bool:
    """Whether swapping the two labels everywhere gives the same patterns as often."""
    swapped = np.sort(np.where(distinct == pair[0], pair[1], pair[0]), axis=1)
    again = np.lexsort(swapped.T[::-1])
    return np.array_equal(swapped[again], distinct) and np.array_equal(counts[again], counts)


def _arrangements(counts: NDArray[np.intp]) -> int:
    """In how many ways patterns that occur so often can be set in a row."""
    ways, places = 1, 0
    for count in counts.tolist():
        places += count
        ways *= math.comb(places, count)
    return ways


def _check_enough(
    found: Relabelings, labels: NDArray[Any], stratum: NDArray[Any], alpha: float | None
) -> None:
    fixed = int((~found.exchanged).sum())
    single = [
        str(each) for each in np.unique(stratum) if np.unique(labels[stratum == each]).size == 1
    ]
    why = f"{fixed} of {labels.size} samples are never exchanged"
    if single and np.unique(stratum).size > 1:
        why += f" (strata with one group: {', '.join(single)})"
    if found.possible == 1:
        raise _bad(
            "labels", why, "labels that can be exchanged", "Merge strata, or test no labels."
        )
    if alpha is not None and found.smallest_p > alpha:
        raise _bad(
            "labels",
            f"{len(found.labels) - 1} relabelings, {found.possible} labelings possible, no p value "
            f"under {found.smallest_p:.2g}; {why}",
            f"p values down to {alpha:g}",
            "Draw more relabelings, keep more blocks, or merge strata.",
        )


def _vector(field: str, values: ArrayLike, samples: int | None) -> NDArray[Any]:
    vector = np.asarray(values)
    if vector.ndim != 1 or vector.size == 0 or samples not in (None, vector.size):
        raise _bad(
            field,
            f"shape {vector.shape}",
            f"({samples or 'samples'},)",
            "Give one value for each sample.",
        )
    missing = missing_places(values)
    if missing:
        raise _bad(
            field,
            f"{len(missing)} missing, the first of sample {missing[0]}",
            "a value for each sample",
            "Complete the column, or leave these samples out.",
        )
    # Text of the table's own type (object) neither sorts nor compares by columns.
    return vector.astype(str) if vector.dtype == object else vector


def _bad(field: str, found: object, expected: str, remedy: str) -> BadInputError:
    return BadInputError("relabelings", field, found=found, expected=expected, remedy=remedy)
