"""What can be wrong between a figure and its raw files, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from neurospect.provenance.content import Json, shared_copy_too


class BreakKind(Enum):
    """What is wrong."""

    RAW_CHANGED = "raw input changed"
    RAW_MISSING = "raw input missing"
    TAMPERED = "intermediate tampered"
    OUTPUT_MISSING = "output missing"
    FIGURE_EDITED = "figure edited"
    RECORD_EDITED = "record edited"
    RECORD_DELETED = "record deleted"
    MISPLACED = "misplaced"
    CODE_CHANGED = "code since changed"
    ENVIRONMENT_CHANGED = "environment since changed"
    STALE = "stale"


_REMEDIES = {
    BreakKind.RAW_CHANGED: "Restore the file, or run the workflow again on the new one.",
    BreakKind.RAW_MISSING: "Put the file back; without it the chain cannot be proved.",
    BreakKind.TAMPERED: "Delete the file and run the workflow again.",
    BreakKind.OUTPUT_MISSING: "Run the workflow again; raw data that was simulated, and gathered "
    "batches, are made again only when asked for (snakemake PATH).",
    BreakKind.FIGURE_EDITED: "Delete it and run the workflow again; keep edited copies outside the "
    "results folder.",
    BreakKind.RECORD_EDITED: "Delete the record and run the workflow again.",
    BreakKind.RECORD_DELETED: "Run the workflow again or, if it was copied here from other "
    "results, audit it beside those: files without a record prove nothing.",
    BreakKind.MISPLACED: "Move it back, or delete it if it is a copy; then run the workflow again. "
    "Inside the results folder, every path says what lies there.",
    BreakKind.CODE_CHANGED: "Run the workflow again, or check out the code that made the results.",
    BreakKind.ENVIRONMENT_CHANGED: "Run the workflow again, or restore the environment files.",
    BreakKind.STALE: "Run the workflow again: what this file was made from has been made anew. "
    "If it stays as it is, delete it, or all of what is no longer made, and run once more.",
}


@dataclass(frozen=True)
class Break:
    """One place where the chain from raw files to figures does not hold.

    Parameters
    ----------
    kind
        What is wrong.
    file
        Where.
    recorded, found
        What the records say, and what is there.
    figures
        The figures that depend on it.
    """

    kind: BreakKind
    file: Path
    recorded: str
    found: str
    figures: tuple[Path, ...]

    @property
    def remedy(self) -> str:
        """What to do about it."""
        by_deletion = self.kind in (BreakKind.TAMPERED, BreakKind.RECORD_EDITED)
        return _REMEDIES[self.kind] + (shared_copy_too(self.file) if by_deletion else "")


def broken(
    kind: BreakKind, file: Path, recorded: str, found: str, figures: Iterable[Path]
) -> Break:
    """Make a break, with its figures in order."""
    return Break(kind, file, recorded, found, tuple(sorted(figures)))


def break_text(fault: Break, most: int = 6) -> str:
    """Write a break as a short block, with at most so many figures by name."""
    names = [shown_path(path) for path in fault.figures]
    if len(names) > most:
        names = [*names[:most], f"and {len(names) - most} more"]
    lines = [
        f"{fault.kind.value}: {shown_path(fault.file)}",
        f"  recorded  {fault.recorded}",
        f"  found     {fault.found}",
        f"  reaches   {', '.join(names) or 'no figure'}",
        f"  to do     {fault.remedy}",
    ]
    return "\n".join(map(on_one_line, lines))


def break_json(fault: Break) -> dict[str, Json]:
    """Write a break as a JSON object."""
    return {
        "kind": fault.kind.value,
        "file": shown_path(fault.file),
        "recorded": fault.recorded,
        "found": fault.found,
        "figures": [shown_path(path) for path in fault.figures],
        "remedy": fault.remedy,
    }


def shown_path(path: Path) -> str:
    """Path for people: relative to the working directory where it lies inside."""
    inside = path.is_relative_to(Path.cwd())
    return (path.relative_to(Path.cwd()) if inside else path).as_posix()


def for_terminal(text: str) -> str:
    """Write what could steer a terminal, or cannot be printed, as its escape.

    Records and file names may come from elsewhere: an escape sequence in one of them could hide
    lines of a report, and bytes that are no text would stop it. Lines stay lines.
    """
    return "\n".join(map(on_one_line, text.split("\n")))


def on_one_line(text: str) -> str:
    """Write a text as `for_terminal` does, and line breaks as their escape, too.

    A file name with a line break in it could forge lines of a report.
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
