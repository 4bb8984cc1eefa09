"""Tables go to TSV and come back as they were; what cannot be read is refused by name."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurospect.arrays.tables import read_table, write_table
from neurospect.errors import BadInputError


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_ids_keep_their_leading_zeros(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    frame = pd.DataFrame({"participant_id": ["007", "1e5", "NA"], "age": [30, 41, 22]})
    write_table(path, frame, {"participant_id": "Identifier", "age": "Age in years"})
    back = read_table(path, required=["participant_id", "age"], text=["participant_id"])
    assert back["participant_id"].to_list() == ["007", "1e5", "NA"]
    assert back["age"].to_list() == [30, 41, 22]
    assert back["age"].dtype == np.int64


def test_the_sidecar_describes_each_column_and_no_other(tmp_path: Path) -> None:
    described = {"id": "Identifier", "dose": "Dose in mg", "absent": "Not in this table"}
    write_table(tmp_path / "t.tsv", pd.DataFrame({"id": ["a"], "dose": [2.5]}), described)
    assert json.loads((tmp_path / "t.json").read_text()) == {
        "id": {"Description": "Identifier"},
        "dose": {"Description": "Dose in mg"},
    }


def test_missing_values_are_written_as_bids_writes_them(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "text": ["a", None, ""],
            "number": [1.5, math.nan, -0.0],
            "whole": pd.array([1, pd.NA, 3], dtype="Int64"),
            "flag": [True, False, True],
        }
    )
    write_table(tmp_path / "t.tsv", frame, dict.fromkeys(frame, "A column"))
    with (tmp_path / "t.tsv").open(newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    assert rows[1:] == [
        ["a", "1.5", "1", "true"],
        ["n/a", "n/a", "n/a", "false"],
        ["n/a", "-0.0", "3", "true"],
    ]
    back = read_table(tmp_path / "t.tsv")
    assert back["text"].isna().to_list() == [False, True, True]
    assert back["number"].isna().to_list() == [False, True, False]
    assert back["flag"].dtype == bool


@settings(deadline=None)
@given(values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_float64_values_read_back_as_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("floats") / "t.tsv"
    write_table(path, pd.DataFrame({"value": values}), {"value": "A number"})
    back = read_table(path)["value"].to_numpy(dtype=np.float64)
    assert back.tobytes() == np.array(values, dtype=np.float64).tobytes()


@settings(deadline=None)
@given(values=st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=20))
def test_float32_values_are_short_and_read_back_as_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    path = tmp_path_factory.mktemp("floats") / "t.tsv"
    frame = pd.DataFrame({"value": np.array(values, dtype=np.float32)})
    write_table(path, frame, {"value": "A number"})
    back = read_table(path)["value"].to_numpy(dtype=np.float32)
    assert back.tobytes() == np.array(values, dtype=np.float32).tobytes()
    assert max(map(len, path.read_text().splitlines())) <= len("-1.17549435e-38")


def test_the_same_frame_gives_the_same_bytes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [0.1, 1 / 3], "a": ["x", "y"]})
    for name in ("one.tsv", "two.tsv"):
        write_table(tmp_path / name, frame, {"a": "A", "b": "B"})
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()
    assert (tmp_path / "one.tsv").read_text() == "b\ta\n0.1\tx\n0.3333333333333333\ty\n"


def test_a_column_without_description_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a"], "score": [1.0], "blank": [2]})
    with pytest.raises(BadInputError, match="no description of score, blank") as caught:
        write_table(tmp_path / "t.tsv", frame, {"id": "Identifier", "blank": " "})
    assert caught.value.field == "columns"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["two\tcells", "two\nlines", "a\rreturn", [1, 2], 1 + 2j])
def test_a_value_that_no_cell_can_hold_is_refused(tmp_path: Path, value: object) -> None:
    frame = pd.DataFrame({"note": pd.Series(["fine", value], dtype=object)})
    with pytest.raises(BadInputError) as caught:
        write_table(tmp_path / "t.tsv", frame, {"note": "A note"})
    assert caught.value.field == "column note, row 1"
    assert list(tmp_path.iterdir()) == []


def test_a_table_must_be_named_tsv_and_its_columns_by_unique_texts(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"ends in \.tsv"):
        write_table(tmp_path / "t.csv", pd.DataFrame({"a": [1]}), {"a": "A"})
    with pytest.raises(BadInputError, match="a more than once"):
        write_table(tmp_path / "t.tsv", pd.DataFrame([[1, 2]], columns=["a", "a"]), {"a": "A"})
    with pytest.raises(BadInputError, match="texts"):
        write_table(tmp_path / "t.tsv", pd.DataFrame([[1, 2]]), {"a": "A"})


def test_quotes_are_characters_like_others(tmp_path: Path) -> None:
    frame = pd.DataFrame({"note": ['say "ah"', '"', "a,b", "# c"]})
    write_table(tmp_path / "t.tsv", frame, {"note": "A note"})
    assert read_table(tmp_path / "t.tsv")["note"].to_list() == frame["note"].to_list()


def test_windows_line_ends_and_a_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes("\ufeffid\tage\r\n01\t30\r\n".encode())
    back = read_table(tmp_path / "t.tsv", required=["id", "age"], text=["id"])
    assert back.to_dict("list") == {"id": ["01"], "age": [30]}


@pytest.mark.parametrize(
    ("content", "field", "found"),
    [
        ("", "line 1", "an empty file"),
        ("\n\n", "line 1", "an empty file"),
        ("id\tage\tid\n1\t2\t3\n", "columns", "id more than once"),
        ("id\tsex\n1\tF\n", "columns", "id, sex"),
        ("id\tage\n1\t2\n3\n", "line 3", "1 cells"),
        ("id\tage\n1\t2\t3\n", "line 2", "3 cells"),
        ("id\tage\n1\t2\n\n3\t4\n", "line 3", "0 cells"),
        ("id\tage\n", "rows", "a header and no rows"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_by_file_and_place(
    tmp_path: Path, content: str, field: str, found: str
) -> None:
    path = written(tmp_path / "t.tsv", content)
    with pytest.raises(BadInputError) as caught:
        read_table(path, required=["id", "age"])
    assert (caught.value.where, caught.value.field) == (str(path), field)
    assert caught.value.found == found


def test_a_missing_column_is_named_in_the_remedy(tmp_path: Path) -> None:
    path = written(tmp_path / "t.tsv", "id,age\n1,2\n")
    with pytest.raises(BadInputError, match="Add the missing: id, age"):
        read_table(path, required=["id", "age"])


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="No such file"):
        read_table(tmp_path / "none.tsv")
    (tmp_path / "t.tsv").write_bytes(b"id\n\xff\xfe\n")
    with pytest.raises(BadInputError, match="not UTF-8"):
        read_table(tmp_path / "t.tsv")


def test_columns_are_numbers_or_truth_values_only_if_every_cell_is(tmp_path: Path) -> None:
    path = written(
        tmp_path / "t.tsv",
        "whole\tnumber\tflag\tmaybe\ttext\tbig\n"
        "1\t2\tTrue\ttrue\t1\t99999999999999999999\n"
        "-3\t4e-3\tfalse\tn/a\t1_000\t5\n"
        "+5\tinf\ttrue\tfalse\tn/a\t6\n",
    )
    table = read_table(path)
    assert table["whole"].to_list() == [1, -3, 5]
    assert table["number"].to_list() == [2.0, 0.004, math.inf]
    assert table["flag"].to_list() == [True, False, True]
    assert table["maybe"].to_list() == [True, pd.NA, False]
    assert table["text"].to_list()[:2] == ["1", "1_000"]
    assert table["big"].to_list() == ["99999999999999999999", "5", "6"]


def test_a_table_without_rows_is_read_where_that_is_said(tmp_path: Path) -> None:
    write_table(tmp_path / "t.tsv", pd.DataFrame({"id": [], "age": []}), {"id": "I", "age": "A"})
    back = read_table(tmp_path / "t.tsv", required=["age"], may_be_empty=True)
    assert back.shape == (0, 2)
