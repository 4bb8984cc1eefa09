"""Names from tables, folders and settings: what could be a path, an option or a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurospect.arrays.exclusions import exclusion_table, write_exclusions
from neurospect.cli import main
from neurospect.cohorts.abide_participants import PHENOTYPES, abide_participants
from neurospect.cohorts.aseg_stats import ID_COLUMN
from neurospect.cohorts.bids_participants import read_bids_participants
from neurospect.cohorts.bids_runs import find_bids_runs
from neurospect.cohorts.freesurfer import freesurfer_cohort, raw_files
from neurospect.cohorts.hcp_layout import find_task_maps
from neurospect.cohorts.hcp_participants import hcp_participants
from neurospect.errors import BadInputError, BadInputsError
from neurospect.provenance.breaks import for_terminal
from neurospect.settings import check_settings

CONFIG = Path(__file__).parents[2] / "config"
HOSTILE = [
    "a;rm -rf ~",
    "../x",
    "..",
    ".",
    "/etc/passwd",
    "sub-01/../../x",
    "-rf",
    "--help",
    "$(id)",
    "`id`",
    "a b",
    "a*",
    "{seed}",
    "<script>alert(1)</script>",
    "nul\0inside",
    "\x1b[2Jcleared",
    "１００３０７",  # digits, to Python
    "٣",
    "ѕub1",  # Cyrillic
    "a\u202eb",  # right to left from here
    "zero\u200bwidth",
    "\ufeff1",
]
VOLUMES = ["Left-Thalamus", "EstimatedTotalIntraCranialVol"]
ASEG = """\
# subjectname {who}
# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Volume, {etiv}, mm^3
# NRows 1
# ColHeaders  Index SegId NVoxels Volume_mm3 StructName
  1  10  7000  {volume}  Left-Thalamus
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_of_bids_participants_with_such_a_name_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text(f"participant_id\nsub-01\nsub-{name}\n", encoding="utf-8", newline="")
    with pytest.raises(BadInputError, match="participant_id in line 3: found 'sub-"):
        read_bids_participants(path)


@pytest.mark.parametrize("name", [*HOSTILE, "a\nb", "a\rb"])
def test_runs_are_looked_for_under_no_such_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub-01").mkdir()
    with pytest.raises(BadInputError, match="letters and digits alone"):
        find_bids_runs(tmp_path, participants=["sub-01", f"sub-{name}"])


@pytest.mark.parametrize("name", [*HOSTILE, "a\nb", "a\rb"])
def test_subjects_of_the_hcp_are_numbers(tmp_path: Path, name: str) -> None:
    path = tmp_path / "unrestricted.csv"
    quoted = name.replace('"', '""')
    path.write_text(f'Subject,Gender,Age\n100307,F,26-30\n"{quoted}",F,26-30\n', newline="")
    with pytest.raises(BadInputError, match=r"Subject: found .* no number"):
        hcp_participants(path)
    with pytest.raises(BadInputError, match="letters and digits alone"):
        find_task_maps(tmp_path, [name])


@pytest.mark.parametrize("name", [*HOSTILE, "a\nb", "a\rb"])
def test_files_of_abide_are_looked_for_under_no_such_name(tmp_path: Path, name: str) -> None:
    header = "SUB_ID,SITE_ID,FILE_ID,DX_GROUP,AGE_AT_SCAN,SEX,func_mean_fd"
    (tmp_path / PHENOTYPES).write_text(
        f'{header}\n50003,PITT,Pitt_0050003,1,24,1,0.1\n50004,PITT,"{name}",1,24,1,0.1\n',
        newline="",
    )
    table, (exclusion,) = abide_participants(tmp_path)
    assert table["file_id"].to_list() == ["Pitt_0050003"]
    assert exclusion.participant_id == "sub-0050004"


def put_subjects(folder: Path, names: list[str]) -> Path:
    for number, who in enumerate(names, start=1):
        path = folder / "subjects" / who / "stats" / "aseg.stats"
        path.parent.mkdir(parents=True)
        path.write_text(ASEG.format(who="x", etiv=1_400_000 + number, volume=7000 + number))
    return folder / "subjects"


