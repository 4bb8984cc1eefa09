import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.spectra.blocks import BlockPlan, spread_steps
from neurospect.spectra.groups import sample_groups


def groups_of(**sizes):
    return sample_groups([name for name, size in sizes.items() for _ in range(size)], smallest=1)


def plan(*groups, per_group=4):
    return BlockPlan(groups, per_group, frozenset({0}))


@given(
    st.lists(st.integers(2, 500), min_size=2, max_size=5), st.integers(1, 40), st.integers(0, 500)
)
def test_blocks_are_as_many_and_as_large_as_the_smallest_compared_group_allows(
    sizes, per_group, bystanders
):
    compared = {f"group {i}": size for i, size in enumerate(sizes)}
    groups = groups_of(**compared, **({"not compared": bystanders} if bystanders else {}))
    cut = plan(*compared, per_group=per_group).cut(groups)
    blocks, size = cut.per_group, cut.size
    smallest = min(sizes)
    assert blocks == min(per_group, smallest)
    assert size * blocks <= smallest < (size + 1) * blocks


def test_a_group_of_fewer_samples_than_blocks_gets_one_block_per_sample():
    cut = plan("a", "b", per_group=12).cut(groups_of(a=5, b=9))
    assert (cut.per_group, cut.size) == (5, 1)


def test_what_is_left_over_of_a_larger_group_takes_no_part():
    cut = plan("a", "b").cut(groups_of(a=11, b=90))
    assert (cut.per_group, cut.size, cut.left_over) == (4, 2, 85)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"a": 5, "c": 5}, "group b: found 0 samples, expected at least 2"),
        ({"a": 1, "b": 5}, "group a: found 1 samples"),
    ],
)
def test_a_group_whose_labels_cannot_be_permuted_is_refused(sizes, words):
    with pytest.raises(BadInputError, match=words):
        plan("a", "b").cut(groups_of(**sizes))


@given(st.integers(1, 3000), st.integers(2, 60))
def test_spread_steps_are_in_order_within_the_training_and_hold_its_ends(steps, wanted):
    kept = spread_steps(steps, wanted)
    assert list(kept) == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, steps - 1)
    assert len(kept) <= wanted
    assert len(kept) == steps or len(kept) >= min(wanted, 2)


@given(st.integers(100, 3000), st.integers(2, 40))
def test_spread_steps_lie_closest_together_where_training_moves_fastest(steps, wanted):
    kept = spread_steps(steps, wanted)
    gaps = [b - a for a, b in itertools.pairwise(kept)]
    # Rounding to whole steps may shorten a gap by one.
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(gaps))


def test_all_steps_are_kept_where_there_are_no_more_than_wanted():
    assert spread_steps(5, 9) == spread_steps(5, 5) == (0, 1, 2, 3, 4)


def test_a_single_step_is_the_last():
    assert spread_steps(1000, 1) == (999,)
    assert spread_steps(1, 1) == (0,)
