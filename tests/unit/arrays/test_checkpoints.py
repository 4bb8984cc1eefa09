"""A checkpoint is used by the work that wrote it, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurospect.arrays.checkpoints import own_checkpoint, write_checkpoint


def test_a_checkpoint_of_another_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "unfinished_training.pt"
    assert own_checkpoint(path, {"identity": "a"}) is None
    write_checkpoint(path, {"identity": "a", "epoch": 1})
    assert own_checkpoint(path, {"identity": "a"}) == {"identity": "a", "epoch": 1}
    for whose in ({"identity": "b"}, {"identity": "a", "plan": 1}):
        assert own_checkpoint(path, whose) is None
    assert path.exists()


def test_the_log_says_what_of_a_checkpoint_is_of_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "unfinished_training.pt"
    write_checkpoint(path, {"identity": "a", "plan": 1, "seed": 2})
    own_checkpoint(path, {"identity": "a", "plan": 2, "seed": 3})
    assert caplog.messages == [
        f"{path} belongs to other work (other plan, other seed): starting anew"
    ]
