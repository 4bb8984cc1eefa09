"""The records of a results folder, and the links between them.

A link says which bytes, made by which recipe; the path beside it only says where to look first.
So a results folder that was copied or renamed, or a file that was moved in it, is still found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.content import absolute, file_sha256
from neurospect.provenance.places import Filed, filed_at, in_their_places, namesake
from neurospect.provenance.record import (
    RESULTS,
    SUFFIX,
    InputFile,
    OutputFile,
    is_in_results,
    read_record,
)
from neurospect.provenance.tags import FIGURE_SUFFIXES, read_recipe

CHAIN_PAGE = ".chain.html"
"""How the name of a page ends that shows the chain of a figure."""


@dataclass(frozen=True)
class Origin:
    """The job that made an input, and whether it still makes those bytes."""

    filed: Filed
    output: OutputFile
    same: bool


@dataclass
class Archive:
    """Records by recipe, by content and by file; files already hashed.

    Parameters
    ----------
    filed
        The records.
    unreadable
        Files that are named as records and are none, with the reason.
    """

    filed: list[Filed] = field(default_factory=list)
    unreadable: dict[Path, BadInputError] = field(default_factory=dict)
    by_recipe: dict[str, list[Filed]] = field(default_factory=dict)
    by_sha256: dict[str, list[tuple[Filed, OutputFile]]] = field(default_factory=dict)
    by_file: dict[Path, tuple[Filed, OutputFile]] = field(default_factory=dict)
    _read: dict[Path, Filed] = field(default_factory=dict)
    _hashed: dict[Path, str] = field(default_factory=dict)

    def sha256(self, path: Path) -> str:
        """sha256 of a file, hashed once and never taken from a record."""
        if path not in self._hashed:
            self._hashed[path] = file_sha256(path)
        return self._hashed[path]

    def hash_ahead(self, paths: Iterable[Path]) -> None:
        """Hash files side by side, those that are there and not hashed yet."""
        waiting = [path for path in dict.fromkeys(paths) if path not in self._hashed]
        # Hashing leaves the interpreter to other threads, and waits for the disk.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            found = threads.map(_sha256_if_there, waiting)
            self._hashed.update(
                (path, sha256) for path, sha256 in zip(waiting, found, strict=True) if sha256
            )

    @property
    def files_hashed(self) -> int:
        """How many files were hashed."""
        return len(self._hashed)

    def add(self, paths: Iterable[Path]) -> None:
        """Read the records at these paths, those not read yet, and index all anew."""
        for path in sorted(set(paths) - self._read.keys() - self.unreadable.keys()):
            try:
                self._read[path] = filed_at(path, read_record(_no_device(path)))
            except BadInputError as fault:
                self.unreadable[path] = fault
        self._index()

    def _index(self) -> None:
        self.by_file, self.by_recipe, self.by_sha256 = {}, {}, {}
        placed = {filed.at: filed for filed in in_their_places(self._read.values())}
        claims = sorted(
            placed.values(), key=lambda each: (not each.misplaced, each.record.run.ended)
        )
        for filed in claims:
            for output in filed.record.outputs:
                self.by_file[filed.place(output)] = (filed, output)
        # A renamed rule leaves the record of its old name behind: a later job wrote its outputs.
        current = {filed.at for filed, _ in self.by_file.values()}
        self.filed = [
            filed
            for path, filed in sorted(placed.items())
            if path in current or not filed.record.outputs
        ]
        for filed in self.filed:
            self.by_recipe.setdefault(filed.record.recipe, []).append(filed)
            for output in filed.record.outputs:
                self.by_sha256.setdefault(output.sha256, []).append((filed, output))

    def with_content(self, sha256: str, size: int) -> Path | None:
        """Find a file with these bytes, and no record of its own, in folders that hold records."""
        for folder in sorted({filed.at.parent for filed in self.filed}):
            for path in sorted(folder.iterdir()):
                if path in self.by_file or not path.is_file() or path.stat().st_size != size:
                    continue
                if self.sha256(path) == sha256:
                    return path
        return None


def open_archive(path: str | Path) -> tuple[Path, Archive]:
    """Read every record that a figure or a results folder can be linked to.

    Read are the records in and under a folder (of a figure: beside it), and in the results folder
    that those lie in. For a figure that lies elsewhere, the nearest folder ``results`` is read
    that is beside it, beside a folder above it, or in the working directory. A link of which these
    records do not speak is followed.

    Parameters
    ----------
    path
        A figure, or a folder.

    Returns
    -------
    tuple
        The figure or folder, absolute and, where it had to be, with links followed; the records.
    """
    target = absolute(path)
    archive = _archive_of(target)
    true = target.resolve()
    if true == target or _speaks_of(archive, target):
        return target, archive
    return true, _archive_of(true)


def _archive_of(target: Path) -> Archive:
    archive = Archive()
    if target.is_dir():
        archive.add(_record_files(target))
    else:
        archive.add(target.parent.glob(f"*{SUFFIX}"))
    for folder in [*target.parents, Path.cwd()]:
        if archive.filed if target.is_dir() else find_figure(archive, target):
            break
        archive.add(_record_files(folder / RESULTS))
    homes = {filed.results or namesake(filed) for filed in archive.filed}
    for home in sorted(home for home in homes if home not in (None, target)):
        archive.add(_record_files(home))
    _add_linked(archive)
    return archive


def _speaks_of(archive: Archive, target: Path) -> bool:
    if target.is_dir():
        return any(filed.results and filed.at.is_relative_to(target) for filed in archive.filed)
    return find_figure(archive, target) is not None


def find_figure(archive: Archive, figure: Path) -> tuple[Filed, OutputFile, str] | None:
    """Find the record of a figure, or of another file, and by what it was found.

    Returns
    -------
    tuple or None
        The record, the output that is the figure, and ``"tag"``, ``"sha256"`` or ``"place"``.
    """
    if not figure.is_file():
        # A link to nothing, or a device, which would be read for ever.
        return (*archive.by_file[figure], "place") if figure in archive.by_file else None
    tag = tag_of(figure)
    for filed in archive.by_recipe.get(tag or "", []):
        outputs = [o for o in filed.record.outputs if Path(o.path).suffix == figure.suffix]
        # A job may draw several figures: place tells which, else bytes, else the first is taken.
        outputs.sort(key=lambda o: (filed.place(o) != figure, o.sha256 != archive.sha256(figure)))
        if outputs:
            return filed, outputs[0], "tag"
    claims = archive.by_sha256.get(archive.sha256(figure), [])
    if claims:
        return *claims[0], "sha256"
    if figure in archive.by_file:
        return *archive.by_file[figure], "place"
    return None


def origin(archive: Archive, filed: Filed, link: InputFile) -> Origin | None:
    """Find the job that made an input of a record; None where no record tells.

    Where a record claims the place of the input, it is the origin; elsewhere, and where reader or
    origin are misplaced, bytes tell. A job of another recipe that makes the same bytes is the
    origin too.
    """
    claim = archive.by_file.get(filed.locate(link.path))
    if claim and filed.in_place and not claim[0].misplaced:
        return Origin(*claim, same=claim[1].sha256 == link.sha256)
    kin = archive.by_recipe.get(link.recipe or "", [])
    near = sorted(kin, key=lambda other: other.root != filed.root)
    for other in near:
        for output in other.record.outputs:
            if output.sha256 == link.sha256:
                return Origin(other, output, same=True)
    for other, output in archive.by_sha256.get(link.sha256, []):
        return Origin(other, output, same=True)
    for other in near:
        for output in other.record.outputs:
            if Path(output.path).name == Path(link.path).name:
                return Origin(other, output, same=False)
    return Origin(*claim, same=False) if claim else None


def is_raw(filed: Filed, link: InputFile) -> bool:
    """Whether an input was no job's: none is stated, and it lies outside of the results folder."""
    return link.recipe is None and not is_in_results(filed.record, link.path)


