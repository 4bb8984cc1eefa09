"""Pack results and how they were made as a Provenance Run Crate.

A crate is a folder, or a zip, that other tools can read: the files, and one JSON-LD graph that says
which job made which file from which (https://w3id.org/ro/wfrun/provenance/0.5). What it states is
what an audit has just proved.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from neurospect.arrays.bundles import Member, write_bundle
from neurospect.errors import BadInputError
from neurospect.provenance.archive import (
    CHAIN_PAGE,
    Archive,
    files_under,
    find_file,
    is_figure,
    is_raw,
    origin,
)
from neurospect.provenance.audit import Examination, examine_within
from neurospect.provenance.breaks import on_one_line, shown_path
from neurospect.provenance.code_breaks import ENVIRONMENTS_FOLDER
from neurospect.provenance.content import absolute, as_utf8
from neurospect.provenance.crate_content import (
    METADATA,
    CrateContent,
    CrateFile,
    CrateJob,
    crate_files,
)
from neurospect.provenance.crate_graph import crate_json
from neurospect.provenance.crate_pages import (
    DESCRIPTION,
    audit_page,
    description_page,
    is_derivative,
    licenses,
    readme_page,
)
from neurospect.provenance.environment import environments_in
from neurospect.provenance.places import Filed
from neurospect.provenance.record import InputFile, OutputFile

WORKFLOW = "workflow/Snakefile"
_CODE_FOLDERS = ("workflow", "rules", "scripts", "config", ENVIRONMENTS_FOLDER)
_SHA256 = re.compile(r"[0-9a-f]{64}")

_Made: TypeAlias = tuple[OutputFile, Path, CrateFile]


class UnsoundResultsError(ValueError):
    """Results of which an audit found breaks.

    Parameters
    ----------
    found
        What the audit found.
    """

    def __init__(self, found: Examination) -> None:
        self.found = found
        lines = (f"{each.kind.value}: {shown_path(each.file)}" for each in found.breaks)
        super().__init__(f"The results are not sound. {'; '.join(lines)}.")


@dataclass(frozen=True)
class _Packing:
    """Where files lie, and where they go in the crate.

    Parameters
    ----------
    archive
        The records, and the files hashed.
    results, root, code
        Results folder, working directory of the jobs, folder above ``workflow`` and ``scripts``.
    data
        Whether files between raw files and figures are packed, too.
    """

    archive: Archive
    results: Path
    root: Path
    code: Path
    data: bool

    def path(self, place: Path) -> str | None:
        """Path in the crate; None for a file that lies elsewhere."""
        # A record from elsewhere may point out of the results by "..".
        true = absolute(place)
        for home, prefix in ((self.results, "results/"), (self.code, ""), (self.root, "")):
            if true.is_relative_to(home):
                return as_utf8(prefix + true.relative_to(home).as_posix())
        return None


def write_crate(
    results: str | Path,
    out: str | Path,
    *,
    figures: Sequence[str | Path] = (),
    data: bool = True,
    unsound: bool = False,
) -> Examination:
    """Write results, the code of the workflow and the graph of their making as a crate.

    Raw files are named, by sha256, never packed. The same results give the same bytes.

    Parameters
    ----------
    results
        The results folder.
    out
        A new folder, or a new zip where it ends in ``.zip``.
    figures
        Pack these and what they were made from; everything where none is named.
    data
        Also pack what lies between raw files and figures, such as tables of participants; else
        it is only named, as raw files are.
    unsound
        Pack results that an audit finds broken; the crate then says so.

    Returns
    -------
    Examination
        What the audit found.

    Raises
    ------
    UnsoundResultsError
        The audit found breaks; nothing is written.
    BadInputError
        No record speaks of the results, the workflow is not there, or `out` cannot be used.
    """
    home, final = absolute(results), absolute(out)
    if final.is_relative_to(home):
        raise BadInputError(
            out,
            "out",
            found="a place inside the results",
            expected="one outside of them",
            remedy="Name another place: an audit would take the copies in it for results.",
        )
    if final.exists() and not (final.is_dir() and not any(final.iterdir())):
        raise BadInputError(
            out,
            "out",
            found="something there already",
            expected="a new zip or folder, or an empty folder",
            remedy="Remove it, or name another with --out.",
        )
    for figure in figures:
        if not absolute(figure).is_relative_to(home):
            raise BadInputError(
                figure,
                "figure",
                found="a file outside of the results",
                expected=f"a figure in {shown_path(home)}",
                remedy="Name the figure where its job drew it.",
            )
    found = examine_within(results, list(figures) or [results])
    if found.breaks and not unsound:
        raise UnsoundResultsError(found)
    content = _content(found, home, data=data)
    files = [file for file in crate_files(content).values() if file.content is not None]
    metadata = _text(METADATA, crate_json(content))
    write_bundle(final, map(_member, [metadata, *files]))
    return found


def _content(found: Examination, home: Path, *, data: bool) -> CrateContent:
    made = _in_order(found)
    if not made:
        raise BadInputError(
            home,
            "records",
            found="none that can be read",
            expected="at least one record of a job",
            remedy="Run the workflow again: a crate is made from its records.",
        )
    results = next((filed.results for filed in made if filed.results), home)
    packing = _Packing(found.archive, results, made[0].root, _code_folder(made), data)
    outputs = {filed: _outputs(packing, filed, found.survey.made[filed]) for filed in made}
    pins = environments_in(packing.code / ENVIRONMENTS_FOLDER)
    jobs = tuple(
        CrateJob(
            record=filed.record,
            file=_held(packing, filed.at, note="Record of a job"),
            script=_script(packing, filed),
            environment=_environment(pins, filed.record.environment),
            inputs=_inputs(packing, filed, outputs),
            outputs=tuple((output, file) for output, _, file in outputs[filed]),
        )
        for filed in made
    )
    descriptions = _descriptions(found)
    cohorts = dict.fromkeys(str(each["Name"]) for each in descriptions)
    name = "Results of neurospect" + (f" on {'; '.join(cohorts)}" if cohorts else "")
    workflow = _held(packing, packing.code / WORKFLOW)
    breaks = tuple(
        on_one_line(f"{each.kind.value}: {packing.path(each.file) or each.file.name}")
        for each in found.breaks
    )
    bare = CrateContent(name, licenses(descriptions), workflow, jobs, (), breaks)
    pages = [_text("audit.json", audit_page(found)), _text("README.md", readme_page(bare))]
    if descriptions:
        pages.append(_text(DESCRIPTION, description_page(bare, descriptions)))
    code = (_held(packing, path) for path in _code_files(packing.code))
    return replace(bare, others=(*pages, *code))


def _in_order(found: Examination) -> list[Filed]:
    """Sort jobs by how many others, one after the other, had to end before them."""
    depths: dict[Filed, int] = {}

    def depth(filed: Filed) -> int:
        if filed not in depths:
            depths[filed] = 0  # what leads back to itself, by files of equal bytes, ends here
            links = (link for link in filed.record.inputs if not is_raw(filed, link))
            sources = (origin(found.archive, filed, link) for link in links)
            depths[filed] = max((depth(each.filed) + 1 for each in sources if each), default=0)
        return depths[filed]

    return sorted(found.survey.made, key=lambda filed: (depth(filed), filed.at))


def _inputs(
    packing: _Packing, filed: Filed, outputs: dict[Filed, list[_Made]]
) -> tuple[tuple[InputFile, CrateFile], ...]:
    """List what a job read: outputs of other jobs, and files that are only named."""
    files = []
    for link in filed.record.inputs:
        source = None if is_raw(filed, link) else origin(packing.archive, filed, link)
        made = outputs.get(source.filed, []) if source and source.same else []
        same = [file for output, _, file in made if source and output.name == source.output.name]
        files.append((link, same[0] if same else _named(link)))
    return tuple(files)


def _outputs(packing: _Packing, filed: Filed, made: list[tuple[OutputFile, Path]]) -> list[_Made]:
    """List what a job made, its own files before copies of them."""
    found = []
    for output, place in sorted(made, key=lambda each: each[1] != filed.place(each[0])):
        shown = is_figure(place) or place.name.endswith(CHAIN_PAGE)
        there = place if place.is_file() else None
        there = there or packing.archive.with_content(output.sha256, output.bytes)
        # A record from elsewhere may claim any file: only what lies under it, or in the results.
        homes = (filed.at.parent, packing.results)
        owned = any(absolute(place).is_relative_to(folder) for folder in homes)
        path = packing.path(place) if owned else None
        if there is None or path is None or not (packing.data or shown):
            found.append((output, place, _named(output)))
            continue
        sha256 = packing.archive.sha256(there)
        note = "" if sha256 == output.sha256 else "Not the bytes that its job wrote."
        size = there.stat().st_size
        file = CrateFile(quote(path), place.name, sha256, size, there, note)
        found.append((output, place, file))
    return found


def _held(packing: _Packing, place: Path, note: str = "") -> CrateFile:
    sha256, size = packing.archive.sha256(place), place.stat().st_size
    path = packing.path(place) or as_utf8(f"elsewhere/{sha256[:12]}/{place.name}")
    return CrateFile(quote(path), place.name, sha256, size, place, note)


def _named(file: InputFile | OutputFile) -> CrateFile:
    """Name a file by its content (RFC 6920): where it lies means nothing elsewhere."""
    name = Path(file.path).name
    if not _SHA256.fullmatch(file.sha256):
        return CrateFile(f"#unknown/{quote(as_utf8(file.path))}", name, file.sha256, file.bytes)
    digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).decode().rstrip("=")
    return CrateFile(f"ni:///sha-256;{digest}", name, file.sha256, file.bytes)


def _text(name: str, text: str) -> CrateFile:
    data = as_utf8(text).encode()
    return CrateFile(name, name, hashlib.sha256(data).hexdigest(), len(data), data)


def _member(file: CrateFile) -> Member:
    assert file.content is not None
    return Member(unquote(file.id), file.content, file.sha256)


def _script(packing: _Packing, filed: Filed) -> CrateFile | None:
    script = find_file(filed, filed.record.script)
    if script is None or not absolute(script).is_relative_to(packing.code):
        return None
    return _held(packing, script)


def _environment(pins: dict[str, str], digest: str | None) -> str | None:
    name = pins.get(digest or "")
    return name and quote(f"{ENVIRONMENTS_FOLDER}/{name}")


def _code_folder(made: Iterable[Filed]) -> Path:
    """Folder of the workflow: that above ``scripts``."""
    scripts = [find_file(filed, filed.record.script) for filed in made]
    homes = dict.fromkeys(script.parents[1] for script in scripts if script)
    for home in homes:
        if (home / WORKFLOW).is_file():
            return home
    raise BadInputError(
        next(iter(homes), Path.cwd()),
        WORKFLOW,
        found="no such file",
        expected="the workflow, beside the scripts that made the results",
        remedy="Make the crate in the checkout in which the results were made.",
    )


def _code_files(code: Path) -> list[Path]:
    return [
        path
        for folder in _CODE_FOLDERS
        for path in files_under(code / folder)
        if path.suffix != ".pyc"
    ]


def _descriptions(found: Examination) -> list[dict[str, Any]]:
    """Descriptions of the BIDS derivatives among the results."""
    places = {place for made in found.survey.made.values() for _, place in made}
    found_here = []
    for place in sorted(places):
        if place.name == DESCRIPTION and place.is_file():
            with suppress(ValueError):
                found_here.append(json.loads(place.read_text(encoding="utf-8")))
    return [each for each in found_here if is_derivative(each)]
