"""What the key of shared results is told, and where they are put."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from neurospect.errors import BadInputError
from neurospect.provenance.content import shared_copy_too
from neurospect.provenance.record import producer
from neurospect.provenance.shared import FOLDER_VARIABLE, SharedAs, check_shared_folder

RECORD = "results/cobre/components/extract_components.record.json"


def key(record: str = RECORD) -> str:
    """Write the value as Snakemake does for the key."""
    return json.dumps(SharedAs(record, ["one.nii", "other.nii"]), sort_keys=True)


@pytest.fixture(autouse=True)
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.nii").write_text("1")
    Path("other.nii").write_text("2")


def test_the_same_files_of_the_same_bytes_give_the_same_key() -> None:
    before = key()
    Path("one.nii").unlink()
    Path("one.nii").write_text("1")
    assert key() == before


def test_another_place_of_the_results_gives_another_key() -> None:
    assert key(RECORD.replace("cobre", "bids")) != key()


def test_two_files_whose_contents_were_swapped_give_another_key() -> None:
    before = key()
    Path("one.nii").write_text("2")
    Path("other.nii").write_text("1")
    assert key() != before


def test_a_file_that_is_not_there_yet_gives_a_key_of_its_own() -> None:
    before = key()
    Path("one.nii").unlink()
    assert key() != before


def test_the_value_looks_the_same_whatever_the_files_hold() -> None:
    """Or a file touched or copied would make its results stale."""
    before = repr(SharedAs(RECORD, ["one.nii"]))
    Path("one.nii").unlink()
    assert repr(SharedAs(RECORD, ["one.nii"])) == before


def test_a_job_gets_an_empty_value_and_no_file_is_read_for_it() -> None:
    assert pickle.loads(pickle.dumps(SharedAs(RECORD, ["no such file", "."]))) == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "nothing"),
        ("", "nothing"),
        ("folder", "starts in the working directory"),
        ("{here}/none", "no folder"),
        ("{here}/one.nii", "no folder"),
    ],
)
def test_a_folder_that_cannot_be_shared_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, found: str
) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(FOLDER_VARIABLE, given.format(here=tmp_path))
    with pytest.raises(BadInputError, match=found) as refused:
        check_shared_folder()
    assert refused.value.field == FOLDER_VARIABLE


def test_a_whole_path_of_a_folder_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert check_shared_folder() == tmp_path


def test_only_a_link_has_a_shared_file_to_delete() -> None:
    Path("link.nii").symlink_to(Path("one.nii").resolve())
    assert shared_copy_too(Path("one.nii")) == ""
    assert str(Path("one.nii").resolve()) in shared_copy_too(Path("link.nii"))
    Path("one.nii").unlink()
    assert shared_copy_too(Path("link.nii")) == ""


def test_a_record_whose_shared_file_is_gone_is_named(tmp_path: Path) -> None:
    Path("job.record.json").symlink_to(tmp_path / "gone")
    with pytest.raises(BadInputError, match="a link to nothing"):
        producer(Path("one.nii"))
