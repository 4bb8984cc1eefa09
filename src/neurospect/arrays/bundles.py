"""Many files as one folder or one zip, whole or not at all, the same bytes every time."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from neurospect.arrays.atomic import atomic_path
from neurospect.errors import BadInputError

_CHUNK = 1 << 20
_NO_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Member:
    """A file of a bundle.

    Parameters
    ----------
    path
        Where it goes, relative to the bundle, with slashes.
    content
        The file to copy, or the bytes to write.
    sha256
        What its bytes must be; None where nobody has said.
    """

    path: str
    content: Path | bytes
    sha256: str | None = None


def write_bundle(out: str | Path, members: Iterable[Member]) -> None:
    """Write files into a new folder, or into a zip where `out` ends in ``.zip``.

    A zip holds no times and no owners, so that the same files give the same bytes.

    Parameters
    ----------
    out
        The folder, which must not exist or must be empty; or the zip, which is replaced.
    members
        The files.

    Raises
    ------
    BadInputError
        There is something in the folder already, or a file is not what its sha256 says.
    """
    final = Path(out)
    if final.suffix == ".zip":
        _write_zip(final, members)
    else:
        _write_folder(final, members)


def _write_zip(final: Path, members: Iterable[Member]) -> None:
    with (
        atomic_path(final) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for member in members:
            entry = zipfile.ZipInfo(member.path, _NO_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as target:
                _copy(member, target)


def _write_folder(final: Path, members: Iterable[Member]) -> None:
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise BadInputError(
            final,
            "folder",
            found="something there already",
            expected="a folder that does not exist or is empty",
            remedy="Remove it, or name another.",
        )
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        for member in members:
            path = temporary / member.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                _copy(member, target)
        temporary.replace(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(member: Member, target: IO[bytes]) -> None:
    digest = hashlib.sha256()
    if isinstance(member.content, bytes):
        digest.update(member.content)
        target.write(member.content)
    else:
        with member.content.open("rb") as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
    if member.sha256 not in (None, digest.hexdigest()):
        raise BadInputError(
            member.path,
            "sha256",
            found=digest.hexdigest()[:12],
            expected=str(member.sha256)[:12],
            remedy="The file changed while it was copied: leave it alone, and start again.",
        )
