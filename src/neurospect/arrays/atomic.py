"""Files that appear whole under their final name, or not at all."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part(.*)")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well.

    The temporary name keeps the suffix, also a double one such as `.nii.gz`, so that writers
    which choose a format by it work.
    A block that raises leaves `path` as it was and removes the temporary file.

    Parameters
    ----------
    path
        Final name. Missing parent folders are made.

    Yields
    ------
    pathlib.Path
        Where to write.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    stem, suffix = _stem_and_suffix(final)
    temporary = final.with_name(f".{stem}.{secrets.token_hex(4)}.part{suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_behind(paths: Iterable[str | Path]) -> None:
    """Remove what killed writers left of files, under their temporary names.

    Parameters
    ----------
    paths
        Final names; nobody else may be writing these files.
    """
    names: dict[Path, set[tuple[str, str]]] = {}
    for final in map(Path, paths):
        names.setdefault(final.parent, set()).add(_stem_and_suffix(final))
    for folder, own in names.items():
        for file in folder.glob(".*.part*"):
            found = _TEMPORARY.fullmatch(file.name)
            if found and (found[1], found[2]) in own:
                file.unlink(missing_ok=True)


def _stem_and_suffix(final: Path) -> tuple[str, str]:
    suffix = "".join(final.suffixes[-2:]) if final.suffix == ".gz" else final.suffix
    return final.name.removesuffix(suffix), suffix


@contextmanager
def atomic_files(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder in `folder`; move its files out when the block ends well.

    For files that belong together: a block that raises leaves those in `folder` as they were.

    Parameters
    ----------
    folder
        Where the files go, under their own names. Made if missing.

    Yields
    ------
    pathlib.Path
        The temporary folder; files only, no folders, are to be written into it.
    """
    final = Path(folder)
    final.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part.", dir=final) as temporary:
        yield Path(temporary)
        for written in sorted(Path(temporary).iterdir()):
            written.replace(final / written.name)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 under `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` under `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
