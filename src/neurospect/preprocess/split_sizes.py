"""How families are shared out among splits: whole-number quotas, and families that fit them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

# The exact search holds (participants + 1)² bits for each distinct family size.
EXACT_SEARCH_LIMIT = 5_000


def largest_remainder(fractions: Mapping[str, float], total: int) -> dict[str, int]:
    """Share a total out in whole numbers, each the fraction rounded up or down.

    Parameters
    ----------
    fractions
        Share of each split; they sum to one.
    total
        What is shared out.

    Returns
    -------
    dict
        Whole numbers that sum to `total`. Ties in the remainder go to the split named first.
    """
    ideal = np.array([[share * total for share in fractions.values()]])
    shares = round_within_margins(ideal, np.array([total]), None)[0]
    return dict(zip(fractions, map(int, shares), strict=True))


def round_within_margins(
    ideal: NDArray[np.float64], rows: Counts, columns: Counts | None
) -> Counts:
    """Round a table to whole numbers, not negative, with the given sums of rows and columns.

    Each row is rounded by the largest remainder; where the columns are then off, single units
    are moved within rows, each time where that departs least from the ideal.

    Parameters
    ----------
    ideal
        Shape (rows, columns).
    rows, columns
        The sums wanted, of the same total; `columns` None leaves the columns free.

    Returns
    -------
    numpy.ndarray
        int64, shape (rows, columns).
    """
    # so that 0.1 · 30, which is a little over 3, counts as 3
    ideal = np.round(ideal, 9)
    table: Counts = np.floor(np.maximum(ideal, 0)).astype(np.int64)
    for row, wanted in enumerate(rows):
        while (missing := wanted - table[row].sum()) > 0:
            order = np.argsort(table[row] - ideal[row], kind="stable")
            table[row, order[:missing]] += 1
        while table[row].sum() > wanted:
            over = np.where(table[row] > 0, table[row] - ideal[row], -np.inf)
            table[row, int(np.argmax(over))] -= 1
    if columns is None:
        return table
    while (excess := table.sum(axis=0) - columns).any():
        _move_one_unit(table, ideal, np.flatnonzero(excess > 0), np.flatnonzero(excess < 0))
    return table


def _move_one_unit(
    table: Counts, ideal: NDArray[np.float64], givers: Counts, takers: Counts
) -> None:
    def departure(row: int, column: int, change: int) -> float:
        off = table[row, column] - ideal[row, column]
        return float(abs(off + change) - abs(off))

    _, row, giver, taker = min(
        (departure(row, giver, -1) + departure(row, taker, +1), row, int(giver), int(taker))
        for row in range(len(table))
        for giver in givers
        for taker in takers
        if table[row, giver] > 0
    )
    table[row, giver] -= 1
    table[row, taker] += 1


def share_out_families(counts: Counts, targets: Counts, generator: np.random.Generator) -> Counts:
    """Choose a split for each family, so that sizes and classes come out as wanted.

    Parameters
    ----------
    counts
        Members of each family in each class, shape (families, classes).
    targets
        Participants wanted in each split, shape (splits,), two or three; the first is training.
    generator
        Source of chance.

    Returns
    -------
    numpy.ndarray
        Index of the split of each family, shape (families,).
    """
    total = int(counts.sum())
    of_class = counts.sum(axis=0)
    quotas = round_within_margins(of_class[:, None] * targets / total, of_class, targets)
    order = generator.permutation(len(counts))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]
    greedy = _largest_first(counts, quotas, order, generator)
    reached = _table(counts, greedy, len(targets))
    if (reached == quotas).all() or total > EXACT_SEARCH_LIMIT:
        return greedy
    if ((counts > 0).sum(axis=1) == 1).all():
        searched = _exactly(counts, quotas, order)
        if (_table(counts, searched, len(targets)) == quotas).all():
            return searched
    if (reached.sum(axis=0) == targets).all():
        return greedy
    return _exactly(counts.sum(axis=1, keepdims=True), targets[None], order)


def _largest_first(
    counts: Counts, quotas: Counts, order: Counts, generator: np.random.Generator
) -> Counts:
    """Place families, largest first, and fill up with those who have no relatives."""
    left = quotas.copy()
    split = np.zeros(len(counts), dtype=np.int64)
    sizes = counts.sum(axis=1)
    for family in order[sizes[order] > 1]:
        split[family] = _place(counts[family], left, generator)
        left[:, split[family]] -= counts[family]
    single = order[sizes[order] == 1]
    level = counts[single].argmax(axis=1)
    room = left.sum(axis=0, keepdims=True).astype(np.float64)
    columns = round_within_margins(room, np.array([len(single)]), None)[0]
    rows = np.bincount(level, minlength=len(quotas))
    shares = round_within_margins(left.astype(np.float64), rows, columns)
    for row, share in enumerate(shares):
        split[single[level == row]] = np.repeat(np.arange(len(share)), share)
    return split


def _place(family: Counts, left: Counts, generator: np.random.Generator) -> int:
    """Choose a split with room for a family: training if it can, else one of the others."""
    room = left.sum(axis=0)
    lacking = np.maximum(family[:, None] - np.maximum(left, 0), 0)
    fits = (lacking.sum(axis=0) == 0) & (room >= family.sum())
    if fits[0]:
        return 0
    if fits.any():
        chances = np.where(fits, room, 0)
        return int(generator.choice(len(room), p=chances / chances.sum()))
    roomy = room >= family.sum()
    if roomy.any():
        return int(np.argmin(np.where(roomy, lacking.sum(axis=0), np.iinfo(np.int64).max)))
    return int(np.argmax(room))


def _exactly(counts: Counts, quotas: Counts, order: Counts) -> Counts:
    """Search each class by itself; every family is in one class."""
    split = np.zeros(len(counts), dtype=np.int64)
    sizes = counts.sum(axis=1)
    for row, quota in enumerate(quotas):
        own = order[counts[order, row] > 0]
        # with two splits, the second of the three places stays empty
        three = quota if len(quota) == 3 else np.array([quota[0], 0, quota[1]])
        places = np.arange(3) if len(quota) == 3 else np.array([0, 0, 1])
        shares = exact_counts([int(size) for size in sizes[own]], [int(n) for n in three])
        # `own` is ordered by size, as the shares are
        split[own] = np.concatenate([np.repeat(places, share) for share in shares])
    return split


def _table(counts: Counts, split: Counts, splits: int) -> Counts:
    return np.stack([counts[split == k].sum(axis=0) for k in range(splits)], axis=1)


def exact_counts(sizes: Sequence[int], targets: Sequence[int]) -> list[Counts]:
    """Share families out among three splits so that the splits have the sizes wanted.

    A dynamic programme over the distinct family sizes, largest first: bit t·(n+1) + v of a
    whole number says whether the families still to come can put t participants into the first
    split and v into the second. Where the targets cannot be met, the nearest sizes are.

    Parameters
    ----------
    sizes
        Participants in each family.
    targets
        Participants wanted in the first, second and third split; they sum to `sum(sizes)`.

    Returns
    -------
    list of numpy.ndarray
        For each distinct size, largest first, how many families go to each split, shape (3,).
        The first split gets as many of the largest families as it can; the second and the
        third get theirs as evenly as the targets allow.
    """
    total = sum(sizes)
    width = total + 1
    classes = sorted(Counter(sizes).items(), reverse=True)
    reachable = [1]
    for size, count in reversed(classes):
        reachable.append(_add_families(reachable[-1], size, count, width))
    reachable.reverse()
    tables = [_Bits(bits, width) for bits in reachable]
    first, second = tables[0].nearest(targets)
    left = total
    chosen: list[Counts] = []
    for (size, count), rest in zip(classes, tables[1:], strict=True):
        share = second / max(1, left - first)
        to_first, to_second = _first_that_fits(size, count, first, second, share, rest)
        chosen.append(np.array([to_first, to_second, count - to_first - to_second]))
        first -= size * to_first
        second -= size * to_second
        left -= size * count
    return chosen


def _add_families(bits: int, size: int, count: int, width: int) -> int:
    """Let `count` families of one size each go to any of the three splits."""
    done = 0
    while done < count:
        # all splits of `done` families, shifted by `step`, cover those of `done + step`
        step = min(count - done, (done + 2) // 2)
        bits |= bits << (step * size * width) | bits << (step * size)
        done += step
    return bits


def _first_that_fits(
    size: int, count: int, first: int, second: int, share: float, rest: _Bits
) -> tuple[int, int]:
    for to_first in range(min(count, first // size), -1, -1):
        left = count - to_first
        fitting = [
            to_second
            for to_second in range(min(left, second // size) + 1)
            if rest.has(first - size * to_first, second - size * to_second)
        ]
        if fitting:
            return to_first, min(fitting, key=lambda number: abs(number - share * left))
    raise AssertionError("the table promised sizes that no family fits")


class _Bits:
    """A table of reachable (first, second) sizes, read bit by bit."""

    def __init__(self, bits: int, width: int) -> None:
        self.width = width
        self.octets = bits.to_bytes(width * width // 8 + 1, "little")

    def has(self, first: int, second: int) -> bool:
        """Say whether the sizes can be reached."""
        place = first * self.width + second
        return bool(self.octets[place >> 3] >> (place & 7) & 1)

    def nearest(self, targets: Sequence[int]) -> tuple[int, int]:
        """Return the sizes that can be reached with the least sum of departures.

        A split that shall have participants gets some, and one that shall have none gets none,
        wherever the families allow it.
        """
        if self.has(targets[0], targets[1]):
            return targets[0], targets[1]
        flat = np.unpackbits(np.frombuffer(self.octets, dtype=np.uint8), bitorder="little")
        firsts, seconds = np.divmod(np.flatnonzero(flat), self.width)
        total = sum(targets)
        sizes = np.stack([firsts, seconds, total - firsts - seconds])
        wanted = np.array(targets)[:, None]
        off = np.abs(sizes - wanted).sum(axis=0)
        off += 3 * total * ((sizes > 0) != (wanted > 0)).any(axis=0)
        best = int(np.argmin(off))
        return int(firsts[best]), int(seconds[best])
