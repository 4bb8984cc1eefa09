"""What the command line prints, and the status it ends with."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nibabel
import numpy as np
import pytest

from neurospect.cli import main
from neurospect.provenance.job import by_hand, recorded_job
from neurospect.provenance.source import PACKAGE

FIGURE = "results/line.svg"
RECORD = "results/draw.record.json"


@pytest.fixture
def figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a figure, in SVG, straight from a raw file."""
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "scripts", "results"):
        Path(folder).mkdir()
    Path("data/raw.txt").write_text("1 2 3")
    Path("scripts/draw.py").write_text(
        "from neurospect.provenance.job import recorded_job\nCOLOR = 'red'\n"
    )
    draw()
    return tmp_path / FIGURE


def draw() -> None:
    declared = by_hand(
        "scripts/draw.py",
        input={"raw": "data/raw.txt"},
        output={"image": FIGURE, "record": RECORD},
        params={"width": 3},
    )
    with recorded_job(declared) as job:
        Path(FIGURE).write_text(
            '<svg xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            f"<dc:identifier>neurospect-recipe:{job.recipe}</dc:identifier></metadata></svg>"
        )


def test_audit_of_sound_results_is_one_line_and_status_0(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "results"]) == 0
    assert capsys.readouterr().out == "1 record, 2 files, 0 breaks\n"
    assert main(["audit", FIGURE]) == 0


