"""Checkpoints of PyTorch: tensors and plain values, never code."""

from __future__ import annotations

import io
import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError

log = logging.getLogger(__name__)


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
        # PyTorch does not compare the checksums that it writes.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, "objects other than tensors and plain values") from error
    except (OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _refused(path, f"a file that cannot be read ({said.splitlines()[0]})") from error
    if not isinstance(content, dict):
        raise _refused(path, type(content).__name__)
    return content


def own_checkpoint(path: str | Path, whose: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a checkpoint if it is there and its own.

    Parameters
    ----------
    path
        Where it may lie.
    whose
        Entries that tell whose it is; one with others is not used, and the log says so.

    Returns
    -------
    dict or None
        The whole content.

    Raises
    ------
    BadInputError
        When the file is no checkpoint.
    """
    if not Path(path).exists():
        return None
    content = read_checkpoint(path)
    others = [f"other {key}" for key, value in whose.items() if content.get(key) != value]
    if others:
        log.warning("%s belongs to other work (%s): starting anew", path, ", ".join(others))
        return None
    return content


def _refused(path: str | Path, found: str) -> BadInputError:
    return BadInputError(
        path,
        "checkpoint",
        found=found,
        expected="a whole checkpoint of tensors and plain values",
        remedy="Delete it and run the step that writes it again; a training then starts anew.",
    )
