"""Letters of significance: two share one if and only if they do not differ."""

import re
from itertools import combinations

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.stats.compact_letters import compact_letters


def letters_of(shown):
    """Letters of each name; from the second alphabet on they carry a number."""
    return {name: set(re.findall(r"[a-zA-Z]\d*", text)) for name, text in shown.items()}


@st.composite
def comparisons(draw, most=9):
    names = [f"method {n}" for n in range(draw(st.integers(1, most)))]
    pairs = list(combinations(names, 2))
    differing = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    turned = [pair[::-1] if draw(st.booleans()) else pair for pair in differing]
    return names, turned


@given(comparisons())
def test_two_share_a_letter_if_and_only_if_they_do_not_differ(case):
    names, differing = case
    shown = letters_of(compact_letters(names, differing))
    assert list(shown) == names
    assert all(shown.values())
    different = {frozenset(pair) for pair in differing}
    for a, b in combinations(names, 2):
        assert bool(shown[a] & shown[b]) == (frozenset((a, b)) not in different)


@given(comparisons())
def test_letters_are_largest_groups_without_differences_and_none_can_be_spared(case):
    """Against the cliques of networkx: what does not differ, in groups as large as they can be."""
    names, differing = case
    alike = networkx.complete_graph(names)
    alike.remove_edges_from(differing)
    largest = {frozenset(clique) for clique in networkx.find_cliques(alike)}
    shown = letters_of(compact_letters(names, differing))
    every = set().union(*shown.values())
    groups = {letter: frozenset(n for n in names if letter in shown[n]) for letter in every}
    assert set(groups.values()) <= largest
    for letter in every:
        left = {name: own - {letter} for name, own in shown.items()}
        pairs = [(a, b) for a in groups[letter] for b in groups[letter]]
        assert any(not left[a] & left[b] for a, b in pairs)


@given(comparisons(), st.randoms())
def test_the_order_of_the_pairs_does_not_matter(case, random):
    names, differing = case
    shuffled = random.sample(differing, len(differing))
    assert compact_letters(names, shuffled) == compact_letters(names, differing)


@pytest.mark.parametrize(
    ("names", "differing", "expected"),
    [
        ("wxyz", [], ["a", "a", "a", "a"]),
        ("wxyz", ["wx", "wy", "wz", "xy", "xz", "yz"], ["a", "b", "c", "d"]),
        ("wxyz", ["wz"], ["a", "ab", "ab", "b"]),
        ("wxyz", ["wy", "wz", "xz"], ["a", "ab", "bc", "c"]),
        ("wx", ["xw"], ["a", "b"]),
        ("w", [], ["a"]),
        ("", [], []),
        # Of u, v and w, each pair shares the letter of a third name: no letter for the three.
        ("uvwxyz", ["ux", "vy", "wz", "xy", "xz", "yz"], ["ab", "ac", "bc", "c", "b", "a"]),
    ],
)
def test_known_examples_need_no_more_letters_than_these(names, differing, expected):
    found = compact_letters(list(names), [(pair[0], pair[1]) for pair in differing])
    assert list(found.values()) == expected


def test_means_on_a_line_need_a_letter_for_each_stretch_and_are_found_for_fifty_methods():
    names = [str(n) for n in range(50)]
    differing = [(a, b) for a, b in combinations(names, 2) if int(b) - int(a) > 3]
    shown = compact_letters(names, differing)
    assert shown["0"] == "a" and shown["3"] == "abcd" and shown["49"] == "U"
    assert len(set().union(*letters_of(shown).values())) == 47


def test_letters_do_not_end_with_the_alphabet():
    names = [str(n) for n in range(60)]
    shown = compact_letters(names, combinations(names, 2))
    assert (shown["51"], shown["52"], shown["59"]) == ("Z", "a2", "h2")
    assert len(set(shown.values())) == 60


@pytest.mark.parametrize(
    ("names", "pair", "words"),
    [
        (["w", "x", "w"], ("w", "x"), "names: found w, x, w, expected each name once"),
        (["w", "x"], ("w", "y"), "pairs: found .*'y'.*expected two of the names"),
        (["w", "x"], ("w", "w"), "pairs: found .*expected two of the names"),
    ],
)
def test_pairs_that_are_none_are_refused(names, pair, words):
    with pytest.raises(BadInputError, match=words):
        compact_letters(names, [pair])
