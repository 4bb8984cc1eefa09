"""The folders that work is written into: room, rights, and what their file system can do."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from neurospect.arrays.atomic import write_text
from neurospect.arrays.labelled import read_datatree, write_datatree
from neurospect.arrays.numpy_files import open_array, write_array
from neurospect.doctor.findings import Finding, fault, ok, warning
from neurospect.errors import BadInputError
from neurospect.provenance.shared import FOLDER_VARIABLE, check_shared_folder

GIGABYTE = 10**9
ENOUGH, TOO_LITTLE = 20.0, 1.0
"""Free room in GB from which all is well, and below which work will fail."""
FEW_FILES = 100_000
CLOCKS_APART = 2.0
"""Seconds; some file systems keep whole seconds only."""
IN_MEMORY = ("tmpfs", "ramfs")
PREFIX = ".neurospect-doctor."
_OCTAL = re.compile(r"\\([0-7]{3})")  # of a blank, as in /proc/self/mounts


def folders(results: Path) -> Iterator[Finding]:
    """Check the results folder, the working directory and the scratch folder."""
    yield from folder("results", results)
    yield from folder("working directory", Path.cwd(), enough=TOO_LITTLE)
    yield from folder("scratch", Path(tempfile.gettempdir()), enough=TOO_LITTLE, may_be_memory=True)


def shared_folder() -> Iterator[Finding]:
    """Check the folder of results that projects share, where the environment names one."""
    if FOLDER_VARIABLE in os.environ:
        yield from folder("shared results", check_shared_folder())


def folder(
    check: str, path: Path, *, enough: float = ENOUGH, may_be_memory: bool = False
) -> Iterator[Finding]:
    """Check one folder: its room, and by writing into it, whether work can be kept there.

    Parameters
    ----------
    check
        What it is for.
    path
        The folder; where it is not made yet, the nearest folder above it is looked at.
    enough
        Free room in GB below which to warn.
    may_be_memory
        Whether a folder that is lost with the machine's power will do.
    """
    whole = path.absolute()
    nearest = next(each for each in (whole, *whole.parents) if os.path.lexists(each))
    kind = file_system(nearest)
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=nearest) as trial:
            findings = [*_trials(check, Path(trial)), *_room(check, nearest, enough)]
    except OSError as error:
        yield fault(
            check,
            f"{nearest}: {error.strerror or error}",
            "a folder that can be written",
            "Give another folder, or mend its permissions.",
        )
        return
    if kind in IN_MEMORY and not may_be_memory:
        findings.append(
            warning(
                f"{check}, file system",
                f"{nearest} on {kind}, which is memory",
                "a disk",
                "Give a folder that outlives a restart of the machine.",
            )
        )
    free = shutil.disk_usage(nearest).free / GIGABYTE
    yield from findings or [ok(check, f"{nearest} on {kind}, written; {free:,.1f} GB free")]


def file_system(path: Path) -> str:
    """Name the kind of file system that a path lies on, as the kernel calls it."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "a file system that cannot be told"
    whole = path.resolve()
    kinds = {
        Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[1])): fields[2]
        for fields in mounts
        if len(fields) > 2
    }
    around = [point for point in kinds if whole.is_relative_to(point)]
    if not around:
        return "a file system that cannot be told"
    return kinds[max(around, key=lambda point: len(point.parts))]


def _trials(check: str, trial: Path) -> Iterator[Finding]:
    """Write as the steps do, over a file in use, arrays and netCDF; say what does not work."""
    name = f"{check}, writing"
    file = trial / "text.txt"
    write_text(file, "before")
    before = time.time()
    with file.open(encoding="utf-8") as in_use:
        write_text(file, "after")
        kept = in_use.read()
    apart = file.stat().st_mtime - before
    write_array(trial / "array.npy", np.arange(8.0))
    try:
        write_datatree(trial / "tree.nc", xr.DataTree(xr.Dataset({"x": ("step", np.arange(3))})))
        read_datatree(trial / "tree.nc")
        sums = float(open_array(trial / "array.npy").sum())
    except BadInputError as refused:
        yield fault(
            name,
            refused.found,
            "netCDF and memory-mapped arrays, written and read back",
            "Where locks are refused, set HDF5_USE_FILE_LOCKING=FALSE; else give another folder.",
        )
        return
    if (file.read_text(encoding="utf-8"), kept, sums) != ("after", "before", 28.0):
        yield fault(
            name,
            "other content than was written",
            "a rename that replaces a file at once, also while it is read",
            "Give a folder on another file system.",
        )
    elif abs(apart) > CLOCKS_APART:
        yield warning(
            name,
            f"files dated {apart:+.1f} s from this machine's clock",
            f"at most {CLOCKS_APART:g} s, since Snakemake compares dates",
            "Ask for the clocks of this machine and of the file server to be set.",
        )


def _room(check: str, path: Path, enough: float) -> Iterator[Finding]:
    """Say where there is too little."""
    free = shutil.disk_usage(path).free / GIGABYTE
    files = os.statvfs(path).f_favail
    # some file systems do not count files and say 0 of 0
    few = os.statvfs(path).f_files > 0 and files < FEW_FILES
    found = f"{free:,.1f} GB" + (f", and {files:,} more files" if few else "")
    remedy = "Make room, or give another folder; look at your quota, too."
    if free < TOO_LITTLE:
        yield fault(f"{check}, room", found, f"{enough:g} GB or more", remedy)
    elif free < enough or few:
        expected = f"{enough:g} GB and {FEW_FILES:,} files or more"
        yield warning(f"{check}, room", found, expected, remedy)
