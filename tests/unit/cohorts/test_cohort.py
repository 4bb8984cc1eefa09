"""A cohort is checked when it is made and when it is read; selection is seeded and in order."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.cohorts.cohort import Cohort, describe, read_cohort, select, write_cohort
from neurospect.errors import BadInputError

COLUMNS = {"participant_id": "Identifier", "diagnosis": "Class", "age": "Age in years"}


def description(**changes: Any) -> dict[str, Any]:
    made = describe(
        "patients and controls",
        sources=[{"URL": "https://example.org/study"}],
        license_name="CC0-1.0",
        preparation=["Made for a test."],
        columns=COLUMNS,
        class_columns=["diagnosis"],
    )
    return {**made, **changes}


def cohort(count: int = 6, **columns: list[Any]) -> Cohort:
    frame = pd.DataFrame(
        {
            "participant_id": [f"{number:03d}" for number in range(count)],
            "diagnosis": [str(number % 2) for number in range(count)],
            "age": np.linspace(20, 60, count),
            **columns,
        }
    )
    array = np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)
    return Cohort(frame, array, description())


def paths(folder: Path) -> tuple[Path, Path, Path]:
    return folder / "participants.tsv", folder / "a.npy", folder / "dataset_description.json"


def test_a_written_cohort_reads_back_the_same_with_its_ids_and_classes_as_text(
    tmp_path: Path,
) -> None:
    write_cohort(cohort(), *paths(tmp_path))
    back = read_cohort(*paths(tmp_path))
    pd.testing.assert_frame_equal(back.participants, cohort().participants)
    assert back.participants["diagnosis"].to_list() == ["0", "1"] * 3
    np.testing.assert_array_equal(back.array, cohort().array)
    assert isinstance(back.array, np.memmap)
    assert back.description == cohort().description
    assert back.class_columns == ["diagnosis"]


def test_the_description_has_the_keys_that_bids_asks_of_a_derivative(tmp_path: Path) -> None:
    write_cohort(cohort(), *paths(tmp_path))
    written = json.loads(paths(tmp_path)[2].read_text())
    assert written["Name"] == "patients and controls"
    assert written["DatasetType"] == "derivative"
    assert [set(tool) for tool in written["GeneratedBy"]] == [{"Name", "Version"}]
    assert written["GeneratedBy"][0]["Name"] == "neurospect"
    assert written["SourceDatasets"] == [{"URL": "https://example.org/study"}]
    assert {"BIDSVersion", "License", "Preparation"} <= set(written)


def test_the_same_cohort_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        write_cohort(cohort(), *paths(folder))
    for one, two in zip(paths(tmp_path / "one"), paths(tmp_path / "two"), strict=True):
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    ("columns", "field", "found"),
    [
        ({"participant_id": ["a", "b", "a"]}, "participant_id", "a twice"),
        ({"participant_id": ["a", " ", "c"]}, "column participant_id, row 1", "' '"),
        ({"participant_id": ["a", None, "c"]}, "column participant_id, row 1", "1 such rows"),
        ({"participant_id": [1, 2, 3]}, "column participant_id, row 0", "3 such rows"),
        ({"diagnosis": ["x", None, None]}, "column diagnosis, row 1", "2 such rows"),
        ({"diagnosis": [0, 1, 0]}, "column diagnosis, row 0", "3 such rows"),
    ],
)
def test_ids_and_classes_that_cannot_be_used_are_refused(
    columns: dict[str, list[Any]], field: str, found: str
) -> None:
    with pytest.raises(BadInputError, match=found) as caught:
        cohort(3, **columns)
    assert caught.value.field == field


def test_values_that_are_not_finite_are_refused_naming_the_first_and_how_many() -> None:
    good = cohort()
    array = good.array.copy()
    array[2, 1, 1] = np.nan
    array[4] = np.inf
    with pytest.raises(BadInputError, match="in 2 participants, first 002"):
        Cohort(good.participants, array, good.description)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((5, 2), dtype=np.float32),
        np.ones((6, 2), dtype=np.float64),
        np.ones(6, dtype=np.float32),
        np.ones((6, 0), dtype=np.float32),
    ],
)
def test_an_array_of_another_shape_or_dtype_is_refused(array: Any) -> None:
    with pytest.raises(BadInputError, match="array"):
        Cohort(cohort().participants, array, description())


@pytest.mark.parametrize("key", ["Name", "License", "ClassColumns", "GeneratedBy", "Columns"])
def test_a_description_without_a_key_is_refused(key: str) -> None:
    lacking = {name: value for name, value in description().items() if name != key}
    with pytest.raises(BadInputError, match=key):
        Cohort(cohort().participants, cohort().array, lacking)


def test_a_cohort_has_at_least_one_class_column_and_it_is_in_the_table() -> None:
    good = cohort()
    with pytest.raises(BadInputError, match="at least one column that holds classes"):
        Cohort(good.participants, good.array, description(ClassColumns=[]))
    with pytest.raises(BadInputError, match="Add the column sex"):
        Cohort(good.participants, good.array, description(ClassColumns=["sex"]))


def test_a_fault_in_a_file_is_reported_under_the_name_of_the_file(tmp_path: Path) -> None:
    table, array, text = paths(tmp_path)
    write_cohort(cohort(), table, array, text)
    table.write_text(table.read_text().replace("005\t", "004\t"))
    with pytest.raises(BadInputError, match="004 twice") as caught:
        read_cohort(table, array, text)
    assert caught.value.where == str(table)
    write_cohort(cohort(), table, array, text)
    np.save(array, np.full((6, 2), np.nan, dtype=np.float32))
    with pytest.raises(BadInputError) as caught:
        read_cohort(table, array, text)
    assert caught.value.where == str(array)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"Name": "x"}', "\udcff"])
def test_a_damaged_description_is_refused(tmp_path: Path, content: str) -> None:
    table, array, text = paths(tmp_path)
    write_cohort(cohort(), table, array, text)
    text.write_bytes(content.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(BadInputError) as caught:
        read_cohort(table, array, text)
    assert caught.value.where == str(text)


@settings(deadline=None)
@given(
    levels=st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True),
    per_level=st.one_of(st.none(), st.integers(1, 8)),
    seed=st.integers(0, 2**32),
)
def test_selection_keeps_rows_whole_in_order_and_at_most_so_many(
    levels: list[str], per_level: int | None, seed: int
) -> None:
    whole = cohort(20, diagnosis=list("abcabcabcabcabcccaca"))
    kept = select(whole, "diagnosis", levels, per_level, seed)
    there = {"a": 7, "b": 5, "c": 8}
    counts = kept.participants["diagnosis"].value_counts().to_dict()
    assert counts == {level: min(there[level], per_level or 99) for level in levels}
    rows = kept.participants["participant_id"].astype(int).to_numpy()
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(kept.array, whole.array[rows])
    assert kept.participants.index.to_list() == list(range(len(rows)))


def test_more_rows_or_levels_keep_those_already_chosen() -> None:
    whole = cohort(40)
    few = select(whole, "diagnosis", ["1"], 5, seed=3).participants["participant_id"]
    more = select(whole, "diagnosis", ["0", "1"], 9, seed=3).participants["participant_id"]
    other = select(whole, "diagnosis", ["1"], 5, seed=4).participants["participant_id"]
    assert set(few) < set(more)
    assert set(few) != set(other)


def test_a_selection_says_in_the_description_what_was_kept() -> None:
    whole = cohort()
    kept = select(whole, "diagnosis", ["1"], 2, seed=7)
    assert kept.description["Preparation"][-1] == (
        "Kept the rows whose diagnosis is one of 1, at most 2 of each, drawn with seed 7."
    )
    assert whole.description == description()


def test_a_level_without_rows_is_refused_with_the_levels_that_exist() -> None:
    with pytest.raises(BadInputError, match=r"no row with '7'.*among 0, 1"):
        select(cohort(), "diagnosis", ["0", "7"])
    with pytest.raises(BadInputError, match="no levels"):
        select(cohort(), "diagnosis", [])
    with pytest.raises(BadInputError, match="sex"):
        select(cohort(), "sex", ["F"])
    with pytest.raises(BadInputError, match="at least 1"):
        select(cohort(), "diagnosis", ["0"], per_level=0)


def with_examples(**columns: list[Any]) -> Cohort:
    """Three participants; the first has two examples, the second one, the third none."""
    people = cohort(3).participants
    examples = pd.DataFrame(
        {"participant_id": ["001", "000", "000"], "task": ["MOTOR", "MOTOR", "WM"], **columns}
    )
    array = np.arange(6, dtype=np.float16).reshape(3, 2)
    return Cohort(people, array, description(ClassColumns=["task"]), examples)


def test_rows_of_a_cohort_with_examples_carry_what_is_known_of_their_participant() -> None:
    rows = with_examples().rows
    assert rows["participant_id"].to_list() == ["001", "000", "000"]
    assert rows["task"].to_list() == ["MOTOR", "MOTOR", "WM"]
    assert rows["diagnosis"].to_list() == ["1", "0", "0"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"task": ["MOTOR", None, "WM"]}, "column task, row 1: found .*expected a class"),
        (
            {"participant_id": ["001", "000", "009"]},
            "column participant_id, row 2: found '009'.*expected a participant of the table",
        ),
        ({"participant_id": ["001", "000"], "task": ["WM", "WM"]}, "3 rows, expected 2"),
    ],
)
def test_examples_that_do_not_fit_are_refused(columns: dict[str, Any], message: str) -> None:
    if len(columns) == 2:
        people = cohort(3)
        with pytest.raises(BadInputError, match=message):
            Cohort(
                people.participants,
                people.array,
                description(ClassColumns=["task"]),
                pd.DataFrame(columns),
            )
        return
    with pytest.raises(BadInputError, match=message):
        with_examples(**columns)


def test_a_class_that_neither_table_has_is_refused() -> None:
    whole = with_examples()
    with pytest.raises(BadInputError, match=r"columns: found .*expected contrast"):
        Cohort(
            whole.participants,
            whole.array,
            description(ClassColumns=["contrast"]),
            whole.examples,
        )
