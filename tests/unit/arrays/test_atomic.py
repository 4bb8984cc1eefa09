"""Files appear whole under their final name, or not at all."""

from pathlib import Path

import pytest

from neurospect.arrays.atomic import atomic_files, atomic_path, write_bytes, write_text


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
