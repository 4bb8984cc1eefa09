"""Cohorts are found by name."""

from pathlib import Path

import pytest

from neurospect.cohorts.cohort import Cohort, read_cohort, write_cohort
from neurospect.cohorts.registry import COHORTS, load_cohort, raw_files
from neurospect.errors import BadInputError

SETTINGS: dict[str, dict[str, object]] = {
    "mnist": {"source": "packaged", "folder": None, "per_class": 3, "classes": [], "seed": 0},
    "sinusoid": {
        "classes_by": "frequency",
        "classes": [5.0, 9.0],
        "per_class": 4,
        "length": 32,
        "sampling_rate_hz": 64.0,
        "noise_sd": 0.1,
        "seed": 0,
    },
}


def test_every_cohort_is_tried_here() -> None:
    assert set(SETTINGS) == set(COHORTS)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_a_cohort_loads_by_name_and_survives_being_written(name: str, tmp_path: Path) -> None:
    cohort = load_cohort(name, SETTINGS[name])
    assert isinstance(cohort, Cohort)
    paths = (tmp_path / "participants.tsv", tmp_path / "a.npy", tmp_path / "d.json")
    write_cohort(cohort, *paths)
    back = read_cohort(*paths)
    assert back.participants.equals(cohort.participants)
    assert back.array.tobytes() == cohort.array.tobytes()
    assert set(back.description["Columns"]) == set(back.participants.columns)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_the_raw_files_of_a_cohort_exist(name: str) -> None:
    assert all(path.is_file() for path in raw_files(name, SETTINGS[name]))


def test_an_unknown_cohort_is_refused_with_those_that_are_known() -> None:
    for function in (raw_files, load_cohort):
        with pytest.raises(BadInputError, match="mnist, sinusoid"):
            function("minst", {})
