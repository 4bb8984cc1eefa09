"""FreeSurfer's volumes are read as its programs write them, and refused where they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from written_volumes import ETIV, MEASURES, STRUCTURES, aseg_stats, aseg_table

from neurospect.cohorts.aseg_stats import read_aseg_rows, read_aseg_stats, read_aseg_table
from neurospect.errors import BadInputError


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "aseg.stats"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(BadInputError) as caught:
        read(path)
    assert caught.value.where == str(path)
    return str(caught.value)


def test_volumes_and_head_size_are_read_under_their_names(
    written: Callable[[str], Path],
) -> None:
    volumes = read_aseg_stats(written(aseg_stats()))
    assert volumes.name == "sub-0007"
    assert volumes.dtype == np.float64
    assert volumes.to_dict() == {name: volume for _, name, volume in STRUCTURES} | {
        "BrainSegVol": 1193318.0,
        "lhCortexVol": 239648.484067,
        "EstimatedTotalIntraCranialVol": 1554002.123456,
    }


def test_a_table_and_the_file_it_was_made_from_hold_the_same(
    written: Callable[[str], Path],
) -> None:
    volumes = read_aseg_stats(written(aseg_stats()))
    row = read_aseg_table(written(aseg_table())).loc["sub-0007"]
    assert row.to_dict() == volumes.to_dict()


def test_table_rows_are_participants_whose_ids_stay_text(
    written: Callable[[str], Path],
) -> None:
    table = read_aseg_table(written(aseg_table()))
    assert table.index.name == "participant_id"
    assert table.index.to_list() == ["sub-0007", "0008"]
    assert set(table.dtypes) == {np.dtype(np.float64)}
    np.testing.assert_allclose(table.loc["0008"], 1.1 * table.loc["sub-0007"])


def test_head_size_of_old_freesurfer_gets_todays_name(written: Callable[[str], Path]) -> None:
    old = "# Measure IntraCranialVol, ICV, Intracranial Volume, 1549336.766171, mm^3"
    volumes = read_aseg_stats(written(aseg_stats(measures=[*MEASURES[:-1], old])))
    assert volumes["EstimatedTotalIntraCranialVol"] == 1549336.766171
    table = read_aseg_table(written(aseg_table(etiv="IntraCranialVol")))
    assert table.loc["sub-0007", "EstimatedTotalIntraCranialVol"] == 1554002.123456
    assert "IntraCranialVol" not in table


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.75, 0.85, 0.97])
def test_a_file_that_is_cut_short_is_refused(written: Callable[[str], Path], part: float) -> None:
    text = aseg_stats()
    message = refusal(read_aseg_stats, written(text[: int(part * len(text))]))
    assert "cut short" in message


def test_a_file_cut_between_two_rows_is_refused_by_its_count(
    written: Callable[[str], Path],
) -> None:
    text = aseg_stats()
    message = refusal(read_aseg_stats, written("\n".join(text.splitlines()[:-1]) + "\n"))
    assert "4 rows" in message
    assert "NRows" in message


def test_a_file_without_a_count_of_rows_must_end_its_last_line(
    written: Callable[[str], Path],
) -> None:
    text = aseg_stats().replace("# NRows 5 \n", "")
    assert len(read_aseg_stats(written(text))) == 8
    assert "cut short" in refusal(read_aseg_stats, written(text.rstrip()))


def test_missing_head_size_is_refused(written: Callable[[str], Path]) -> None:
    message = refusal(read_aseg_stats, written(aseg_stats(measures=MEASURES[:-1])))
    assert "no EstimatedTotalIntraCranialVol" in message
    message = refusal(read_aseg_table, written(aseg_table(etiv="HeadSize")))
    assert "no EstimatedTotalIntraCranialVol" in message


def test_head_size_of_zero_is_refused(written: Callable[[str], Path]) -> None:
    message = refusal(read_aseg_stats, written(aseg_stats(measures=[f"{ETIV}0.000000, mm^3"])))
    assert "above 0" in message
    rows: dict[str, list[object]] = {"a": [1, 2, 3, 4, 5, 6, 7, 0.5, 0, 9], "b": [1.0] * 9 + [0]}
    assert "b, Estimated" in refusal(read_aseg_table, written(aseg_table(rows)))


@pytest.mark.parametrize("cell", ["-8141.9", "nan", "inf", "8O41.9"])
def test_what_is_no_volume_is_refused_with_its_line(
    written: Callable[[str], Path], cell: str
) -> None:
    text = aseg_stats()
    line = 1 + next(k for k, row in enumerate(text.splitlines()) if "Left-Thalamus" in row)
    message = refusal(read_aseg_stats, written(text.replace(" 8141.9 ", f" {cell} ")))
    assert f"line {line}, Left-Thalamus: found {cell}" in message


@pytest.mark.parametrize("cell", ["-1", "inf", "8O41.9", "true"])
def test_what_is_no_volume_in_a_table_is_refused_with_its_participant(
    written: Callable[[str], Path], cell: str
) -> None:
    rows: dict[str, list[object]] = {"a": [1.0] * 10, "b": [1.0, cell, *[1.0] * 8]}
    message = refusal(read_aseg_table, written(aseg_table(rows)))
    assert f"b, Left-Thalamus: found {cell}" in message


def test_rows_with_a_cell_that_is_no_volume_are_set_aside_and_the_others_read(
    written: Callable[[str], Path],
) -> None:
    sound = [1.0] * 10
    rows: dict[str, list[object]] = {
        "a": sound,
        "b": [1.0, -2, "x", *[1.0] * 7],
        "c": [*[1.0] * 9, 0],
        "d": sound,
    }
    volumes, faults = read_aseg_rows(written(aseg_table(rows)))
    assert volumes.index.to_list() == ["a", "d"]
    assert (volumes == 1.0).all(axis=None)
    fields = {who: (fault.field, fault.found) for who, fault in faults.items()}
    assert fields == {
        "b": ("b, Left-Thalamus", -2),
        "c": ("c, EstimatedTotalIntraCranialVol", 0),
    }


def test_a_column_of_truth_values_is_no_volume(written: Callable[[str], Path]) -> None:
    rows: dict[str, list[object]] = {who: [1.0, "true", *[1.0] * 8] for who in "ab"}
    assert "a, Left-Thalamus" in refusal(read_aseg_table, written(aseg_table(rows)))


def test_missing_cells_stay_missing(written: Callable[[str], Path]) -> None:
    rows: dict[str, list[object]] = {"a": [1.0] * 10, "b": [1.0, "n/a", *[1.0] * 8]}
    table = read_aseg_table(written(aseg_table(rows)))
    assert np.isnan(table.loc["b", "Left-Thalamus"])
    assert table.isna().to_numpy().sum() == 1


def test_a_participant_who_stands_twice_is_refused(written: Callable[[str], Path]) -> None:
    text = aseg_table().replace("0008", "sub-0007")
    assert "sub-0007 twice" in refusal(read_aseg_table, written(text))


def test_a_row_without_a_participant_is_refused(written: Callable[[str], Path]) -> None:
    assert "row 2" in refusal(read_aseg_table, written(aseg_table().replace("0008", "n/a")))


def test_a_structure_that_stands_twice_is_refused(written: Callable[[str], Path]) -> None:
    text = aseg_stats([*STRUCTURES, (99, "Left-Thalamus", 1.0)])
    assert "Left-Thalamus once more" in refusal(read_aseg_stats, written(text))


def test_a_table_cut_short_in_a_row_is_refused(written: Callable[[str], Path]) -> None:
    text = aseg_table().rstrip("\n").rsplit("\t", 2)[0] + "\n"
    assert "line 3" in refusal(read_aseg_table, written(text))


@pytest.mark.parametrize("first", ["Measure:mean", "participant_id"])
def test_a_table_of_another_measure_is_refused(written: Callable[[str], Path], first: str) -> None:
    message = refusal(read_aseg_table, written(aseg_table().replace("Measure:volume", first)))
    assert "asegstats2table --meas volume" in message


def test_a_comma_separated_table_is_refused(written: Callable[[str], Path]) -> None:
    message = refusal(read_aseg_table, written(aseg_table().replace("\t", ",")))
    assert "--delimiter tab" in message


def test_statistics_of_a_surface_are_refused(written: Callable[[str], Path]) -> None:
    text = aseg_stats().replace("NVoxels Volume_mm3", "NVertices Area_mm2")
    assert "not the statistics of a surface" in refusal(read_aseg_stats, written(text))


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    refusal(read_aseg_stats, tmp_path / "aseg.stats")
    refusal(read_aseg_table, tmp_path / "aseg.tsv")
