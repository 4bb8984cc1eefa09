"""Cut samples into blocks that are alike but for their group, inside strata and by families."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.errors import BadInputError


@dataclass(frozen=True)
class BlockCut:
    """Blocks of samples: as many of each group in each stratum, all of one size.

    Attributes
    ----------
    rows
        Shape (blocks, size): the samples of each block; group after group.
    group
        Shape (blocks,): place of the group among those compared.
    stratum
        Shape (blocks,), text.
    unit
        Shape (blocks,), numbers: blocks that hold the members of the same families share one.
    left_over
        Samples of the compared groups that are in no block.
    lacking
        Strata without blocks, as at least one group has no sample there.
    """

    rows: NDArray[np.intp]
    group: NDArray[np.intp]
    stratum: NDArray[np.str_]
    unit: NDArray[np.intp]
    left_over: int
    lacking: tuple[str, ...]

    @property
    def size(self) -> int:
        """Samples in a block."""
        return int(self.rows.shape[1])

    @property
    def per_group(self) -> int:
        """Blocks of each group."""
        return len(self.rows) // (int(self.group.max()) + 1)


def cut_blocks(
    group: NDArray[np.intp], most: int, *, stratum: NDArray[Any], unit: NDArray[Any]
) -> BlockCut:
    """Cut blocks as large as so many of each group allow.

    So many families of one size and the same groups, of one stratum, are taken together; their
    first members make a block, their second members another. Such blocks share a unit, and units
    of as many blocks are exchangeable under the null hypothesis, for families are. A sample without
    relatives is a family of one; where there are no others, blocks are runs of samples of one
    group. Groups are matched kind by kind: families that are all in group a are taken as often as
    those of that size that are all in group b, and so on; the others take no part.

    Parameters
    ----------
    group
        Place of each sample's group among those compared, shape (samples,); -1 for no part.
    most
        Blocks of each group, at most.
    stratum, unit
        Stratum (such as the site) and family of each sample, shape (samples,).

    Raises
    ------
    BadInputError
        When fewer than one block is wanted, a family is in two strata, or the strata leave fewer
        than two blocks of each group.
    """
    if most < 1:
        raise BadInputError(
            "block plan",
            "blocks per group",
            found=most,
            expected="1 or more",
            remedy="Cut each group into some blocks.",
        )
    groups = int(group.max()) + 1
    names, codes = np.unique(stratum, return_inverse=True)
    # A family that alone gives a group more blocks than wanted takes no part.
    every = _lots(_families(group, codes, unit, names), groups)
    lots = [lot for lot in every if lot.blocks <= most]
    if sum(lot.blocks * lot.sets(1) for lot in lots) < min(2, most):
        raise BadInputError(
            "block plan",
            "strata",
            found="too few samples to match between groups: "
            f"{_by_stratum(group, codes, names.tolist())}",
            expected="two or more of each group, with counterparts in the same stratum and in "
            "families of the same size",
            remedy="Merge strata, or exchange labels over all samples.",
        )
    size, taken = _largest_size(lots, most)
    parts = [part for lot, sets in zip(lots, taken, strict=True) for part in lot.cut(size, sets)]
    rows = np.concatenate([columns for _, columns in parts])
    units = np.repeat(np.arange(len(parts)), [len(columns) for _, columns in parts])
    of_block = np.repeat([code for code, _ in parts], [len(columns) for _, columns in parts])
    order = np.argsort(group[rows[:, 0]], kind="stable")
    inside = group >= 0
    present = [np.unique(group[inside & (codes == code)]).size for code in range(len(names))]
    return BlockCut(
        rows=rows[order],
        group=group[rows[:, 0]][order],
        stratum=names[of_block][order].astype(str),
        unit=units[order],
        left_over=int(inside.sum()) - rows.size,
        lacking=tuple(
            str(name) for name, there in zip(names, present, strict=True) if 0 < there < groups
        ),
    )


@dataclass(frozen=True)
class _Lot:
    """Families of one stratum whose groups are the same but for their names.

    Attributes
    ----------
    stratum
        Its code.
    kinds
        Per way to name the groups, the families: samples, shape (families, members), members of
        one group side by side. One family of each kind is a set: it has as many members in each
        group.
    blocks
        Blocks that a set of bundles gives each group.
    """

    stratum: int
    kinds: tuple[NDArray[np.intp], ...]
    blocks: int

    def sets(self, size: int) -> int:
        """How many sets of bundles of so many families there are."""
        return min(len(families) for families in self.kinds) // size

    def cut(self, size: int, sets: int) -> list[tuple[int, NDArray[np.intp]]]:
        """Blocks of each bundle, shape (members, size), with the stratum."""
        return [
            (self.stratum, families[bundle * size : (bundle + 1) * size].T)
            for families in self.kinds
            for bundle in range(sets)
        ]


Kind = tuple[int, tuple[int, ...]]


def _largest_size(lots: Sequence[_Lot], most: int) -> tuple[int, list[int]]:
    """Return samples per block and sets per lot: as many blocks as may be, then as large."""

    def blocks(size: int) -> list[int]:
        return [lot.blocks * lot.sets(size) for lot in lots]

    wanted = min(most, sum(blocks(1)))
    sizes = range(1, max(lot.sets(1) for lot in lots) + 1)
    size = bisect_right(sizes, -wanted, key=lambda each: -sum(blocks(each)))
    taken = [0] * len(lots)
    room = most
    # Whoever has fewest is next, so that small strata keep their part; of two the larger set.
    while fitting := [
        (lot.blocks * sets, -lot.blocks, place)
        for place, (lot, sets) in enumerate(zip(lots, taken, strict=True))
        if sets < lot.sets(size) and lot.blocks <= room
    ]:
        _, blocks_of_set, place = min(fitting)
        taken[place] += 1
        room += blocks_of_set
    return size, taken


def _families(
    group: NDArray[np.intp], stratum: NDArray[np.intp], unit: NDArray[Any], names: NDArray[Any]
) -> dict[Kind, NDArray[np.intp]]:
    """Families by stratum and number of members in each group, in the order of the samples."""
    inside = np.flatnonzero(group >= 0)
    _, first, family = np.unique(unit[inside], return_index=True, return_inverse=True)
    family = np.argsort(np.argsort(first))[family]
    ordered = inside[np.lexsort((inside, group[inside], family))]
    members = np.bincount(family)
    starts = np.cumsum(members) - members
    of_family = stratum[ordered[starts]]
    strays = ordered[stratum[ordered] != np.repeat(of_family, members)]
    if strays.size:
        own = np.unique(stratum[inside][unit[inside] == unit[strays[0]]])
        raise BadInputError(
            "block plan",
            f"family {unit[strays[0]]}",
            found=f"members in strata {', '.join(str(name) for name in names[own])}",
            expected="one stratum for each family",
            remedy="Merge these strata, or leave the family out.",
        )
    pattern = np.zeros((len(members), int(group.max()) + 1), dtype=np.intp)
    np.add.at(pattern, (family, group[inside]), 1)
    kinds, which = np.unique(np.column_stack([of_family, pattern]), axis=0, return_inverse=True)
    found = {}
    for place, (code, *counts) in enumerate(kinds.tolist()):
        chosen = np.flatnonzero(which.ravel() == place)
        found[code, tuple(counts)] = ordered[starts[chosen][:, None] + np.arange(sum(counts))]
    return found


def _lots(families: dict[Kind, NDArray[np.intp]], groups: int) -> list[_Lot]:
    """Families whose groups change into each other by turning the groups round, together.

    With two groups that is: all in a and all in b; two in a and one in b, and one in a and two
    in b; one in each.
    """
    lots = []
    for code, pattern in families:
        turned = dict.fromkeys(pattern[turn:] + pattern[:turn] for turn in range(groups))
        if pattern == max(turned) and all((code, each) in families for each in turned):
            kinds = tuple(families[code, each] for each in turned)
            lots.append(_Lot(code, kinds, sum(pattern) * len(kinds) // groups))
    return lots


def _by_stratum(group: NDArray[np.intp], stratum: NDArray[np.intp], names: Sequence[Any]) -> str:
    """Say which strata have one group only, or else how many samples of each group they have."""
    counts = [
        np.bincount(group[(group >= 0) & (stratum == code)], minlength=int(group.max()) + 1)
        for code in range(len(names))
    ]
    single = [
        str(name) for name, own in zip(names, counts, strict=True) if np.count_nonzero(own) == 1
    ]
    if single:
        return f"strata with one group only: {', '.join(single)}"
    said = [f"{name}: {own.tolist()}" for name, own in zip(names, counts, strict=True)]
    return f"samples of each group by stratum: {'; '.join(said)}"