def put_people(folder: Path, names: list[str]) -> Path:
    path = folder / "participants.tsv"
    rows = "".join(f"{who}\tpatient\n" for who in names)
    path.write_text(f"participant_id\tdiagnosis\n{rows}", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("source", ["folder", "table"])
def test_freesurfers_participants_with_such_names_are_left_out_by_name_and_the_others_go_on(
    tmp_path: Path, source: str
) -> None:
    good = ["Caltech_0051456", "sub-01_ses-02.long.base", "003"]
    people = put_people(tmp_path, [*good, *HOSTILE])
    if source == "folder":
        makeable = [name for name in HOSTILE if "/" not in name and "\0" not in name]
        makeable = [name for name in makeable if name not in (".", "..")]
        given: dict[str, Any] = {"folder": put_subjects(tmp_path, [*good, *makeable])}
    else:
        given = {"table": tmp_path / "aseg.tsv"}
        rows = [f"{who}\t{7000 + n}\t{1400000 + n}" for n, who in enumerate([*good, *HOSTILE])]
        lines = ["\t".join([ID_COLUMN, *VOLUMES]), *rows]
        given["table"].write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    cohort, exclusions = freesurfer_cohort(people, **given, covariates=[])
    assert cohort.participants["participant_id"].to_list() == good
    told = {each.participant_id: each.fault for each in exclusions}
    assert list(told) == [repr(name)[1:-1] for name in HOSTILE]
    assert all(
        fault.found == repr(name) for name, fault in zip(HOSTILE, told.values(), strict=True)
    )
    write_exclusions(tmp_path / "excluded.tsv", exclusion_table(exclusions))


def test_folders_with_such_names_are_no_inputs_of_a_job(tmp_path: Path) -> None:
    folder = put_subjects(tmp_path, ["003", "a;rm -rf ~", "new\nline", "-rf"])
    people = put_people(tmp_path, ["003"])
    files = raw_files({"participants": people, "folder": folder})
    assert files == [people, folder / "003" / "stats" / "aseg.stats"]


# Settings


@pytest.mark.parametrize("name", [*HOSTILE, "a\nb", "a\n", "a/b", "a.b"])
def test_names_in_settings_that_become_folders_hold_no_separator(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIG.parent)
    for raw in (
        {"experiments": [name]},
        {"experiments": ["mnist_mlp"], "overrides": {name: {}}},
        {"prepare": [name]},
        {"seeds": [name]},
        {"cohorts": {"bids": {"task": name}}},
        {"cohorts": {"hcp": {"smoothing": name}}},
        {"experiments": ["mnist_mlp"], "overrides": {"mnist_mlp": {"array": name}}},
        {"experiments": ["mnist_mlp"], "overrides": {"mnist_mlp": {"panels": {name: PANEL}}}},
        {
            "experiments": ["saliency_synthetic"],
            "overrides": {"saliency_synthetic": {"decoders": {name: {"model": "mlp"}}}},
        },
    ):
        with pytest.raises(BadInputsError):
            check_settings(raw)


PANEL = {"task": "classification"}


def test_the_results_folder_is_the_users_to_choose(tmp_path: Path) -> None:
    settings = check_settings(
        {"results": f"{tmp_path}/../elsewhere", "experiments_folder": str(CONFIG / "experiments")}
    )
    assert settings.config.results == f"{tmp_path}/../elsewhere"


# The terminal


def test_what_could_steer_a_terminal_is_printed_as_its_escape() -> None:
    said = for_terminal("\x1b[2Jcleared \u202e\udcff\r\nnext line, µm")
    assert said == "\\x1b[2Jcleared \\u202e\\udcff\\r\nnext line, µm"
    said.encode("utf-8")


def test_an_error_about_a_file_with_a_hostile_name_is_printed_plainly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", str(tmp_path / "\x1b[2J\udcff.png")]) == 2
    said = capsys.readouterr().err
    assert "\\x1b[2J\\udcff.png" in said
    assert "\x1b" not in said
