"""Letters that say which of several do not differ significantly: the compact letter display."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement
from string import ascii_letters

from neurospect.errors import BadInputError

Members = frozenset[int]


def compact_letters(names: Sequence[str], differing: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give letters to all names, such that two share one if and only if they do not differ.

    Insert and absorb (Piepho, 2004): all names start with one letter; each pair that differs splits
    every letter that both have into two, and a letter whose names all have another one in common is
    dropped. At last, letters go without which every pair that does not differ still shares one.

    Parameters
    ----------
    names
        Those compared, each once. The first has the letter a, and further letters come in the order
        of the names.
    differing
        Pairs of names that differ significantly, each in any order.

    Returns
    -------
    dict
        Letters by name, in the order of `names`: a to z, A to Z, then a2 to Z2 and so on.

    Raises
    ------
    BadInputError
        When a name stands twice, or a pair holds one that is not there, or the same one twice.
    """
    pairs = _places(names, differing)
    groups = {frozenset(range(len(names)))} if names else set()
    for pair in pairs:
        split = {group for group in groups if pair <= group}
        groups = _absorbed(groups - split, {group - {one} for group in split for one in pair})
    ordered = sorted(_needed(groups), key=sorted)
    return {
        name: "".join(_letter(n) for n, group in enumerate(ordered) if place in group)
        for place, name in enumerate(names)
    }


def _places(names: Sequence[str], differing: Iterable[tuple[str, str]]) -> list[Members]:
    places = {name: place for place, name in enumerate(names)}
    pairs = list(differing)
    strangers = [pair for pair in pairs if len(places.keys() & set(pair)) != 2]
    if len(places) != len(names) or strangers:
        raise BadInputError(
            "compact letters",
            "pairs" if strangers else "names",
            found=strangers[0] if strangers else ", ".join(names),
            expected="two of the names" if strangers else "each name once",
            remedy="Give the tests of these names, and no others.",
        )
    return [frozenset(places[name] for name in pair) for pair in pairs]


def _absorbed(kept: set[Members], new: set[Members]) -> set[Members]:
    """Leave out new groups that lie inside another; of `kept`, none lies inside any."""
    every = kept | new
    return kept | {group for group in new if not any(group < other for other in every)}


def _needed(groups: set[Members]) -> list[Members]:
    """Leave out, small ones first, groups whose pairs and members all lie in others."""
    shared = {group: list(combinations_with_replacement(sorted(group), 2)) for group in groups}
    times = Counter(pair for pairs in shared.values() for pair in pairs)
    left = []
    for group in sorted(groups, key=lambda group: (len(group), sorted(group))):
        if all(times[pair] > 1 for pair in shared[group]):
            times.subtract(shared[group])
        else:
            left.append(group)
    return left


def _letter(place: int) -> str:
    turn, place = divmod(place, len(ascii_letters))
    return ascii_letters[place] + (str(turn + 1) if turn else "")