def test_audit_names_a_break_in_a_block_and_ends_with_status_1(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data/raw.txt").write_text("1 2 4")
    assert main(["audit", "results"]) == 1
    head, blank, kind, *rest = capsys.readouterr().out.splitlines()
    assert (head, blank) == ("1 record, 2 files, 1 break", "")
    assert kind == "raw input changed: data/raw.txt"
    assert [line.split()[0] for line in rest] == ["recorded", "found", "reaches", "to"]
    assert rest[2] == f"  reaches   {FIGURE}"


def test_audit_prints_json_when_asked(figure: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/raw.txt").unlink()
    Path("results/notes.txt").write_text("mine")
    assert main(["audit", "results", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["records"], content["files"]) == (1, 1)
    assert content["unrecorded"] == ["results/notes.txt"]
    (fault,) = content["breaks"]
    assert (fault["kind"], fault["file"]) == ("raw input missing", "data/raw.txt")
    assert fault["figures"] == [FIGURE]
    assert fault["remedy"]


def test_a_file_that_no_record_speaks_of_is_a_note_and_no_break(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results/notes.txt").write_text("mine")
    assert main(["audit", "results"]) == 0
    note = "note: 1 file that no record speaks of, so nobody has checked\n  results/notes.txt\n"
    assert capsys.readouterr().out.endswith(note)


def test_a_name_with_line_breaks_forges_no_line_of_a_report(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "x\n\nrecord edited: results (all is well)\n  to do     nothing"
    Path("results", f"{forged}.tsv").write_text("")
    Path("results", f"{forged}.svg").write_text("")
    assert main(["audit", "results"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line[:1].strip()] == [
        "1 record, 3 files, 1 break",
        "record deleted",
        "note",
    ]
    assert main(["trace", f"results/{forged}.svg"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    copy = shutil.copy(figure, f"results/{forged}.copy.svg")
    assert main(["trace", copy]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_trace_prints_the_chain_and_writes_the_page(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", FIGURE, "--html", "pages/chain.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(FIGURE)
    assert "data/raw.txt" in out
    assert Path("pages/chain.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "nowhere.png"],
        ["trace", "data/raw.txt"],
        ["audit", "nowhere"],
        ["audit", "data"],
        ["trace", FIGURE, "--html", "/proc/none/x.html"],
    ],
)
def test_what_cannot_be_done_is_one_message_on_stderr_and_status_2(
    figure: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


PAGE_REFUSED = [
    (FIGURE, "ends in .svg"),
    ("results/page.html", "inside the results"),
    ("link/page.html", "inside the results"),
    ("data", "no suffix"),
    ("folder.html", "no file"),
    ("env.sh", "ends in .sh"),
]


@pytest.mark.parametrize(("page", "found"), PAGE_REFUSED)
def test_the_page_of_a_chain_replaces_no_figure_no_result_and_no_other_file(
    figure: Path, capsys: pytest.CaptureFixture[str], page: str, found: str
) -> None:
    Path("link").symlink_to("results")
    Path("folder.html").mkdir()
    Path("env.sh").write_text("mine")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["trace", FIGURE, "--html", page]) == 2
    said = capsys.readouterr()
    assert (said.out, found in said.err) == ("", True)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_a_page_that_was_written_before_is_replaced(figure: Path) -> None:
    Path("page.html").write_text("older")
    assert main(["trace", FIGURE, "--html", "page.html"]) == 0
    assert "data/raw.txt" in Path("page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["trace", "results"], "results: trace: found a folder,"),
        (["trace", "/dev/null"], "/dev/null: trace: found a device or a pipe,"),
        (["audit", "/dev/null"], "/dev/null: audit: found a device or a pipe,"),
        (["trace", FIGURE, "--html", "/proc/x.html"], "/proc/x.html: file system: found No such"),
        (["fetch", "abide", "--out", "data/raw.txt"], "data/raw.txt: --out: found something that"),
        (
            ["ica", "data/raw.txt", "--template", "stand-in", "--out", "data/raw.txt"],
            "data/raw.txt: --out: found something that",
        ),
        (
            ["fetch", "abide", "--out", "here", "--derivatives", "nope"],
            "derivatives: found 'nope', expected some of rois_aal, ",
        ),
    ],
)
def test_a_refusal_names_what_was_asked_for_what_is_there_and_what_to_do(
    figure: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], found: str
) -> None:
    assert main(arguments) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert found in said
    assert ".part" not in said
    assert re.search(r", expected .+\. [A-Z].+\.$", said)


def test_a_refused_run_leaves_no_empty_folder(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = nibabel.Nifti1Image(np.ones((4, 4, 4, 5), np.float32), np.eye(4))
    nibabel.save(run, "run.nii.gz")
    Path("there").mkdir()
    for out in ("new/deeper", "there"):
        assert main(["ica", "run.nii.gz", "--template", "nowhere.nii", "--out", out]) == 2
    assert not Path("new").exists()
    assert Path("there").is_dir()


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        ("| true", ""),
        (">/dev/full", "standard output: file system: found No space left on device, expected "),
    ],
)
def test_a_reader_that_stops_or_a_full_disk_ends_without_a_traceback(
    figure: Path, reader: str, said: str
) -> None:
    command = f"{shlex.quote(sys.executable)} -m neurospect.cli trace {FIGURE}"
    script = f"set -o pipefail; {{ sleep 0.3; {command}; }} {reader}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(said) if said else ended.stderr == ""
    assert len(ended.stderr.splitlines()) == bool(said)


def test_a_full_disk_is_not_blamed_on_standard_output(
    figure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files refuses as a full disk does, without the name of the file.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        assert main(["trace", FIGURE, "--html", "page.html"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capsys.readouterr().err.startswith("a file: file system: found File too large, expected")
    assert not Path("page.html").exists()


def test_a_request_that_cannot_be_parsed_ends_with_status_2(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in ([], ["prove", "x"], ["audit"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("usage: neurospect")


def test_the_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"neurospect {metadata.version('neurospect')}\n"


def test_a_library_module_edited_since_is_named_by_the_command(figure: Path) -> None:
    # A library of its own, so that a module of it can be edited.
    library = Path("library")
    shutil.copytree(PACKAGE, library / "neurospect", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "neurospect.cli", "audit", "results"]
    setting = {**os.environ, "PYTHONPATH": str(library), "PYTHONDONTWRITEBYTECODE": "1"}

    def audited() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=setting, capture_output=True, text=True, check=False)

    assert (audited().returncode, audited().stderr) == (0, "")
    module = library / "neurospect/errors.py"
    module.write_text("# A remark.\n" + module.read_text())
    assert audited().returncode == 0
    module.write_text(module.read_text() + "\nMORE = 1\n")
    result = audited()
    assert result.returncode == 1
    assert "code since changed: scripts/draw.py" in result.stdout
    assert "changed: neurospect.errors\n" in result.stdout
