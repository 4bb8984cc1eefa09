"""Recipe ids and the records that hold them."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurospect.errors import BadInputError
from neurospect.provenance.record import (
    InputFile,
    OutputFile,
    Record,
    Run,
    checksum,
    producer,
    read_record,
    recipe_id,
    recomputed_recipe,
    write_record,
)

RUN = Run("host", None, "3.11.0", {"numpy": "2.0"}, 7, 2, "2026-01-01T00:00:00", "2026-01-02")
RECORD = Record(
    recipe="a" * 64,
    rule="draw",
    script="scripts/draw.py",
    code="c" * 64,
    modules={"draw.py": "d" * 64},
    environment=None,
    params={"color": "red", "widths": [1, 2.5, None]},
    wildcards={"cohort": "digits"},
    inputs=(InputFile("numbers", "results/numbers.txt", "e" * 64, 3, None),),
    outputs=(OutputFile("image", "results/line.png", "f" * 64, 4, 5, 6),),
    path="results/draw.record.json",
    run=RUN,
)
RECIPE: dict[str, Any] = {
    "rule": "draw",
    "code": "c",
    "environment": "e",
    "params": {"color": "red", "width": 1},
    "wildcards": {"cohort": "digits"},
    "inputs": [("a", "1"), ("b", "2")],
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = write_record(tmp_path / "draw.record.json", RECORD)
    assert read_record(tmp_path / "draw.record.json") == written
    assert replace(written, checksum="") == RECORD
    assert written.checksum == checksum(RECORD)


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "paint"},
        {"code": "d"},
        {"environment": None},
        {"params": {"color": "red", "width": 2}},
        {"params": {"color": "red", "width": True}},
        {"params": {"color": "red"}},
        {"wildcards": {"cohort": "faces"}},
        {"inputs": [("a", "2"), ("b", "1")]},
        {"inputs": [("a", "1")]},
    ],
)
def test_everything_that_makes_the_bytes_counts_in_the_recipe(change: dict[str, Any]) -> None:
    assert recipe_id(**{**RECIPE, **change}) != recipe_id(**RECIPE)


def test_the_order_in_which_things_are_named_does_not_count_in_the_recipe() -> None:
    turned = {
        **RECIPE,
        "params": {"width": 1, "color": "red"},
        "inputs": [("b", "2"), ("a", "1")],
    }
    assert recipe_id(**turned) == recipe_id(**RECIPE)


def test_paths_hosts_and_times_do_not_count_in_the_recipe() -> None:
    elsewhere = replace(
        RECORD,
        path="other/x.record.json",
        script="/abs/scripts/draw.py",
        inputs=(replace(RECORD.inputs[0], path="/data/numbers.txt", recipe="b" * 64),),
        run=replace(RUN, host="node-7", threads=16, ended="2027"),
    )
    assert recomputed_recipe(elsewhere) == recomputed_recipe(RECORD)
    assert checksum(elsewhere) != checksum(RECORD)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    leaves | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_the_recipe_of_params_survives_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, params: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("records") / "x.record.json"
    record = write_record(path, replace(RECORD, params=params))
    again = read_record(path)
    assert recomputed_recipe(again) == recomputed_recipe(record)
    assert again.checksum == checksum(again)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "JSON"),
        ("[]", "format: found list"),
        ('{"format": 2}', "format: found 2"),
        ('{"format": 1}', "checksum: found no such field"),
        ('{"format": 1, "params": {"width": NaN}}', "JSON: found NaN"),
        ('{"format": 1, "params": {"width": 1e999}}', "JSON: found 1e999"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_a_file_that_is_no_record_is_refused_with_its_name(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "bad.record.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=rf"bad\.record\.json: .*{says}"):
        read_record(path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rule": 3}, "record.rule"),
        ({"params": []}, "record.params"),
        ({"extra": 1}, "record.extra"),
        ({"recipe": None}, "record.recipe"),
        ({"wildcards": {"seed": 1}}, "record.wildcards"),
        ({"modules": {"draw.py": None}}, "record.modules"),
        ({"run": {"host": "h"}}, "run.ended"),
        ({"inputs": [3]}, "inputs"),
        ({"outputs": [{"name": "x"}]}, "outputs.bytes"),
    ],
)
def test_a_record_with_a_wrong_field_is_refused_naming_the_field(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    path = tmp_path / "bad.record.json"
    write_record(path, RECORD)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BadInputError) as raised:
        read_record(path)
    assert raised.value.field == field


def test_the_producer_of_a_file_is_the_latest_record_beside_it_that_lists_it(
    tmp_path: Path,
) -> None:
    later = replace(RECORD, rule="renamed", run=replace(RUN, ended="2027"))
    write_record(tmp_path / "b.record.json", RECORD)
    write_record(tmp_path / "a.record.json", later)
    found = producer(tmp_path / "line.png")
    assert found is not None
    assert (found[0].rule, found[1].name) == ("renamed", "image")
    assert producer(tmp_path / "other.png") is None


def test_a_record_that_another_job_removes_meanwhile_stops_nobody(tmp_path: Path) -> None:
    write_record(tmp_path / "draw.record.json", RECORD)
    other, away = tmp_path / "a_neighbour.record.json", tmp_path / "away"
    write_record(other, replace(RECORD, outputs=()))
    finished = threading.Event()

    def come_and_go() -> None:
        while not finished.is_set():
            other.rename(away)
            away.rename(other)

    neighbour = threading.Thread(target=come_and_go)
    neighbour.start()
    try:
        for _ in range(2000):
            found = producer(tmp_path / "line.png")
            assert found is not None
            assert found[1].name == "image"
    finally:
        finished.set()
        neighbour.join()
