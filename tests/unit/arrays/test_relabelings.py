import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurospect.arrays.relabelings import relabelings
from neurospect.errors import BadInputError


def by_enumeration(groups, strata, units):
    """Every labeling that permutes units inside strata, and labels inside units; ways to get it."""
    members = {}
    for sample, unit in enumerate(units):
        members.setdefault(unit, []).append(sample)
    ways = Counter()
    for order in itertools.permutations(members):
        moves = list(zip(members.values(), (members[unit] for unit in order), strict=True))
        if all(strata[to[0]] == strata[of[0]] and len(to) == len(of) for to, of in moves):
            inside = [itertools.permutations(groups[sample] for sample in of) for _, of in moves]
            for patterns in itertools.product(*inside):
                labels = [None] * len(groups)
                for (to, _), pattern in zip(moves, patterns, strict=True):
                    for sample, label in zip(to, pattern, strict=True):
                        labels[sample] = label
                ways[tuple(labels)] += 1
    return ways


DESIGNS = {
    "no restriction": ("aabb", "1111", "wxyz"),
    "two sites": ("aabbab", "111122", "uvwxyz"),
    "a site with one group": ("aabbaa", "111122", "uvwxyz"),
    "families of two and single persons": ("aabbaab", "1111111", "uuvvwwx"),
    "families with both groups": ("ababab", "111111", "uuvvww"),
    "families of both kinds": ("ababaabb", "11111111", "uuvvwwxx"),
    "families in two sites": ("aabbaabb", "11112222", "uuvvwwxx"),
    "families of several sizes": ("aabbabb", "1111111", "uuvvwxy"),
    "three groups": ("aabc", "1111", "wxyz"),
    "unequal groups": ("aaab", "1111", "wxyz"),
}


@pytest.mark.parametrize("design", DESIGNS)
def test_all_labelings_that_strata_and_units_allow_are_drawn_equally_often(design):
    groups, strata, units = map(list, DESIGNS[design])
    ways = by_enumeration(groups, strata, units)
    found = relabelings(groups, permutations=4000, seed=0, strata=strata, units=units)
    assert found.labels[0].tolist() == groups
    drawn = Counter(map(tuple, found.labels[1:].tolist()))
    assert drawn.keys() == ways.keys()
    assert found.possible == len(ways)
    expected = np.array([ways[each] for each in ways]) / ways.total() * 4000
    assert stats.chisquare([drawn[each] for each in ways], expected).pvalue > 1e-3
    changed = [len({labels[sample] for labels in ways}) > 1 for sample in range(len(groups))]
    assert found.exchanged.tolist() == changed


@pytest.mark.parametrize("design", [name for name in DESIGNS if name != "three groups"])
def test_the_smallest_p_value_is_that_of_a_difference_that_only_ties_with_itself(design):
    """A statistic that changes its sign, and nothing else, when the groups are swapped."""
    groups, strata, units = map(list, DESIGNS[design])
    ways = by_enumeration(groups, strata, units)
    weights = np.sqrt(np.arange(2.0, 2.0 + len(groups)))
    signs = np.array([[1 if label == "a" else -1 for label in labels] for labels in ways])
    largest = np.abs(signs @ weights)
    ties = min((np.abs(largest - each) < 1e-9).mean() for each in largest)
    found = relabelings(groups, permutations=4000, seed=0, strata=strata, units=units)
    assert found.smallest_p == pytest.approx(ties)


def test_few_draws_bound_the_p_value_where_many_labelings_are_possible():
    assert relabelings([0, 1] * 50, permutations=99, seed=0).smallest_p == 1 / 100


def test_hundreds_of_samples_have_more_labelings_than_a_float_can_count():
    found = relabelings([0, 1] * 600, permutations=9, seed=0)
    assert found.possible > 10**350
    assert found.smallest_p == 1 / 10


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_each_stratum_keeps_its_groups_and_each_unit_gets_the_labels_of_one(data):
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=3, max_size=8))
    of_unit = data.draw(st.lists(st.integers(0, 1), min_size=len(sizes), max_size=len(sizes)))
    order = data.draw(st.permutations(range(sum(sizes))))
    units = np.repeat(np.arange(len(sizes)), sizes)[list(order)]
    strata = np.array(of_unit)[units]
    groups = np.array(
        data.draw(st.lists(st.sampled_from("ab"), min_size=len(units), max_size=len(units)))
    )
    try:
        found = relabelings(groups, permutations=20, seed=1, strata=strata, units=units)
    except BadInputError:
        return  # nothing to exchange
    for labels in found.labels:
        for stratum in (0, 1):
            inside = strata == stratum
            assert Counter(labels[inside]) == Counter(groups[inside])
            patterns = [
                Counter("".join(sorted(each[units == u])) for u in np.unique(units[inside]))
                for each in (labels, groups)
            ]
            assert patterns[0] == patterns[1]
        assert (labels == groups)[~found.exchanged].all()


