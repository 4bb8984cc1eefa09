"""A crate says of every file what the file is, and of results that do not hold that they do not."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from neurospect.cli import main
from neurospect.errors import BadInputError
from neurospect.provenance.audit import audit, examine
from neurospect.provenance.breaks import BreakKind
from neurospect.provenance.crate import UnsoundResultsError, write_crate
from neurospect.provenance.job import by_hand, recorded_job
from neurospect.provenance.record import read_record, write_record
from neurospect.provenance.trace import trace

if TYPE_CHECKING:
    from conftest import Project

RAW = "data/raw.txt"
NUMBERS = "results/digits/numbers.txt"
PREPARED = "results/digits/prepare.record.json"
LINE = "results/digits/figures/line.png"
THICK = "results/digits/figures/thick.png"


@pytest.fixture(autouse=True)
def workflow(project: Project) -> None:
    """Give the project a workflow."""
    project.file("workflow").mkdir()
    project.file("workflow/Snakefile").write_text("rule all:\n")


def graph(crate: Path) -> dict[str, dict[str, Any]]:
    entities = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    assert len({each["@id"] for each in entities}) == len(entities)
    return {each["@id"]: each for each in entities}


def of_type(entities: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [each for each in entities.values() if kind in _listed(each["@type"])]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def references(value: Any) -> Iterator[str]:
    for each in _listed(value):
        if isinstance(each, dict):
            yield each["@id"]


def files_in(crate: Path) -> dict[str, bytes]:
    return {
        path.relative_to(crate).as_posix(): path.read_bytes()
        for path in crate.rglob("*")
        if path.is_file()
    }


def test_a_file_whose_name_is_not_utf_8_is_traced_audited_and_packed(
    project: Project, tmp_path: Path
) -> None:
    name = os.fsdecode(b"gr\xfcn")
    project.run(
        "scripts/draw.py",
        input={"numbers": NUMBERS},
        output={
            "image": [f"results/digits/figures/{name}.png"],
            "record": f"results/digits/figures/{name}.record.json",
        },
        params={"color": "green"},
    )
    assert main(["trace", f"results/digits/figures/{name}.png", "--html", "page.html"]) == 0
    assert r"gr\udcfcn.png" in Path("page.html").read_text(encoding="utf-8")
    for out in ("crate", "crate.zip"):
        assert main(["crate", "results", "--out", str(tmp_path / out)]) == 0
    crate = tmp_path / "crate"
    packed = crate / r"results/digits/figures/gr\udcfcn.png"
    assert packed.read_bytes() == project.file(f"results/digits/figures/{name}.png").read_bytes()
    ids = {unquote(key) for key in graph(crate)}
    assert packed.relative_to(crate).as_posix() in ids


def test_every_file_is_there_with_the_sha256_and_size_that_the_crate_states(
    project: Project, tmp_path: Path
) -> None:
    write_crate("results", tmp_path / "crate")
    files = files_in(tmp_path / "crate")
    stated = {each["@id"]: each for each in of_type(graph(tmp_path / "crate"), "File")}
    held = {unquote(key): each for key, each in stated.items() if not key.startswith("ni:")}
    assert held.keys() == files.keys() - {"ro-crate-metadata.json"}
    for path, entity in held.items():
        assert entity["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert int(entity["contentSize"]) == len(files[path])
    for path in (NUMBERS, LINE, PREPARED, "scripts/draw.py", "workflow/Snakefile"):
        assert files[path] == project.file(path).read_bytes()


def test_raw_files_are_named_by_content_and_stay_at_home(project: Project, tmp_path: Path) -> None:
    write_crate("results", tmp_path / "crate")
    named = [each for each in of_type(graph(tmp_path / "crate"), "File") if "ni:" in each["@id"]]
    assert [each["name"] for each in named] == ["raw.txt"]
    assert named[0]["sha256"] == hashlib.sha256(project.file(RAW).read_bytes()).hexdigest()
    assert not any("raw.txt" in path for path in files_in(tmp_path / "crate"))


def test_jobs_link_scripts_parameters_and_files_as_the_records_do(
    project: Project, tmp_path: Path
) -> None:
    write_crate("results", tmp_path / "crate")
    entities = graph(tmp_path / "crate")
    jobs = {each["@id"]: each for each in of_type(entities, "CreateAction")}
    assert len(jobs) == 4  # three jobs, and the run as a whole
    for place in (PREPARED, LINE.replace(".png", ".record.json")):
        record, job = read_record(place), jobs[f"#job/{place}"]
        assert job["identifier"] == record.recipe
        assert job["instrument"] == {"@id": record.script}
        assert (job["startTime"], job["endTime"]) == (record.run.started, record.run.ended)
        assert set(references(job["result"])) == {file.path for file in record.outputs}
        given = [entities[key] for key in references(job["object"])]
        values = {each["name"]: each["value"] for each in given if "value" in each}
        assert values == {**record.params, **record.wildcards}
        read = {each["sha256"] for each in given if each["@type"] == "File"}
        assert read == {file.sha256 for file in record.inputs}
        for value in given:
            parameters = [entities[key] for key in references(value["exampleOfWork"])]
            assert all(each["@type"] == "FormalParameter" for each in parameters)


def test_steps_are_linked_from_the_workflow_to_the_jobs(project: Project, tmp_path: Path) -> None:
    write_crate("results", tmp_path / "crate")
    entities = graph(tmp_path / "crate")
    workflow = entities[entities["./"]["mainEntity"]["@id"]]
    steps = [entities[key] for key in references(workflow["step"])]
    assert [(step["name"], step["position"]) for step in steps] == [("prepare", 1), ("draw", 2)]
    (organized,) = of_type(entities, "OrganizeAction")
    controls = [entities[key] for key in references(organized["object"])]
    assert [each["instrument"]["@id"] for each in controls] == [step["@id"] for step in steps]
    jobs = {key for each in controls for key in references(each["object"])}
    assert jobs | {"#run"} == {each["@id"] for each in of_type(entities, "CreateAction")}
    ends = set(references(entities["#run"]["result"]))
    figures = {
        f"results/digits/figures/{n}.{s}" for n in ("line", "thick") for s in ("png", "svg", "pdf")
    }
    assert ends == figures | {"results/digits/remark.txt"}
    assert entities["#run"]["object"]["@id"].startswith("ni:///sha-256;")


def test_every_reference_inside_the_crate_leads_somewhere(project: Project, tmp_path: Path) -> None:
    write_crate("results", tmp_path / "crate")
    entities = graph(tmp_path / "crate")
    asked = {
        key
        for each in entities.values()
        for name, value in each.items()
        if not name.startswith("@")
        for key in references(value)
    }
    assert {key for key in asked - entities.keys() if not key.startswith("https://")} == set()
    context = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())["@context"]
    used = {name for each in entities.values() for name in each if not name.startswith("@")}
    used |= {kind for each in entities.values() for kind in _listed(each["@type"])}
    assert used <= context.keys()


def test_the_same_results_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_crate("results", tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    write_crate("results", tmp_path / "folder")
    with zipfile.ZipFile(tmp_path / "one.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == files_in(
            tmp_path / "folder"
        )


def test_a_crate_of_one_figure_holds_its_chain_alone(project: Project, tmp_path: Path) -> None:
    write_crate("results", tmp_path / "crate", figures=[LINE])
    files = files_in(tmp_path / "crate")
    made = {path for path in files if path.startswith("results/")}
    assert made == {
        LINE,
        LINE.replace(".png", ".record.json"),
        NUMBERS,
        PREPARED,
    }
    jobs = of_type(graph(tmp_path / "crate"), "CreateAction")
    assert {each["name"] for each in jobs} == {"prepare", "draw: name line", "Run of the workflow"}


def test_a_figure_in_a_crate_is_still_traced_to_its_raw_file(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = trace(LINE)
    write_crate("results", tmp_path / "crate", figures=[LINE])
    monkeypatch.chdir(tmp_path / "crate")
    there = trace(LINE)
    assert (there.recipe, list(there.steps)) == (chain.recipe, list(chain.steps))
    # The raw file stayed at home; nothing else is missing.
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "crate")
    kinds = [each.kind for each in audit(LINE)]
    assert kinds in (
        [BreakKind.RAW_MISSING],
        [BreakKind.RAW_MISSING, BreakKind.ENVIRONMENT_CHANGED],
    )


def test_an_audit_in_a_crate_of_one_figure_misses_raw_files_alone(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_crate("results", tmp_path / "crate", figures=[LINE])
    crate = tmp_path / "crate"
    monkeypatch.chdir(crate)
    found = examine(".")
    assert [each.kind for each in found.breaks] == [BreakKind.RAW_MISSING]
    left_out = {path.relative_to(crate).as_posix() for path in found.left_out}
    others = {LINE.replace(".png", suffix) for suffix in (".svg", ".pdf")}
    assert left_out == others | {"results/digits/remark.txt"}
    assert main(["audit", "."]) == 1
    Path(NUMBERS).unlink()
    lost = [each.kind for each in audit(".")]
    assert lost == [BreakKind.RAW_MISSING, BreakKind.OUTPUT_MISSING]


def test_the_metadata_of_another_crate_excuses_no_missing_output(project: Project) -> None:
    graph = {"@graph": [{"@id": "a", "sha256": "0" * 64}]}
    Path("ro-crate-metadata.json").write_text(json.dumps(graph))
    project.file("results/digits/remark.txt").unlink()
    assert [each.kind for each in audit("results")] == [BreakKind.OUTPUT_MISSING]


@pytest.mark.parametrize("name", ["there.zip", "there"])
def test_what_lies_where_a_crate_goes_is_refused_before_work_and_left_alone(
    project: Project, tmp_path: Path, name: str
) -> None:
    there = tmp_path / name
    if name == "there":
        there.mkdir()
        there /= "file"
    there.write_text("mine")
    project.file(LINE).write_text("an audit would find this")
    with pytest.raises(BadInputError, match="something there already"):
        write_crate("results", tmp_path / name)
    assert there.read_text() == "mine"


def test_without_data_only_figures_records_and_code_are_packed(
    project: Project, tmp_path: Path
) -> None:
    write_crate("results", tmp_path / "crate", data=False)
    made = {path for path in files_in(tmp_path / "crate") if path.startswith("results/")}
    assert {Path(path).suffix for path in made} == {".png", ".svg", ".pdf", ".json"}
    assert NUMBERS not in made
    named = {
        each["sha256"]
        for each in of_type(graph(tmp_path / "crate"), "File")
        if "ni:" in each["@id"]
    }
    assert hashlib.sha256(project.file(NUMBERS).read_bytes()).hexdigest() in named


def edit_a_record(project: Project) -> None:
    content = json.loads(project.file(PREPARED).read_text())
    content["params"]["factor"] = 3.0
    project.file(PREPARED).write_text(json.dumps(content))


def delete_a_record(project: Project) -> None:
    project.file(PREPARED).unlink()


def swap_an_output(project: Project) -> None:
    project.file(THICK).write_bytes(project.file(LINE).read_bytes())


def change_a_number(project: Project) -> None:
    project.file(NUMBERS).write_text("2.0\n4.0\n9.0")


BROKEN = {
    edit_a_record: (BreakKind.RECORD_EDITED, PREPARED),
    delete_a_record: (BreakKind.RECORD_DELETED, NUMBERS),
    swap_an_output: (BreakKind.FIGURE_EDITED, THICK),
    change_a_number: (BreakKind.TAMPERED, NUMBERS),
}


@pytest.mark.parametrize("name", ["crate", "crate.zip"])
@pytest.mark.parametrize("breaking", BROKEN)
def test_unsound_results_are_refused_with_the_break_and_nothing_is_written(
    project: Project, tmp_path: Path, breaking: Any, name: str
) -> None:
    breaking(project)
    with pytest.raises(UnsoundResultsError) as refused:
        write_crate("results", tmp_path / "out" / name)
    kind, place = BROKEN[breaking]
    breaks = [
        (each.kind, each.file.relative_to(project.root).as_posix())
        for each in refused.value.found.breaks
    ]
    assert (kind, place) in breaks
    assert f"{kind.value}: {place}" in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("breaking", BROKEN)
def test_unsound_results_that_are_packed_all_the_same_say_so_in_three_places(
    project: Project, tmp_path: Path, breaking: Any
) -> None:
    breaking(project)
    write_crate("results", tmp_path / "crate", unsound=True)
    kind, place = BROKEN[breaking]
    root = graph(tmp_path / "crate")["./"]
    assert root["creativeWorkStatus"] == "Unsound"
    assert f"{kind.value}: {place}" in root["description"]
    breaks = json.loads((tmp_path / "crate/audit.json").read_text())["breaks"]
    assert (kind.value, place) in [(each["kind"], each["file"]) for each in breaks]
    assert f"{kind.value}: {place}" in (tmp_path / "crate/README.md").read_text()


def test_sound_results_say_so(project: Project, tmp_path: Path) -> None:
    write_crate("results", tmp_path / "crate")
    assert graph(tmp_path / "crate")["./"]["creativeWorkStatus"] == "Sound"
    assert json.loads((tmp_path / "crate/audit.json").read_text())["breaks"] == []


def test_a_swapped_output_is_told_with_its_own_sha256(project: Project, tmp_path: Path) -> None:
    swap_an_output(project)
    write_crate("results", tmp_path / "crate", unsound=True)
    entity = graph(tmp_path / "crate")[THICK]
    assert entity["sha256"] == hashlib.sha256(project.file(LINE).read_bytes()).hexdigest()
    assert "Not the bytes" in entity["description"]


def test_a_record_that_claims_files_elsewhere_brings_none_of_them(
    project: Project, tmp_path: Path
) -> None:
    project.file("secret.txt").write_text("secret")
    record = json.loads(project.file(PREPARED).read_text())
    record["outputs"][0]["path"] = "results/digits/../../secret.txt"
    record["script"] = "/etc/hostname"
    record["inputs"][0]["sha256"] = "../../no digest"
    project.file(PREPARED).write_text(json.dumps(record))
    write_record(project.file(PREPARED), read_record(project.file(PREPARED)))
    write_crate("results", tmp_path / "crate", unsound=True)
    files = files_in(tmp_path / "crate")
    assert not any("secret" in path or "hostname" in path for path in files)
    assert [path.name for path in tmp_path.iterdir() if path != project.root] == ["crate"]


def test_a_crate_of_cohorts_is_described_as_a_bids_derivative(
    project: Project, tmp_path: Path
) -> None:
    folder = "results/rest/prepared"
    project.file(folder).mkdir(parents=True)
    declared = by_hand(
        "scripts/prepare.py",
        input={"raw": RAW},
        output={
            "description": f"{folder}/dataset_description.json",
            "record": f"{folder}/describe.record.json",
        },
    )
    source = {"DOI": "doi:10.18112/openneuro.ds000030.v1.0.0"}
    with recorded_job(declared):
        project.file(f"{folder}/dataset_description.json").write_text(
            json.dumps(
                {
                    "Name": "UCLA CNP",
                    "BIDSVersion": "1.10.0",
                    "DatasetType": "derivative",
                    "GeneratedBy": [{"Name": "neurospect", "Version": "0.1.0"}],
                    "SourceDatasets": [source],
                    "License": "CC0-1.0",
                }
            )
        )
    write_crate("results", tmp_path / "crate")
    described = json.loads((tmp_path / "crate/dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["SourceDatasets"] == [source]
    assert {each["Name"] for each in described["GeneratedBy"]} == {"neurospect", "Snakemake"}
    assert described["License"] == graph(tmp_path / "crate")["./"]["license"] == "CC0-1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": "results/crate.zip"}, "inside the results"),
        ({"out": "crate", "figures": ["other.png"]}, "outside of the results"),
        ({"out": "crate", "figures": ["results/none.png"]}, "no such file"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    project: Project, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        write_crate("results", **arguments)
    assert not project.file("crate").exists()


def test_results_without_their_workflow_are_refused(project: Project) -> None:
    project.file("workflow/Snakefile").unlink()
    with pytest.raises(BadInputError, match="workflow/Snakefile"):
        write_crate("results", "crate.zip")


def test_the_command_packs_beside_the_results_and_refuses_with_status_1(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["crate", "results", "--figure", LINE, THICK]) == 0
    assert capsys.readouterr().out.endswith("results.crate.zip\n")
    project.file("results.crate.zip").unlink()
    swap_an_output(project)
    assert main(["crate", "results"]) == 1
    shown = capsys.readouterr()
    assert f"figure edited: {THICK}" in shown.out
    assert "--unsound" in shown.err
    assert not project.file("results.crate.zip").exists()
    assert main(["crate", "results", "--unsound"]) == 0
    assert project.file("results.crate.zip").exists()


def test_results_folders_that_differ_after_a_dot_get_crates_of_their_own(project: Project) -> None:
    project.file("results").rename(project.file("results.v2"))
    assert main(["crate", "results.v2/"]) == 0
    assert project.file("results.v2.crate.zip").exists()
