"""Cohorts are found by name."""

from pathlib import Path
from typing import Any

import pytest
from written_abide import put_abide
from written_volumes import aseg_table

from neurospect.cohorts.cohort import Cohort, read_cohort, write_cohort
from neurospect.cohorts.registry import COHORTS, load_cohort, raw_files
from neurospect.cohorts.simulated_freesurfer import simulate_freesurfer
from neurospect.errors import BadInputError

SETTINGS: dict[str, dict[str, Any]] = {
    "abide": {
        "folder": ".",
        "source": "roi",
        "atlas": "ho",
        "pipeline": "cpac",
        "band_pass": True,
        "global_signal": False,
        "sites": ["NYU"],
        "length": None,
    },
    "block-digits": {"classes": ["3", "8"], "per_class": 3, "seed": 0},
    "freesurfer": {
        "folder": None,
        "table": "aseg.tsv",
        "participants": "participants.tsv",
        "diagnosis_column": "group",
        "head_size": "regress",
        "covariates": ["age"],
        "categorical": [],
    },
    "mnist": {"source": "packaged", "folder": None, "per_class": 3, "classes": [], "seed": 0},
    "simulated-freesurfer": {
        "folder": "simulated",
        "participants": 16,
        "seed": 0,
        "covariates": ["age", "site"],
    },
    "sinusoid": {
        "classes_by": "frequency",
        "classes": [5.0, 9.0],
        "per_class": 4,
        "length": 32,
        "sampling_rate_hz": 64.0,
        "noise_sd": 0.1,
        "seed": 0,
    },
    "synthetic-tasks": {"per_class": 3, "noise_sd": 0.5, "seed": 0},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the files that the settings name."""
    put_abide(tmp_path)
    (tmp_path / "aseg.tsv").write_text(aseg_table())
    rows = ["participant_id\tgroup\tage", "0008\tpatient\t31", "sub-0007\tcontrol\t32.5"]
    (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
    simulate_freesurfer(tmp_path / "simulated", participants=16, seed=0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_cohort_is_tried_here() -> None:
    assert set(SETTINGS) == set(COHORTS)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_a_cohort_loads_by_name_and_survives_being_written(name: str, folder: Path) -> None:
    cohort = load_cohort(name, SETTINGS[name])
    assert isinstance(cohort, Cohort)
    paths = (folder / "p.tsv", folder / "a.npy", folder / "d.json")
    write_cohort(cohort, *paths)
    back = read_cohort(*paths)
    assert back.participants.equals(cohort.participants)
    assert back.array.tobytes() == cohort.array.tobytes()
    assert set(back.description["Columns"]) == set(back.participants.columns)


@pytest.mark.parametrize("name", sorted(COHORTS))
@pytest.mark.usefixtures("folder")
def test_the_raw_files_of_a_cohort_exist(name: str) -> None:
    assert all(path.is_file() for path in raw_files(name, SETTINGS[name]))


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_the_raw_files_alone_say_where_a_cohort_lies(name: str, folder: Path) -> None:
    """A job is told the files, not the settings that say where they lie."""
    files = raw_files(name, SETTINGS[name])
    places = ("folder", "table", "participants")
    told = {key: value for key, value in SETTINGS[name].items() if key not in places}
    again = load_cohort(name, told if files else SETTINGS[name], files)
    assert again.participants.equals(load_cohort(name, SETTINGS[name]).participants)


def test_an_unknown_cohort_is_refused_with_those_that_are_known() -> None:
    for function in (raw_files, load_cohort):
        with pytest.raises(BadInputError, match="freesurfer, mnist"):
            function("minst", {})
