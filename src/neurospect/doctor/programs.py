"""Other programs, asked a question."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

PATIENCE = 30.0
"""Seconds until a program counts as stuck."""


@dataclass(frozen=True)
class Answer:
    """What a program said, and whether it ended well."""

    good: bool
    said: str
    complaint: str

    @property
    def last_words(self) -> str:
        """What it said last, complaints first."""
        lines = (self.complaint.strip() or self.said.strip()).splitlines()
        return lines[-1].strip() if lines else "nothing"


def ask(*command: str, seconds: float = PATIENCE) -> Answer:
    """Run a program without a shell and without input, and give what it said.

    A program that is not there, cannot be run, or takes too long is an answer, too.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        return Answer(False, "", f"{command[0]}: no answer within {seconds:g} s")
    except (OSError, ValueError) as error:  # the latter for NUL in an argument
        return Answer(False, "", f"{command[0]}: {getattr(error, 'strerror', None) or error}")
    return Answer(done.returncode == 0, done.stdout, done.stderr)


def missing(*programs: str) -> list[str]:
    """Name those that are not on the PATH."""
    return [name for name in programs if shutil.which(name) is None]
