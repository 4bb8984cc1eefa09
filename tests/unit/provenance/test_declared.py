"""Names of files and params, by hand as from Snakemake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from snakemake.iocontainers import InputFiles, Namedlist, Params

from neurospect.errors import BadInputError
from neurospect.provenance.declared import by_hand, named_files, named_params


def snakemakes(kind: type[Namedlist], unnamed: list[Any], named: dict[str, Any]) -> Namedlist:
    """Build the list that Snakemake builds: unnamed items first, named lists of files spread."""
    items = kind()
    items.extend(unnamed)
    for name, value in named.items():
        if isinstance(value, list) and kind is InputFiles:
            start = len(items)
            items.extend(value)
            items._set_name(name, start, end=len(items))
        else:
            items.append(value)
            items._add_name(name)
    return items


def test_files_of_snakemake_are_named_by_name_by_position_and_in_lists() -> None:
    files = snakemakes(InputFiles, ["u", "v"], {"raw": "r", "many": ["m", "n"], "none": []})
    assert named_files(files) == [
        *(("0", "u"), ("1", "v"), ("raw", "r")),
        *(("many.0", "m"), ("many.1", "n")),
    ]


@pytest.mark.parametrize(
    "declared", [{}, {"raw": "r", "many": ["m", "n"]}, {"many": ["only"], "raw": "r", "none": []}]
)
def test_files_by_hand_behave_as_those_of_snakemake(declared: dict[str, Any]) -> None:
    ours = by_hand("s.py", input=declared).input
    theirs = snakemakes(InputFiles, [], declared)
    assert named_files(ours) == named_files(theirs)
    assert list(ours) == list(theirs)
    assert list(ours.keys()) == list(theirs.keys())
    for name in declared:
        assert getattr(ours, name) == getattr(theirs, name) == ours[name] == ours.get(name)
    assert ours.get("absent", 3) == theirs.get("absent", 3) == 3
    with pytest.raises(AttributeError):
        _ = ours.absent


def test_paths_by_hand_may_be_one_or_a_list_and_arrive_as_text() -> None:
    assert named_files(by_hand("s.py", input=Path("a")).input) == [("0", "a")]
    assert named_files(by_hand("s.py", input=["a", Path("b")]).input) == [("0", "a"), ("1", "b")]
    assert by_hand("scripts/draw.py", log="x.log").log[0] == "x.log"
    assert by_hand("scripts/draw.py").rule == "draw"


def test_params_keep_lists_and_objects_whole() -> None:
    declared = {"widths": [1, 2], "index": "a", "settings": {"a": None}}
    theirs = snakemakes(Params, [5], declared)
    assert named_params(theirs, "r") == {"0": 5, **declared}
    ours = by_hand("s.py", params=declared).params
    assert named_params(ours, "r") == declared
    assert (ours.widths, ours.index) == ([1, 2], "a")


def test_numpy_scalars_paths_and_tuples_become_plain_values() -> None:
    given = {
        "count": np.int64(3),
        "rate": np.float64(0.5),
        "flag": np.bool_(True),
        "path": Path("a/b"),
        "pair": (1, (2.0, None)),
    }
    plain = named_params(by_hand("s.py", params=given).params, "r")
    assert plain == {"count": 3, "rate": 0.5, "flag": True, "path": "a/b", "pair": [1, [2.0, None]]}
    assert [type(plain[name]) for name in ("count", "rate", "flag")] == [int, float, bool]


@pytest.mark.parametrize(
    "value",
    [{1, 2}, float("nan"), float("inf"), object(), {1: "a"}, b"x", np.zeros(2), [{"a": {3}}]],
)
def test_a_param_that_is_no_plain_value_is_refused_by_name(value: Any) -> None:
    with pytest.raises(BadInputError, match=r"rule r: params\.bad"):
        named_params(by_hand("s.py", params={"bad": value}).params, "r")
