"""A checkpoint is used by the work that wrote it, and by no other."""

from __future__ import annotations

from pathlib import Path

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint


def test_a_checkpoint_of_another_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "unfinished_training.pt"
    assert own_checkpoint(path, {"identity": "a"}) is None
    write_checkpoint(path, {"identity": "a", "epoch": 1})
    assert own_checkpoint(path, {"identity": "a"}) == {"identity": "a", "epoch": 1}
    for whose in ({"identity": "b"}, {"identity": "a", "plan": 1}):
        assert own_checkpoint(path, whose) is None
    assert path.exists()
