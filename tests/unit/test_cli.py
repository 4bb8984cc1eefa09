"""What the command line prints, and the status it ends with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

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
    assert "note: 1 file that no record speaks of\n  results/notes.txt" in capsys.readouterr().out


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
