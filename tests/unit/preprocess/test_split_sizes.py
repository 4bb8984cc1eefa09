"""Whole-number quotas keep their margins, and families meet the sizes whenever any choice does."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.preprocess.split_sizes import (
    exact_counts,
    largest_remainder,
    round_within_margins,
    share_out_families,
)


def test_fractions_become_the_largest_remainders() -> None:
    thirds = {"training": 1 / 3, "validation": 1 / 3, "test": 1 / 3}
    assert largest_remainder(thirds, 10) == {"training": 4, "validation": 3, "test": 3}
    assert largest_remainder({"training": 0.9, "test": 0.1}, 30) == {"training": 27, "test": 3}
    assert largest_remainder({"training": 0.55, "test": 0.45}, 9) == {"training": 5, "test": 4}


@settings(deadline=None)
@given(
    rows=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    shares=st.lists(st.integers(1, 20), min_size=2, max_size=3),
)
def test_rounding_keeps_both_margins_and_departs_little(rows: list[int], shares: list[int]) -> None:
    total = sum(rows)
    columns = np.array([total * share // sum(shares) for share in shares])
    columns[0] += total - columns.sum()
    ideal = np.array(rows)[:, None] * columns / max(1, total)
    table = round_within_margins(ideal, np.array(rows), columns)
    np.testing.assert_array_equal(table.sum(axis=1), rows)
    np.testing.assert_array_equal(table.sum(axis=0), columns)
    assert table.min() >= 0
    assert np.abs(table - ideal).max() < 2


def departure(reached: list[int], targets: list[int]) -> int:
    """Sum of departures; one split empty that should not be, or the reverse, is worse than any."""
    pairs = list(zip(reached, targets, strict=True))
    misplaced = any((got > 0) != (wanted > 0) for got, wanted in pairs)
    return sum(abs(got - wanted) for got, wanted in pairs) + 3 * sum(targets) * misplaced


def least_departure(sizes: list[int], targets: list[int]) -> int:
    """Try every way to share out the families."""
    return min(
        departure(np.bincount(choice, weights=sizes, minlength=3).astype(int).tolist(), targets)
        for choice in product(range(3), repeat=len(sizes))
    )


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=7),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_the_search_is_as_near_as_trying_every_choice(
    sizes: list[int], cuts: tuple[float, float]
) -> None:
    first, second = sorted(round(cut * sum(sizes)) for cut in cuts)
    targets = [first, second - first, sum(sizes) - second]
    shares = exact_counts(sizes, targets)
    classes = sorted(set(sizes), reverse=True)
    assert [int(share.sum()) for share in shares] == [sizes.count(size) for size in classes]
    assert all(share.min() >= 0 for share in shares)
    reached = sum(size * share for size, share in zip(classes, shares, strict=True))
    assert departure(reached.tolist(), targets) == least_departure(sizes, targets)


def test_the_largest_families_go_to_the_first_split_when_the_sizes_allow_it() -> None:
    shares = exact_counts([6, 6, 5, 4, 3, 3, 2, 1], [21, 5, 4])
    assert shares[0].tolist() == [2, 0, 0]
    assert shares[1].tolist() == [1, 0, 0]
    assert shares[2].tolist() == [1, 0, 0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("families", "targets"),
    [([4, 3, 3], [6, 4]), ([5, 3, 3, 2, 2], [6, 5, 4]), ([7, 5, 5, 5, 2], [10, 9, 5])],
)
def test_sizes_that_largest_first_misses_are_found_by_the_search(
    families: list[int], targets: list[int], seed: int
) -> None:
    # the largest family fits into the first split, but then nothing fills it up
    counts = np.array(families)[:, None]
    split = share_out_families(counts, np.array(targets), np.random.default_rng(seed))
    assert np.bincount(split, weights=families).tolist() == targets


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_searched_by_itself_where_no_family_is_of_two(seed: int) -> None:
    # of the first class 6 and 4 are due, which only 3 + 3 and 4 give; of the second, too
    counts = np.array([[4, 0], [3, 0], [3, 0], [0, 4], [0, 2], [0, 2], [0, 2]])
    split = share_out_families(counts, np.array([12, 8]), np.random.default_rng(seed))
    assert counts[split == 0].sum(axis=0).tolist() == [6, 6]
    assert counts[split == 1].sum(axis=0).tolist() == [4, 4]


@pytest.mark.parametrize("seed", range(5))
def test_right_sizes_of_wrong_classes_are_searched_again(seed: int) -> None:
    # largest first gives sizes of 12 and 8, but 7 and 5 of the two classes instead of 6 and 6
    counts = np.array([[4, 0], [3, 0], [3, 0], *[[0, 2]] * 4, *[[0, 1]] * 2])
    split = share_out_families(counts, np.array([12, 8]), np.random.default_rng(seed))
    assert counts[split == 0].sum(axis=0).tolist() == [6, 6]


@pytest.mark.parametrize("seed", range(5))
def test_sizes_come_before_classes_where_families_are_of_two_classes(seed: int) -> None:
    counts = np.array([[2, 2], [1, 2], [2, 1]])
    split = share_out_families(counts, np.array([6, 4]), np.random.default_rng(seed))
    assert split.tolist() == [1, 0, 0]
