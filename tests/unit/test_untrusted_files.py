"""Files from elsewhere are data: none of them, and no name in them, is ever run."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from neurospect.arrays.atomic import write_text
from neurospect.arrays.checkpoints import read_checkpoint
from neurospect.arrays.labelled import read_datatree
from neurospect.arrays.numpy_files import open_array
from neurospect.arrays.tables import read_table
from neurospect.cohorts.bids_runs import find_bids_runs
from neurospect.errors import BadInputError
from neurospect.provenance.record import read_record
from neurospect.settings.layers import read_yaml

REPOSITORY = Path(__file__).parents[2]
PYTHON = sorted([*(REPOSITORY / "src").rglob("*.py"), *(REPOSITORY / "scripts").glob("*.py")])
RULES = sorted([*(REPOSITORY / "rules").rglob("*.smk"), REPOSITORY / "workflow/Snakefile"])

# What must be said, word for word, wherever one of these is called.
MUST_SAY = {
    "torch.load": {"weights_only": True},
    "np.load": {"allow_pickle": False},
    "np.save": {"allow_pickle": False},
    "xr.open_dataset": {"engine": "netcdf4"},
    "xr.open_datatree": {"engine": "netcdf4"},
}
# What nothing here needs.
NEVER = {
    *("eval", "exec", "compile", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "pd.read_pickle", "joblib.load"),
    *("np.savez", "np.fromregex", "xr.load_dataset", "xr.open_mfdataset", "torch.jit.load"),
    *("torch.hub.load", "shelve.open", "marshal.loads", "runpy.run_path"),
}
SAFE_LOADERS = {"_EachKeyOnce", "yaml.SafeLoader"}


def calls(text: str) -> Iterator[tuple[str, ast.Call]]:
    """Names that a program calls, as written, with the call."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def offences(text: str) -> list[str]:
    """Calls that could run what a file holds."""
    found = []
    for name, call in calls(text):
        said = {each.arg: ast.unparse(each.value) for each in call.keywords}
        wanted = MUST_SAY.get(name, {})
        unsafe_yaml = name == "yaml.load" and said.get("Loader") not in SAFE_LOADERS
        through_shell = "shell" in said and said["shell"] != "False"
        if (
            name in NEVER
            or name.endswith(".from_pretrained")
            or unsafe_yaml
            or through_shell
            or any(said.get(key) != repr(value) for key, value in wanted.items())
        ):
            found.append(f"line {call.lineno}: {ast.unparse(call)}")
    return found


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "xr.open_dataset(path)",
        "yaml.load(text, Loader=yaml.FullLoader)",
        "yaml.load(text, yaml.Loader)",
        "subprocess.run(line, shell=True)",
        "pickle.loads(data)",
        "AutoModel.from_pretrained(name)",
    ],
)
def test_the_search_for_offences_finds_them(line: str) -> None:
    assert offences(line)


def test_no_module_and_no_script_opens_a_file_in_a_way_that_could_run_it() -> None:
    found = {str(path): offences(path.read_text(encoding="utf-8")) for path in PYTHON}
    assert {path: said for path, said in found.items() if said} == {}


def test_rules_run_scripts_and_never_a_shell() -> None:
    for path in RULES:
        assert not re.findall(
            r"^\s*(?:shell|run|wrapper|notebook)\s*:|\bshell\(", path.read_text(), re.MULTILINE
        )


def test_a_pickled_object_in_an_array_is_refused_and_not_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    np.save(tmp_path / "trap.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(BadInputError, match="Python objects"):
        open_array(tmp_path / "trap.npy")
    assert not mark.exists()
    np.load(tmp_path / "trap.npy", allow_pickle=True)
    assert mark.exists(), "the trap is none"


def test_a_pickled_object_in_a_checkpoint_is_refused_and_not_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"model": Trap(mark)}, tmp_path / "trap.pt")
    with pytest.raises(BadInputError, match="objects other than tensors"):
        read_checkpoint(tmp_path / "trap.pt")
    assert not mark.exists()
    torch.load(tmp_path / "trap.pt", weights_only=False)
    assert mark.exists(), "the trap is none"


@pytest.mark.parametrize("reader", [open_array, read_checkpoint, read_datatree, read_record])
def test_a_bare_pickle_under_another_name_is_refused(tmp_path: Path, reader: Any) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "trap"
    path.write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(BadInputError):
        reader(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:pathlib.Path.touch [{}]",
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/object/new:pathlib.PosixPath ['{}']",
        "!!python/name:os.system",
        "!!python/module:os",
    ],
)
def test_a_python_tag_in_yaml_is_refused_and_not_run(tmp_path: Path, tag: str) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "config.yaml"
    path.write_text(f"results: {tag.format(mark)}\n")
    with pytest.raises(BadInputError, match=r"config\.yaml: line 1: .*python"):
        read_yaml(path)
    assert not mark.exists()


def test_every_yaml_of_the_repository_is_plain() -> None:
    folders = ("config", "envs", "workflow")
    for path in [each for name in folders for each in (REPOSITORY / name).rglob("*.yaml")]:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert "__use_yte__" not in content


def test_cells_that_a_spreadsheet_would_compute_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("participant_id\n=cmd|' /C calc'!A0\n")
    assert read_table(path)["participant_id"].to_list() == ["=cmd|' /C calc'!A0"]


# Links


def test_a_link_under_the_name_of_an_output_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "output.txt").symlink_to(tmp_path / "elsewhere")
    write_text(tmp_path / "output.txt", "made")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "output.txt").is_symlink()


def test_links_out_of_a_cohort_are_followed_for_reading_alone(tmp_path: Path) -> None:
    outside, home = tmp_path / "store", tmp_path / "cohort" / "sub-01" / "func"
    outside.mkdir()
    home.mkdir(parents=True)
    for name in ("desc-preproc_bold", "desc-brain_mask"):
        (outside / name).write_text("content")
        (home / f"sub-01_task-rest_{name}.nii.gz").symlink_to(outside / name)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    (run,) = find_bids_runs(tmp_path / "cohort").runs
    assert run.image.read_text() == "content"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
