"""Families are the connected components of participants, parents and family numbers."""

import math

import networkx as nx
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.preprocess.family_components import family_components

COLUMNS = ["Mother_ID", "Father_ID", "Family_ID"]


def participants(rows: list[tuple[object, object, object]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame.insert(0, "participant_id", [f"{100 + number}" for number in range(len(rows))])
    return frame


def groups(components: pd.Series) -> set[frozenset[str]]:
    return {frozenset(members.index) for _, members in components.groupby(components)}


def test_half_siblings_are_joined_through_their_one_parent() -> None:
    # 100 and 101 share the mother, 101 and 102 the father; 103 is nobody's relative
    frame = participants(
        [("m1", "f1", "a"), ("m1", "f2", "b"), ("m2", "f2", "c"), ("m3", "f3", "d")]
    )
    assert groups(family_components(frame)) == {
        frozenset({"100", "101", "102"}),
        frozenset({"103"}),
    }


def test_twins_are_joined_by_their_family_alone() -> None:
    frame = participants([(None, None, "a"), (None, None, "a"), (None, None, "b")])
    assert groups(family_components(frame)) == {frozenset({"100", "101"}), frozenset({"102"})}


@pytest.mark.parametrize("missing", [None, math.nan, pd.NA, "", "  ", "n/a", "N/A", "NaN", "None"])
def test_missing_ids_join_nobody(missing: object) -> None:
    frame = participants([(missing, missing, missing)] * 4)
    assert family_components(frame).nunique() == 4


def test_the_same_number_as_mother_and_as_father_joins_nobody() -> None:
    frame = participants([("7", "1", None), ("2", "7", None), ("3", "4", "7")])
    assert family_components(frame).nunique() == 3


def test_ids_are_the_same_as_numbers_as_floats_and_as_texts() -> None:
    frame = participants(
        [(51488, 1.0, None), ("51488", math.nan, None), (9, "1", None), (8, 2, "")]
    )
    assert groups(family_components(frame)) == {
        frozenset({"100", "101", "102"}),
        frozenset({"103"}),
    }


def test_components_are_named_by_their_first_participant_whatever_the_order_of_rows() -> None:
    frame = participants([("m1", None, None), ("m2", None, None), ("m1", None, None)])
    components = family_components(frame)
    assert components.to_dict() == {
        "100": "family-0001",
        "101": "family-0002",
        "102": "family-0001",
    }
    turned = family_components(frame.iloc[::-1])
    assert turned.to_dict() == components.to_dict()
    assert turned.index.to_list() == ["102", "101", "100"]


IDS = st.sampled_from([None, "n/a", *map(str, range(12))])


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, IDS, IDS), min_size=1, max_size=25))
def test_components_are_those_that_networkx_finds(
    rows: list[tuple[object, object, object]],
) -> None:
    frame = participants(rows)
    graph = nx.Graph()
    for row in frame.to_dict("records"):
        graph.add_node(row["participant_id"])
        for column in COLUMNS:
            if row[column] not in (None, "n/a") and not pd.isna(row[column]):
                graph.add_edge(row["participant_id"], (column, row[column]))
    expected = {
        frozenset(node for node in component if isinstance(node, str))
        for component in nx.connected_components(graph)
    }
    assert groups(family_components(frame)) == expected


def test_other_columns_can_hold_the_families() -> None:
    frame = pd.DataFrame({"participant_id": ["a", "b", "c"], "household": [1, 2, 1]})
    assert groups(family_components(frame, ["household"])) == {
        frozenset({"a", "c"}),
        frozenset({"b"}),
    }


def test_a_missing_column_and_a_participant_given_twice_are_refused() -> None:
    frame = participants([("m", "f", "a"), ("m", "f", "a")])
    with pytest.raises(BadInputError, match="Add Father_ID, Family_ID"):
        family_components(frame[["participant_id", "Mother_ID"]])
    with pytest.raises(BadInputError, match="'100' missing or twice"):
        family_components(frame.assign(participant_id=["100", "100"]))
