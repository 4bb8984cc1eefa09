"""Waiting for what Slurm does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable


def comes_true(condition: Callable[[], bool], patience: float = 60.0) -> bool:
    """Wait for a condition, `patience` seconds at most; tell whether it came true."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
