"""Runs of a cohort: what they are made from, whoever measured or simulated them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bids_trees import put_run
from written_abide import put_abide

from neurospect.cohorts.rest import OF_RUNS, rest_participants, rest_sources
from neurospect.errors import BadInputError
from neurospect.settings import Config

BIDS = Config().cohorts.cobre.model_dump()
ABIDE = {**Config().cohorts.abide.model_dump(), "source": "runs"}


def bids_folder(folder: Path) -> Path:
    lines = ["participant_id\tgroup\tsex\tage", "sub-01\tPatient\tF\t30", "sub-02\tControl\tM\t40"]
    folder.mkdir(parents=True)
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    put_run(folder, "sub-01")
    return folder


def used(participants: list[str]) -> pd.DataFrame:
    """A table of runs of these participants."""
    frame = pd.DataFrame({"participant_id": participants})
    return frame.assign(**dict.fromkeys(OF_RUNS, np.nan))


def test_a_simulated_cohort_is_known_before_it_is_written(tmp_path: Path) -> None:
    sources = rest_sources("simulated-rest", {"participants": 9}, tmp_path)
    assert [run.participant_id for run in sources.runs][-1] == "sub-009"
    assert sources.runs[0].sidecar is not None
    assert sources.participants == tmp_path / "participants.tsv"
    assert not sources.exclusions


def test_a_folder_of_derivatives_gives_runs_and_names_who_has_none(tmp_path: Path) -> None:
    folder = bids_folder(tmp_path / "cobre")
    settings = {**BIDS, "folder": str(folder), "diagnosis_column": "group"}
    sources = rest_sources("cobre", settings, tmp_path)
    assert [run.participant_id for run in sources.runs] == ["sub-01"]
    assert [each.participant_id for each in sources.exclusions] == ["sub-02"]
    people, columns = rest_participants("cobre", sources.participants, settings, used(["sub-01"]))
    assert people.loc[0, "diagnosis_sex"] == "Patient female"
    assert set(columns) == set(people.columns)


def test_a_folder_without_a_single_run_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    folder = bids_folder(tmp_path / "cobre")
    settings = {**BIDS, "folder": str(folder), "diagnosis_column": "group", "task": "motor"}
    with pytest.raises(BadInputError, match="runs: found none; 2 participants left out") as refused:
        rest_sources("cobre", settings, tmp_path)
    assert "sub-01" in str(refused.value)


def test_runs_of_abide_take_head_motion_from_its_table(tmp_path: Path) -> None:
    put_abide(tmp_path)
    settings = {**ABIDE, "folder": str(tmp_path), "sites": ["NYU"]}
    sources = rest_sources("abide", settings, tmp_path)
    ids = [run.participant_id for run in sources.runs]
    assert ids == ["sub-0050952", "sub-0050954"]
    people, _ = rest_participants("abide", sources.participants, settings, used(ids))
    assert people.loc[0, "mean_framewise_displacement"] == 0.0325
    assert people["diagnosis"].to_list() == ["autism", "control"]
