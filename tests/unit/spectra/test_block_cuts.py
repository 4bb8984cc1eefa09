from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.arrays.relabelings import relabelings
from neurospect.errors import BadInputError
from neurospect.spectra.block_cuts import cut_blocks


def cut(group, most, stratum=None, unit=None):
    group = np.array(group)
    return cut_blocks(
        group,
        most,
        stratum=np.zeros(len(group)) if stratum is None else np.array(list(stratum)),
        unit=np.arange(len(group)) if unit is None else np.array(list(unit)),
    )


@st.composite
def cohorts(draw, groups=2, largest_family=3):
    """Groups (-1 for not compared), sites and families of some samples, in any order."""
    families = draw(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.lists(st.integers(-1, groups - 1), min_size=1, max_size=largest_family),
            ),
            min_size=2,
            max_size=40,
        )
    )
    rows = [(g, site, unit) for unit, (site, own) in enumerate(families) for g in own]
    rows += [(g, 3, 100 + g + 10 * copy) for g in range(groups) for copy in range(2)]
    order = draw(st.permutations(range(len(rows))))
    return (np.array(column) for column in zip(*(rows[place] for place in order), strict=True))


@settings(deadline=None, max_examples=60)
@given(cohorts(), st.integers(2, 15))
def test_blocks_lie_in_one_stratum_and_one_group_and_are_matched_between_groups(cohort, most):
    group, site, unit = cohort
    found = cut(group, most, site, unit)
    assert len(np.unique(found.rows)) == found.rows.size, "each sample in one block at most"
    for rows, own, stratum in zip(found.rows, found.group, found.stratum, strict=True):
        assert set(group[rows]) == {own}
        assert {str(each) for each in site[rows]} == {stratum}
        assert len(set(unit[rows])) == len(rows), "no two relatives in one block"
    for stratum in set(found.stratum):
        inside = found.group[found.stratum == stratum]
        assert (inside == 0).sum() == (inside == 1).sum()
    assert 2 <= found.per_group <= most
    assert found.left_over == (group >= 0).sum() - found.rows.size


@settings(deadline=None, max_examples=60)
@given(cohorts(), st.integers(2, 15))
def test_families_are_in_blocks_as_a_whole_or_not_at_all(cohort, most):
    group, site, unit = cohort
    found = cut(group, most, site, unit)
    where = {
        row: number for number, rows in zip(found.unit, found.rows, strict=True) for row in rows
    }
    for family in np.unique(unit):
        members = np.flatnonzero((unit == family) & (group >= 0)).tolist()
        units = {where.get(member) for member in members}
        assert len(units) <= 1, "all members share a unit, or none is in a block"


@settings(deadline=None, max_examples=40)
@given(cohorts(), st.integers(2, 15))
def test_relabelings_of_blocks_move_whole_families_of_one_size_inside_a_site(cohort, most):
    group, site, unit = cohort
    found = cut(group, most, site, unit)
    sizes = Counter(unit[group >= 0].tolist())
    try:
        drawn = relabelings(
            found.group, permutations=20, seed=0, strata=found.stratum, units=found.unit
        )
    except BadInputError:
        return  # every family has one group, and no counterpart of its size
    for labels in drawn.labels:
        of_sample = np.full(len(group), -1)
        of_sample[found.rows] = labels[:, None]
        for place in np.unique(site):
            for size in set(sizes.values()):
                chosen = [u for u in np.unique(unit) if sizes[u] == size]
                inside = np.isin(unit, chosen) & (site == place) & (of_sample >= 0)
                assert Counter(of_sample[inside].tolist()) == Counter(group[inside].tolist())


@given(st.integers(2, 300), st.integers(2, 300), st.integers(2, 40))
def test_without_strata_and_families_blocks_are_runs_of_the_groups(a, b, most):
    found = cut([0] * a + [1] * b, most)
    blocks = min(most, a, b)
    size = min(a, b) // blocks
    runs = np.arange(blocks * size).reshape(blocks, size)
    np.testing.assert_array_equal(found.rows, np.concatenate([runs, a + runs]))
    assert found.unit.tolist() == list(range(2 * blocks))


