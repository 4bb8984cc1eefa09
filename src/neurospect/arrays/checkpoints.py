"""Checkpoints of PyTorch: tensors and plain values, never code."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError


def write_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all; same content, same bytes."""
    # PyTorch puts the name of a file that it opens itself into the archive; a buffer has none.
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote, onto the CPU, refusing anything that could run code.

    Raises
    ------
    BadInputError
        When the file is missing, cut short or damaged, or is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise BadInputError(
            path,
            "checkpoint",
            found=f"a file that cannot be read ({str(error).splitlines()[0][:120]})",
            expected="a whole checkpoint",
            remedy="Delete it: the training then starts anew from its beginning.",
        ) from error
    if not isinstance(content, dict):
        raise BadInputError(
            path,
            "checkpoint",
            found=type(content).__name__,
            expected="a dictionary",
            remedy="Delete it: it was not written by neurospect.",
        )
    return content
