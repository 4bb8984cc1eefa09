"""A bundle is whole or not there, and the same files give the same bytes."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from neurospect.arrays.bundles import Member, write_bundle
from neurospect.errors import BadInputError

DATA = b"0123456789" * 300_000


def members(folder: Path) -> list[Member]:
    file = folder / "numbers.bin"
    file.write_bytes(DATA)
    return [
        Member("results/numbers.bin", file, hashlib.sha256(DATA).hexdigest()),
        Member("README.md", b"what this is\n"),
    ]


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_bundle_holds_the_files_and_nothing_else(tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / name
    write_bundle(out, members(tmp_path))
    if out.suffix == ".zip":
        with zipfile.ZipFile(out) as archive:
            assert archive.testzip() is None
            found = {entry: archive.read(entry) for entry in archive.namelist()}
    else:
        files = [path for path in out.rglob("*") if path.is_file()]
        found = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    assert found == {"results/numbers.bin": DATA, "README.md": b"what this is\n"}
    assert list(out.parent.iterdir()) == [out]


def test_a_zip_of_the_same_files_has_the_same_bytes_on_another_day(tmp_path: Path) -> None:
    write_bundle(tmp_path / "first.zip", members(tmp_path))
    os.utime(tmp_path / "numbers.bin", (0, 10**9))
    (tmp_path / "numbers.bin").chmod(0o600)
    write_bundle(tmp_path / "second.zip", [*members(tmp_path)])
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_file_that_is_not_what_was_said_leaves_no_bundle(tmp_path: Path, name: str) -> None:
    good, note = members(tmp_path)
    changed = Member("results/other.bin", tmp_path / "numbers.bin", "0" * 64)
    with pytest.raises(BadInputError, match=r"results/other\.bin: sha256"):
        write_bundle(tmp_path / name, [good, note, changed])
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.bin"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "kept.txt").write_text("kept")
    with pytest.raises(BadInputError, match="something there already"):
        write_bundle(out, members(tmp_path))
    assert [path.name for path in out.iterdir()] == ["kept.txt"]
