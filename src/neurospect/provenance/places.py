"""Where a record lies in its results folder, held against where its job wrote it.

A results folder may be renamed, moved, linked to or copied. Inside of it, every path says what lies
there: there, a record belongs where its job wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from neurospect.provenance.record import (
    OutputFile,
    Record,
    checksum,
    output_place,
    recomputed_recipe,
    results_folder,
)
from neurospect.provenance.source import modules_digest


@dataclass(frozen=True, eq=False)
class Filed:
    """A record and where it lies.

    Parameters
    ----------
    record
        The record.
    at
        Its file.
    root
        The working directory that the paths in it start from, as the record's place tells.
    results
        The results folder that it lies in; None where its place does not tell.
    misplaced
        Whether it lies elsewhere in the results folder than where its job wrote it.
    """

    record: Record
    at: Path
    root: Path
    results: Path | None
    misplaced: bool = False

    def place(self, output: OutputFile) -> Path:
        """Where an output lies: beside or under the record, wherever that was moved to."""
        return self.at.parent / output_place(self.record, output)

    def locate(self, path: str) -> Path:
        """Where a path in the record points to, also in a results folder that was renamed."""
        if self.results and self.holds(path):
            return self.results / path[len(self.stated) + 1 :]
        return self.root / path

    def holds(self, path: str) -> bool:
        """Whether a path lies in the results folder, as paths in the record state it."""
        return bool(self.stated) and path.startswith(f"{self.stated}/")

    @cached_property
    def stated(self) -> str:
        """The results folder, as paths in the record state it; empty where nothing tells."""
        return _stated(self.record)

    @property
    def in_place(self) -> bool:
        """Whether its paths lead to its own results: it is where it was written, or all moved."""
        if self.misplaced:
            return False
        return self.results is not None or self.root / self.record.path == self.at

    @cached_property
    def intact(self) -> bool:
        """Whether the record is still as its job wrote it."""
        record = self.record
        return (
            record.checksum == checksum(record)
            and record.recipe == recomputed_recipe(record)
            and record.code == modules_digest(record.modules)
        )


def filed_at(at: Path, record: Record) -> Filed:
    """File a record by its own place alone.

    The results folder may have been renamed, so its name need not agree; the rest must.
    """
    stated = _stated(record)
    within = Path(record.path).parts[len(Path(stated).parts) :]
    if not stated or at.parts[-len(within) :] != within:
        return Filed(record, at, at.parent if record.path == at.name else Path.cwd(), None)
    results = at.parents[len(within) - 1]
    # Too little agrees to tell a renamed results folder from a figure copied to any folder.
    told = results.name == Path(stated).name or len(within) > 1
    return Filed(record, at, _root(results, stated, record.script), results if told else None)


def in_their_places(read: Iterable[Filed]) -> Iterator[Filed]:
    """File records by the results folders that others of them lie in; mark what is misplaced."""
    every = list(read)
    homes: dict[Path, list[Filed]] = {}
    for filed in every:
        if filed.results:
            homes.setdefault(filed.results, []).append(filed)

    def doubt(home: Path) -> tuple[bool, int, int]:
        # Of folders in each other, one may be a copy: the name tells, or else how much is there.
        named = any(_ends_with(home, filed.stated) for filed in homes[home])
        return not named, -len(homes[home]), len(home.parts)

    witnesses = [homes[home][0] for home in sorted(homes, key=doubt)]
    return (_in_its_place(filed, witnesses) for filed in every)


def namesake(filed: Filed) -> Path | None:
    """Find the nearest folder above a record that has the name of its results folder."""
    name = Path(filed.stated).name
    return next((folder for folder in filed.at.parents if name and folder.name == name), None)


def moved_from(filed: Filed) -> tuple[Path, str]:
    """Tell what was moved with a misplaced record: where it lies, and where it was written."""
    here, written, stated = filed.at, Path(filed.record.path), Path(filed.stated)
    while written != stated and here.name == written.name:
        here, written = here.parent, written.parent
    return here, written.as_posix()


def _in_its_place(filed: Filed, witnesses: Iterable[Filed]) -> Filed:
    for witness in witnesses:
        home = witness.results
        if home is None or filed.results == home:
            return filed
        if filed.at.is_relative_to(home):
            agrees = witness.locate(filed.record.path) == filed.at
            # The results of a module may lie in those of the workflow that uses it.
            of_its_own = filed.results is not None and not witness.holds(filed.record.path)
            told = results_folder(filed.record.path, filed.record.results) is not None
            if agrees or (told and not of_its_own):
                return replace(filed, root=witness.root, results=home, misplaced=not agrees)
            return filed
    return filed


def _stated(record: Record) -> str:
    stated = results_folder(record.path, record.results)
    if stated is None:
        first, *rest = Path(record.path).parts or ("",)
        stated = first if rest and first != "/" else ""
    return stated


def _root(results: Path, stated: str, script: str) -> Path:
    """Find the folder that a results folder was stated from: the script of a job is there."""
    if Path(stated).is_absolute():
        return Path.cwd()
    depth = len(Path(stated).parts)
    as_named = _ends_with(results, stated)
    if as_named and (results.parents[depth - 1] / script).is_file():
        return results.parents[depth - 1]
    # A link of another name leads to results elsewhere; one of the same name stands for them.
    folders = [results, results.resolve()] if as_named else [results.resolve(), results]
    ways = [(folder, up) for folder in folders for up in (depth - 1, 0)]
    roots = [folder.parents[up] for folder, up in ways if up < len(folder.parents)]
    first = next(iter(roots), results)
    return next((root for root in roots if (root / script).is_file()), first)


def _ends_with(folder: Path, stated: str) -> bool:
    parts = Path(stated).parts
    return folder.parts[-len(parts) :] == parts
