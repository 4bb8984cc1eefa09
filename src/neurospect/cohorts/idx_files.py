"""The IDX format of the MNIST files: four big-endian integers, or two, and then bytes."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurospect.arrays.atomic import write_bytes
from neurospect.errors import BadInputError

SIDE = 28
IMAGES_MAGIC = 0x00000803
LABELS_MAGIC = 0x00000801


@dataclass(frozen=True)
class IdxFile:
    """One of the four MNIST files: what it is called, holds, and must hash to."""

    part: str
    magic: int
    name: str
    md5: str

    @property
    def accepted_names(self) -> list[str]:
        """Names under which the file is found, the usual one first."""
        dotted = self.name.replace("-idx", ".idx")
        return [self.name, dotted, f"{self.name}.gz", f"{dotted}.gz"]


MNIST_FILES = (
    IdxFile("train", IMAGES_MAGIC, "train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
    IdxFile("train", LABELS_MAGIC, "train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
    IdxFile("test", IMAGES_MAGIC, "t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
    IdxFile("test", LABELS_MAGIC, "t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
)


def find_idx_files(folder: str | Path) -> list[Path]:
    """Find the four MNIST files in a folder, in the order of `MNIST_FILES`.

    Parameters
    ----------
    folder
        Where they lie, plain or `.gz`, with `-` or `.` before `idx`.

    Raises
    ------
    BadInputError
        If one of them is not there.
    """
    found = []
    for file in MNIST_FILES:
        candidates = [Path(folder) / name for name in file.accepted_names]
        present = [path for path in candidates if path.is_file()]
        if not present:
            raise BadInputError(
                Path(folder),
                "files",
                found=f"none of {', '.join(file.accepted_names)}",
                expected="the four MNIST files in IDX format",
                remedy="Put them into this folder, or use the packaged digits (source: packaged).",
            )
        found.append(present[0])
    return found


def read_idx_file(path: Path, file: IdxFile, *, verify: bool = True) -> NDArray[np.uint8]:
    """Read one file, checking each byte count that it announces.

    Parameters
    ----------
    path
        The file, plain or `.gz`.
    file
        What it should be.
    verify
        Also check the md5 of the uncompressed bytes against the published one.

    Returns
    -------
    numpy.ndarray
        uint8, shape (images, 28, 28), or (labels,).

    Raises
    ------
    BadInputError
        If the file is of another kind, cut short, too long, or (with `verify`) not the one
        that was published.
    """
    content = _uncompressed(path)
    is_images = file.magic == IMAGES_MAGIC
    header = 16 if is_images else 8
    if len(content) < header or struct.unpack(">I", content[:4])[0] != file.magic:
        raise BadInputError(
            path,
            "header",
            found=content[:4].hex()
            if len(content) >= header
            else f"a file of {len(content)} bytes",
            expected=f"{file.magic:08x} ({'images' if is_images else 'labels'} in IDX format)",
            remedy="This is another file, or one cut short; put the right one there.",
        )
    count, *sides = struct.unpack(f">{header // 4 - 1}I", content[4:header])
    if is_images and sides != [SIDE, SIDE]:
        found = f"{sides[0]} × {sides[1]} pixels"
        raise BadInputError(
            path,
            "size of the images",
            found=found,
            expected="28 × 28 pixels",
            remedy="Put the MNIST file there.",
        )
    expected = header + count * (SIDE * SIDE if is_images else 1)
    if len(content) != expected:
        raise BadInputError(
            path,
            "length",
            found=f"{len(content)} bytes",
            expected=f"{expected} bytes for {count} {'images' if is_images else 'labels'}",
            remedy="The file was cut short or appended to; copy it again.",
        )
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if verify and md5 != file.md5:
        remedy = "This is not the published file; copy it again, from another source."
        raise BadInputError(
            path, "md5 of the uncompressed file", found=md5, expected=file.md5, remedy=remedy
        )
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    return values.reshape(count, SIDE, SIDE) if is_images else values


def idx_bytes(values: NDArray[Any]) -> bytes:
    """Return images, shape (n, 28, 28), or labels, shape (n,), in IDX format."""
    magic = IMAGES_MAGIC if values.ndim == 3 else LABELS_MAGIC
    header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    return header + np.ascontiguousarray(values, dtype=np.uint8).tobytes()


def write_idx_files(
    folder: str | Path, parts: dict[str, tuple[NDArray[Any], NDArray[Any]]], *, verify: bool = True
) -> list[Path]:
    """Write the four MNIST files, uncompressed, under their usual names.

    Parameters
    ----------
    folder
        Where to; made if missing.
    parts
        For `train` and `test`: images (n, 28, 28) and labels (n,), of values 0 to 255.
    verify
        Write nothing unless all four have the published md5.

    Returns
    -------
    list of pathlib.Path
        The four files, in the order of `MNIST_FILES`.

    Raises
    ------
    BadInputError
        If, with `verify`, one of them is not the published file.
    """
    contents = {
        file.name: idx_bytes(parts[file.part][0 if file.magic == IMAGES_MAGIC else 1])
        for file in MNIST_FILES
    }
    for file in MNIST_FILES:
        md5 = hashlib.md5(contents[file.name], usedforsecurity=False).hexdigest()
        if verify and md5 != file.md5:
            remedy = "What was given is not MNIST in its published order; nothing was written."
            raise BadInputError(
                Path(folder) / file.name, "md5", found=md5, expected=file.md5, remedy=remedy
            )
    paths = [Path(folder) / file.name for file in MNIST_FILES]
    for path in paths:
        write_bytes(path, contents[path.name])
    return paths


def _uncompressed(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        raise BadInputError(
            path,
            "file",
            found=found,
            expected="a readable file in IDX format",
            remedy="Check the folder.",
        ) from None
    if path.suffix != ".gz":
        return content
    # not gzip.decompress: of a stream cut short, this gives the bytes that are there
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(content) + stream.flush()
    except zlib.error as error:
        raise BadInputError(
            path,
            "compression",
            found=str(error),
            expected="a whole gzip file",
            remedy="Copy the file again.",
        ) from None
    return plain