def find_file(filed: Filed, path: str) -> Path | None:
    """Find the file that a path in a record means: at home; else in the working directory."""
    places = (filed.locate(path), Path.cwd() / path)
    return next((place for place in places if place.is_file()), None)


def _add_linked(archive: Archive) -> None:
    """Add records that lie beside linked files elsewhere, such as files that a job fetched."""
    asked: set[Path] = set()
    while folders := _linked_folders(archive) - asked:
        asked |= folders
        archive.add(path for folder in folders for path in folder.glob(f"*{SUFFIX}"))


def _linked_folders(archive: Archive) -> set[Path]:
    folders = set()
    for filed in archive.filed:
        for path in {link.path for link in filed.record.inputs if not is_raw(filed, link)}:
            home = filed.locate(path).parent
            folders.add(home if home.is_dir() else (Path.cwd() / path).parent)
    return folders


def files_under(folder: Path) -> Iterator[Path]:
    """Files in and under a folder, in order; hidden files and folders are left out.

    Linked folders are followed, each once, but for those that lie in the folder or hold it.
    """
    true = folder.resolve()
    followed: set[Path] = set()

    def is_walked(path: Path) -> bool:
        if not path.is_symlink():
            return True
        target = path.resolve()
        within = target.is_relative_to(true) or true.is_relative_to(target)
        if within or target in followed:
            return False
        followed.add(target)
        return True

    for parent, folders, names in os.walk(folder, followlinks=True):
        shown = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in shown if is_walked(Path(parent) / name)]
        yield from (Path(parent) / name for name in sorted(names) if not name.startswith("."))


def is_figure(path: str | Path) -> bool:
    """Whether a path is that of a figure."""
    return Path(path).suffix in FIGURE_SUFFIXES


def tag_of(path: Path) -> str | None:
    """Recipe id that a file carries; None where it is no figure, or nothing that can be read."""
    return read_recipe(path) if is_figure(path) and path.is_file() else None


def _record_files(folder: Path) -> list[Path]:
    return [path for path in files_under(folder) if path.name.endswith(SUFFIX)]


def _sha256_if_there(path: Path) -> str | None:
    return file_sha256(path) if path.is_file() else None


def _no_device(path: Path) -> Path:
    """Refuse a device or a pipe, which would be read for ever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise BadInputError(
            path,
            "file",
            found="a device or a pipe",
            expected="a record",
            remedy="Remove it: records are files that jobs write.",
        )
    return path
