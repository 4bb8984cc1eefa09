"""What a crate tells: its files, held or only named, and the jobs that read and made them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from neurospect.provenance.record import InputFile, OutputFile, Record

METADATA = "ro-crate-metadata.json"


@dataclass(frozen=True)
class CrateFile:
    """A file that a crate holds or names.

    Parameters
    ----------
    id
        Path in the crate, as URI; for a file that is only named, a URI of its content (RFC 6920).
    name
        Its name.
    sha256, size
        Of its content; the size in bytes.
    content
        The file, or its bytes; None where it is only named.
    note
        What it is, where its name does not say.
    """

    id: str
    name: str
    sha256: str
    size: int
    content: Path | bytes | None = None
    note: str = ""


@dataclass(frozen=True)
class CrateJob:
    """A job and its files.

    Parameters
    ----------
    record, file
        Its record, and the record's own file.
    script
        The script; None where it is no longer there.
    environment
        Id of the file that pins its packages; None where none does.
    inputs, outputs
        What it read and made.
    """

    record: Record
    file: CrateFile
    script: CrateFile | None
    environment: str | None
    inputs: tuple[tuple[InputFile, CrateFile], ...]
    outputs: tuple[tuple[OutputFile, CrateFile], ...]


@dataclass(frozen=True)
class CrateContent:
    """What a crate tells.

    Parameters
    ----------
    name, license
        Of the crate.
    workflow
        The Snakefile.
    jobs
        Each after those that made what it read.
    others
        Files that are neither record, script, input nor output.
    breaks
        What an audit found wrong, one line each.
    """

    name: str
    license: str
    workflow: CrateFile
    jobs: tuple[CrateJob, ...]
    others: tuple[CrateFile, ...]
    breaks: tuple[str, ...]


def told_by_crate(folder: Path) -> frozenset[str]:
    """sha256 of every file that the crate unpacked in a folder holds or names, if there is one."""
    try:
        graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
        return frozenset(str(each["sha256"]) for each in graph if "sha256" in each)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def crate_files(content: CrateContent) -> dict[str, CrateFile]:
    """Files of a crate, held or named, by id."""
    files = {content.workflow.id: content.workflow}
    for job in content.jobs:
        if job.script:
            files[job.script.id] = job.script
        files |= {file.id: file for _, file in (*job.inputs, *job.outputs)}
        files[job.file.id] = job.file
    return files | {file.id: file for file in content.others}


def version_of(content: CrateContent, package: str) -> str:
    """Version of a package, as the latest job that states it had it."""
    versions = [job.record.run.versions.get(package) for job in content.jobs]
    return next((version for version in reversed(versions) if version), "not stated")