def test_labels_keep_their_type_and_the_same_seed_draws_the_same():
    for groups in ([True, False] * 4, [3, 7] * 4, ["patient", "control"] * 4):
        one, again, other = (relabelings(groups, permutations=9, seed=s) for s in (1, 1, 2))
        assert one.labels.dtype == np.asarray(groups).dtype
        np.testing.assert_array_equal(one.labels, again.labels)
        assert (one.labels != other.labels).any()


def test_names_out_of_a_table_may_be_strata_and_units():
    names = np.array(["Oslo", "Oslo", "Bergen", "Bergen"], dtype=object)
    found = relabelings([0, 1, 0, 1], permutations=50, seed=0, strata=names)
    assert found.possible == 4


def p_value(values, found):
    """Two-sided, of the difference of means."""
    weights = np.where(
        found.labels, 1 / found.labels.sum(1)[:, None], -1 / (~found.labels).sum(1)[:, None]
    )
    difference = np.abs(weights @ values)
    return np.mean(difference >= difference[0] - 1e-12)


def test_a_difference_between_sites_is_not_taken_for_one_between_groups():
    """Two sites differ, and have unequal shares of the groups; the groups do not differ."""
    rng = np.random.default_rng(0)
    groups = np.repeat([True, False, True, False], [12, 4, 4, 12])
    site = np.repeat([0, 1], 16)
    free, inside = [], []
    for seed in range(200):
        values = rng.normal(size=32) + 2 * site
        free.append(p_value(values, relabelings(groups, permutations=99, seed=seed)))
        inside.append(p_value(values, relabelings(groups, permutations=99, seed=seed, strata=site)))
    assert np.mean(np.array(free) <= 0.05) > 0.5
    assert sum(p <= 0.05 for p in inside) <= stats.binom.ppf(0.999, 200, 0.05)


def test_relatives_who_resemble_each_other_are_not_taken_for_independent_persons():
    rng = np.random.default_rng(1)
    family = np.repeat(np.arange(10), 4)
    groups = family % 2 == 0
    free, whole = [], []
    for seed in range(200):
        values = rng.normal(size=10)[family] + 0.3 * rng.normal(size=40)
        free.append(p_value(values, relabelings(groups, permutations=99, seed=seed)))
        whole.append(p_value(values, relabelings(groups, permutations=99, seed=seed, units=family)))
    assert np.mean(np.array(free) <= 0.05) > 0.2
    assert sum(p <= 0.05 for p in whole) <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize(
    ("groups", "options", "words"),
    [
        ([1, 1, 2, 2], {"strata": list("xxyy")}, "4 of 4 samples are never exchanged .*x, y"),
        ([1, 1, 1], {}, "3 of 3 samples are never exchanged, expected labels that can be"),
        ([1, 2, 2], {"units": [0, 1, 1]}, "3 of 3 samples are never exchanged"),
        ([1, 1, 2, 2], {"alpha": 0.05}, r"6 labelings possible, no p value under 0.33; 0 of 4"),
        (
            [1, 2, 1, 2, 1],
            {"alpha": 0.05, "strata": list("xxxxy")},
            r"1 of 5 samples are never exchanged \(strata with one group: y\)",
        ),
        ([1, 2] * 9, {"alpha": 0.01}, "50 relabelings, 48620 labelings possible, no p value"),
        ([1, 2, 1, 2], {"strata": [0, 1]}, r"strata: found shape \(2,\), expected \(4,\)"),
        ([1, 2, 1, 2], {"units": ["a", None, "b", "b"]}, "1 missing, the first of sample 1"),
        ([1.0, 2.0, np.nan, 2.0], {}, "groups: found 1 missing"),
        (["a", "b", np.nan, "b"], {}, "groups: found 1 missing, the first of sample 2"),
        ([1, 2, 1, 2], {"strata": ["x", np.nan, "x", "x"]}, "strata: found 1 missing"),
        ([1, 2, 1, 2], {"strata": ("x", pd.NA, pd.NA, "x")}, "strata: found 2 missing"),
        (
            pd.Series(["a", pd.NA, "b", "b"], dtype="string"),
            {},
            "groups: found 1 missing, the first of sample 1",
        ),
        ([], {}, "groups: found shape"),
        (
            [1, 2, 1, 2],
            {"units": [8, 8, 9, 9], "strata": list("xyxx")},
            "unit 8: found strata x, y, expected one stratum for each unit",
        ),
        ([1, 2, 1, 2], {"permutations": 0}, "permutations: found 0"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_exchanged_as_asked_for_are_refused(groups, options, words):
    with pytest.raises(BadInputError, match=words):
        relabelings(groups, **{"permutations": 50, "seed": 0, **options})
