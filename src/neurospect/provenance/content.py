"""Digests of values and of files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def canonical_json(value: object) -> str:
    """Write a value as the one JSON text that every machine writes for it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def as_utf8(text: str) -> str:
    """Write what UTF-8 cannot hold, as of a file name in another encoding, as its escape."""
    return text.encode(errors="backslashreplace").decode()


def value_sha256(value: object) -> str:
    """sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shared_copy_too(path: Path) -> str:
    """Sentence for a remedy that deletes a file: of a link to a shared file, both must go."""
    if not path.is_symlink() or not path.exists():
        return ""
    return f" Delete the shared file, too, or it comes back: {path.resolve()}"


def absolute(path: str | Path) -> Path:
    """Write a path from the root, without following links."""
    return Path(os.path.normpath(Path.cwd() / path))
