"""A checkpoint goes when it is no longer needed, and what killed writers left of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from neurospect.arrays.checkpoints import own_checkpoint, remove_checkpoint, write_checkpoint

KILLED_WHILE_WRITING = """
import os, signal, sys
from neurospect.arrays.atomic import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_bytes(b"the first half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _kill_a_writer_of(path: Path) -> None:
    writer = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, path], check=False)
    assert writer.returncode == -signal.SIGKILL


def test_a_checkpoint_goes_with_what_its_killed_writers_left_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    ours, other = tmp_path / "unfinished_training.pt", tmp_path / "unfinished_check.pt"
    write_checkpoint(ours, {"epoch": 1})
    for path in (ours, ours, other):
        _kill_a_writer_of(path)
    assert len(list(tmp_path.iterdir())) == 4
    remove_checkpoint(ours)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".unfinished_check.")
    remove_checkpoint(ours)


def test_a_checkpoint_of_another_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "unfinished_training.pt"
    assert own_checkpoint(path, {"identity": "a"}) is None
    write_checkpoint(path, {"identity": "a", "epoch": 1})
    assert own_checkpoint(path, {"identity": "a"}) == {"identity": "a", "epoch": 1}
    for whose in ({"identity": "b"}, {"identity": "a", "plan": 1}):
        assert own_checkpoint(path, whose) is None
    assert path.exists()