@settings(deadline=None, max_examples=60)
@given(cohorts(largest_family=1), st.integers(2, 12))
def test_no_larger_size_would_give_as_many_blocks(cohort, most):
    group, site, _ = cohort
    found = cut(group, most, site)
    matched = [min(((group == g) & (site == s)).sum() for g in (0, 1)) for s in np.unique(site)]
    wanted = min(most, sum(matched))
    assert sum(each // found.size for each in matched) >= wanted == found.per_group
    assert sum(each // (found.size + 1) for each in matched) < wanted


def test_where_blocks_are_too_many_the_largest_site_gives_them_up():
    sites = "x" * 10 + "y" * 3
    found = cut([0] * 13 + [1] * 13, 6, sites * 2)
    assert found.size == 2
    assert Counter(found.stratum.tolist()) == {"x": 10, "y": 2}
    assert found.left_over == 26 - 24


def test_families_that_give_more_blocks_than_wanted_leave_the_others_their_part():
    quadruplets, twins = [9, 9, 9, 9], [8, 8]
    group = [0] * 5 + [1] * 5
    unit = [*quadruplets, 0, 5, 5, 5, 5, 1]
    assert cut(group, 4, unit=unit).per_group == 4, "the quadruplets, and nobody else"
    assert cut([*group, 0, 1], 3, unit=[*unit, 2, 3]).per_group == 2, "single persons only"
    found = cut([0, 0, 0, 1, 1, 1], 2, unit=[*twins, 0, 7, 7, 1])
    assert sorted(found.rows.ravel()) == [0, 1, 3, 4]
    with pytest.raises(BadInputError, match="too few samples to match"):
        cut(group, 3, unit=unit)


def test_a_few_siblings_among_many_do_not_make_blocks_small():
    unit = np.arange(200)
    unit[1] = unit[0]  # two siblings in group a
    found = cut([0] * 100 + [1] * 100, 10, unit=unit)
    assert (found.per_group, found.size) == (10, 9)
    assert not np.isin([0, 1], found.rows).any(), "no family in group b is like theirs"


def test_pairs_with_one_twin_in_each_group_share_a_unit():
    found = cut([0] * 8 + [1] * 8, 4, unit=list(range(8)) * 2)
    assert (found.per_group, found.size) == (4, 2)
    assert sorted(found.unit.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    for unit in range(4):
        a, b = found.rows[found.unit == unit]
        assert (b - 8).tolist() == a.tolist()


def test_pairs_of_one_group_are_matched_with_pairs_of_the_other_and_not_with_single_persons():
    #        4 pairs in a     2 single   2 pairs in b  6 single
    group = [0] * 8 + [0] * 2 + [1] * 4 + [1] * 6
    unit = [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, *range(8, 14)]
    found = cut(group, 100, unit=unit)
    assert (found.size, found.per_group, found.left_over) == (1, 6, 8)
    assert np.array(unit)[found.rows[:, 0]].tolist() == [4, 5, 0, 0, 1, 1, 8, 9, 6, 6, 7, 7]


def test_three_groups_are_matched_in_each_stratum():
    group = np.repeat([0, 1, 2, 0, 1, 2], [5, 4, 6, 2, 9, 3])
    found = cut(group, 100, np.repeat(["x", "y"], [15, 14]))
    counted = Counter(zip(found.group.tolist(), found.stratum.tolist(), strict=True))
    assert counted == {(g, s): n for g in range(3) for s, n in (("x", 4), ("y", 2))}


def test_sites_with_one_group_take_no_part_and_are_named():
    found = cut([0, 0, 1, 1, 0, 0, 1], 4, "xxxxyyz")
    assert set(found.stratum) == {"x"}
    assert (found.lacking, found.left_over) == (("y", "z"), 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([0, 0, 1, 1], 4, "xxyy"), "strata with one group only: x, y"),
        (([0, 0, 1, 1], 4, "xxxy"), "strata with one group only: y"),
        (([0, 0, 1, 1], 4, "xxxx", [5, 5, 6, 7]), r"samples of each group by stratum: x: \[2, 2\]"),
        (([0, 0, 1, 1], 0, "xxxx"), "blocks per group: found 0, expected 1 or more"),
        (([0, 0, 1, 1], -2, "xxxx"), "blocks per group: found -2"),
        (([0, 1, 0, 1], 4, "xxyy", [5, 6, 5, 7]), "family 5: found members in strata x, y"),
    ],
)
def test_blocks_that_cannot_be_cut_are_refused_with_the_reason(arguments, words):
    with pytest.raises(BadInputError, match=words):
        cut(*arguments)
