"""Files appear whole under their final name, or not at all."""

from pathlib import Path

import pytest

from neurospect.arrays.atomic import atomic_path, write_bytes, write_text


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


def test_texts_and_bytes_are_written_as_given(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "28 × 28\n")
    write_bytes(tmp_path / "bytes", bytes(range(256)))
    assert (tmp_path / "text").read_bytes() == "28 × 28\n".encode()
    assert (tmp_path / "bytes").read_bytes() == bytes(range(256))
