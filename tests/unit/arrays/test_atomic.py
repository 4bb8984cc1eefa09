"""Files appear whole under their final name, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from neurospect.arrays.atomic import (
    atomic_files,
    atomic_path,
    remove_left_behind,
    write_bytes,
    write_text,
)

KILLED_WHILE_WRITING = """
import contextlib, os, signal, sys
from neurospect.arrays.atomic import atomic_path
with contextlib.ExitStack() as writers:
    for path in sys.argv[1:]:
        writers.enter_context(atomic_path(path)).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    final = tmp_path / "kept.txt"
    final.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(final) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert final.read_text() == "old"
    assert list(tmp_path.iterdir()) == [final]


def test_the_final_name_does_not_exist_while_the_file_is_written(tmp_path: Path) -> None:
    final = tmp_path / "new" / "table.tsv"
    with atomic_path(final) as temporary:
        temporary.write_text("first half")
        assert not final.exists()
        assert temporary.suffix == ".tsv"
        assert temporary.parent == final.parent
    assert final.read_text() == "first half"
    assert list(final.parent.iterdir()) == [final]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("sub-01_bold.nii.gz", ".nii.gz"),
        ("v1.0.nii.gz", ".nii.gz"),
        ("v1.0.nii", ".nii"),
        ("table.gz", ".gz"),
        ("1.0.tar.gz", ".tar.gz"),
        ("no_suffix", ""),
        (".hidden", ""),
    ],
)
def test_a_temporary_name_keeps_the_suffix_also_a_double_one(
    tmp_path: Path, name: str, suffix: str
) -> None:
    with atomic_path(tmp_path / name) as temporary:
        assert temporary.name != name
        assert temporary.name.endswith(f".part{suffix}")
        temporary.write_text(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    with atomic_files(folder) as temporary:
        for name in ("maps.nii.gz", "maps.json"):
            (temporary / name).write_text(name)
        assert not (folder / "maps.json").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["maps.json", "maps.nii.gz"]


def test_files_that_belong_together_stay_as_they_were_when_one_fails(tmp_path: Path) -> None:
    (tmp_path / "maps.json").write_text("old")
    with pytest.raises(RuntimeError), atomic_files(tmp_path) as temporary:
        (temporary / "maps.json").write_text("new")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["maps.json"]
    assert (tmp_path / "maps.json").read_text() == "old"


def test_texts_and_bytes_are_written_as_given(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "28 × 28\n")
    write_bytes(tmp_path / "bytes", bytes(range(256)))
    assert (tmp_path / "text").read_bytes() == "28 × 28\n".encode()
    assert (tmp_path / "bytes").read_bytes() == bytes(range(256))


def test_what_killed_writers_left_of_a_file_goes_and_nothing_else(tmp_path: Path) -> None:
    ours = [tmp_path / name for name in ("maps.nii.gz", "record", "runs.record.json")]
    others = [tmp_path / name for name in ("maps.nii", "maps.json", "runs.tsv")]
    subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, *ours, *others], check=False)
    assert len(list(tmp_path.glob(".*.part*"))) == 6
    for path in (*ours, *others):
        path.write_text("whole")
    remove_left_behind([*ours, tmp_path / "no such folder" / "file"])
    left = sorted(path.name.partition(".part")[2] for path in tmp_path.glob(".*.part*"))
    assert left == [".json", ".nii", ".tsv"]
    assert all(path.read_text() == "whole" for path in (*ours, *others))
