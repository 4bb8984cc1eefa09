"""Prove, link by link, that figures come from their raw files; name what breaks the proof."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.archive import Archive, Filed, find_file, is_figure, open_archive
from neurospect.provenance.breaks import Break, BreakKind
from neurospect.provenance.content import absolute
from neurospect.provenance.environment import environments_in
from neurospect.provenance.record import OutputFile, recomputed_recipe
from neurospect.provenance.source import source_modules
from neurospect.provenance.survey import (
    Survey,
    figures_from,
    figures_of,
    stale_chain_pages,
    survey_of,
)
from neurospect.provenance.tags import read_recipe

ENVIRONMENTS_FOLDER = "envs"


@dataclass(frozen=True)
class Examination:
    """What an audit looked at and what it found.

    Parameters
    ----------
    records, files
        How many records were followed, and how many files were hashed.
    breaks
        What is wrong.
    unrecorded
        Files in the folder, other than figures, that no record speaks of; no fault.
    archive, survey
        The records, and what was looked at.
    """

    records: int
    files: int
    breaks: tuple[Break, ...]
    unrecorded: tuple[Path, ...]
    archive: Archive = field(repr=False)
    survey: Survey = field(repr=False)


def audit(path: str | Path) -> list[Break]:
    """Check every link from a figure, or from all of a folder, down to raw files.

    Every file is hashed; nothing is taken from file times. A fault that reaches many figures is
    one break that names them all.

    Parameters
    ----------
    path
        A figure, or a results folder.

    Returns
    -------
    list of Break
        Empty where everything holds.

    Raises
    ------
    BadInputError
        There is no such file, or no record speaks of it.
    """
    return list(examine(path).breaks)


def examine(path: str | Path) -> Examination:
    """Audit, as `audit` does, and say how much was looked at.

    Raises
    ------
    BadInputError
        There is no such file, or no record speaks of it.
    """
    return examine_within(path, [path])


def examine_within(home: str | Path, paths: Sequence[str | Path]) -> Examination:
    """Audit figures together, by the records that `home` can be linked to.

    Parameters
    ----------
    home
        A results folder (or a figure), from which records are looked for.
    paths
        What to audit: the figures, or `home` itself.

    Raises
    ------
    BadInputError
        There is no such file, or no record speaks of it.
    """
    for path in [home, *paths]:
        if not absolute(path).exists():
            raise _cannot_audit(path, "no such file or folder")
    targets = [absolute(path) for path in paths]
    archive = open_archive(absolute(home))
    survey = survey_of(archive, targets)
    moved: set[Path] = set()
    unreadable = _unreadable_records(archive, survey, targets)
    tagged = any(_tag(path) for path in survey.lost)
    if not survey.made and not unreadable and not tagged:
        raise _cannot_audit(paths[0], "nothing that a record speaks of")
    archive.hash_ahead(_files_to_hash(survey))
    kinds = list(BreakKind)
    breaks = [
        *unreadable,
        *_edited_records(archive, survey),
        *_deleted_records(archive, survey),
        *_changed_outputs(archive, survey, moved),
        *_changed_raw_inputs(archive, survey),
        *_stale_links(survey),
        *_stale_chain_pages(archive, survey),
        *_changed_code(survey),
        *_changed_environments(survey),
    ]
    return Examination(
        records=len(survey.made),
        files=archive.files_hashed,
        breaks=tuple(sorted(breaks, key=lambda each: (kinds.index(each.kind), each.file))),
        unrecorded=tuple(path for path in survey.unrecorded if path not in moved),
        archive=archive,
        survey=survey,
    )


def _files_to_hash(survey: Survey) -> Iterator[Path]:
    for filed, outputs in survey.made.items():
        if filed.intact:
            yield from (place for _, place in outputs)
    for filed, link in survey.raw:
        if file := find_file(filed, link.path):
            yield file


def _unreadable_records(archive: Archive, survey: Survey, targets: Sequence[Path]) -> list[Break]:
    """Files named as records that are none, with the figures that they may have vouched for."""
    breaks = []
    for at, fault in archive.unreadable.items():
        lost = {path for path in survey.lost if path.parent == at.parent}
        readers = [filed for filed, link in survey.orphans if _beside(filed, link.path, at)]
        inside = any(target.is_dir() and at.is_relative_to(target) for target in targets)
        if inside or lost or readers:
            figures = {path for path in lost if is_figure(path)} | figures_of(survey, readers)
            found = f"{fault.field}: {fault.found}"
            breaks.append(_break(BreakKind.RECORD_EDITED, at, "a record", found, figures))
    return breaks


def _edited_records(archive: Archive, survey: Survey) -> Iterator[Break]:
    for filed, outputs in survey.made.items():
        record = filed.record
        if filed.intact:
            yield from _foreign_tags(archive, survey, filed, outputs)
            continue
        recipe = recomputed_recipe(record)
        found = "content that the checksum does not fit"
        lost = {path for path in survey.lost if _tag(path) == record.recipe}
        yield _break(
            BreakKind.RECORD_EDITED,
            filed.at,
            f"checksum {record.checksum[:12]}, recipe {record.recipe[:12]}",
            found if recipe == record.recipe else f"{found}, and that gives recipe {recipe[:12]}",
            figures_of(survey, [filed]) | lost,
        )


def _foreign_tags(
    archive: Archive, survey: Survey, filed: Filed, outputs: list[tuple[OutputFile, Path]]
) -> Iterator[Break]:
    """Yield a record rewritten from recipe to checksum: the figure, in its bytes, knows better."""
    for output, place in outputs:
        if not is_figure(place) or not place.is_file() or archive.sha256(place) != output.sha256:
            continue
        tag = read_recipe(place)
        if tag is not None and tag not in archive.by_recipe:
            yield _break(
                BreakKind.RECORD_EDITED,
                filed.at,
                f"recipe {filed.record.recipe[:12]}",
                f"recipe {tag[:12]} inside {place.name}",
                figures_of(survey, [filed]),
            )
            return


def _deleted_records(archive: Archive, survey: Survey) -> Iterator[Break]:
    folders = {at.parent for at in archive.unreadable}
    links: dict[str | Path, dict[Path, str]] = defaultdict(dict)
    readers: dict[str | Path, list[Filed]] = defaultdict(list)
    for filed, link in survey.orphans:
        place = filed.locate(link.path)
        if folders.isdisjoint(place.parents):
            job = link.recipe or place.parent
            links[job][place] = link.sha256
            readers[job].append(filed)
    for job, places in links.items():
        first = min(places)
        by = f"recipe {job[:12]}" if isinstance(job, str) else "a job, as all results are"
        yield _break(
            BreakKind.RECORD_DELETED,
            first,
            f"made by {by}, sha256 {places[first][:12]}",
            f"no record of that; {_found(archive, first, places[first])}",
            figures_of(survey, readers[job]),
        )
    yield from _figures_without_record(archive, survey, folders)


def _figures_without_record(
    archive: Archive, survey: Survey, folders: set[Path]
) -> Iterator[Break]:
    """Yield lost figures, those of one job together, but for those that an edited record lost."""
    figures: dict[str, list[Path]] = defaultdict(list)
    for path in survey.lost:
        tag = _tag(path)
        edited = any(not filed.intact for filed in archive.by_recipe.get(tag or "", []))
        if is_figure(path) and path.parent not in folders and not edited:
            figures[tag or str(path)].append(path)
    for paths in figures.values():
        tag = _tag(paths[0])
        carried = f"recipe {tag[:12]}, in the figure" if tag else "nothing"
        found = "no record of this figure"
        yield _break(BreakKind.RECORD_DELETED, min(paths), carried, found, paths)


def _changed_outputs(archive: Archive, survey: Survey, moved: set[Path]) -> Iterator[Break]:
    """Yield files that differ from their record; fill `moved` with those found elsewhere."""
    for filed, outputs in survey.made.items():
        for output, place in outputs if filed.intact else []:
            there = place.is_file()
            if there and archive.sha256(place) == output.sha256:
                continue
            elsewhere = None if there else archive.with_content(output.sha256, output.bytes)
            if elsewhere:
                moved.add(elsewhere)
                continue
            kind = BreakKind.FIGURE_EDITED if is_figure(place) else BreakKind.TAMPERED
            found = _found(archive, place, output.sha256)
            if there and is_figure(place):
                found += f", {_tag_state(place, filed.record.recipe)}"
            yield _break(
                kind if there else BreakKind.OUTPUT_MISSING,
                place,
                f"sha256 {output.sha256[:12]}",
                found,
                figures_from(survey, filed, output, place),
            )


def _changed_raw_inputs(archive: Archive, survey: Survey) -> Iterator[Break]:
    named: dict[tuple[Path, str, int], list[Filed]] = defaultdict(list)
    there: dict[Path, Path | None] = {}
    for filed, link in survey.raw:
        place = filed.locate(link.path)
        named[place, link.sha256, link.bytes].append(filed)
        there[place] = find_file(filed, link.path)
    for (path, sha256, size), readers in named.items():
        file = there[path]
        if archive.sha256(file) == sha256 if file else archive.with_content(sha256, size):
            continue
        yield _break(
            BreakKind.RAW_CHANGED if file else BreakKind.RAW_MISSING,
            file or path,
            f"sha256 {sha256[:12]}",
            _found(archive, file or path, sha256),
            figures_of(survey, readers),
        )


def _stale_links(survey: Survey) -> Iterator[Break]:
    for filed, link, source in survey.stale:
        # A record that was edited, or its source's, is a break of its own.
        if filed.intact and source.filed.intact:
            made = [place for _, place in survey.made[filed]]
            yield _break(
                BreakKind.STALE,
                made[0] if made else filed.at,
                f"made from {link.path}, sha256 {link.sha256[:12]}",
                f"{source.output.path} made anew, sha256 {source.output.sha256[:12]}",
                figures_of(survey, [filed]),
            )


def _stale_chain_pages(archive: Archive, survey: Survey) -> Iterator[Break]:
    for filed, page, unnamed in stale_chain_pages(archive, survey):
        yield _break(
            BreakKind.STALE,
            page,
            "the chain of its figure",
            f"recipe {', '.join(each[:12] for each in unnamed)} in the chain, not on the page",
            (filed.locate(link.path) for link in filed.record.inputs if is_figure(link.path)),
        )


def _changed_code(survey: Survey) -> Iterator[Break]:
    found: dict[tuple[Path, str], list[Filed]] = defaultdict(list)
    reached = cache(source_modules)
    for filed in survey.made:
        if filed.intact:
            script = find_file(filed, filed.record.script)
            state = _code_state(filed, script, reached) if script else "no such script"
            if state:
                found[script or filed.root / filed.record.script, state].append(filed)
    for (script, state), filed_there in found.items():
        codes = sorted({filed.record.code[:12] for filed in filed_there})
        yield _break(
            BreakKind.CODE_CHANGED,
            script,
            f"code {', '.join(codes)}",
            state,
            figures_of(survey, filed_there),
        )


def _code_state(filed: Filed, script: Path, reached: Callable[[Path], dict[str, str]]) -> str:
    """Say how the modules that a script reaches differ from the record; empty where they agree."""
    then = filed.record.modules
    try:
        now = reached(script)
    except BadInputError as fault:
        return str(fault)
    changes = {
        "changed": [name for name in then if name in now and now[name] != then[name]],
        "newly reached": [name for name in now if name not in then],
        "no longer reached": [name for name in then if name not in now],
    }
    parts = [f"{change}: {', '.join(names)}" for change, names in changes.items() if names]
    return "; ".join(parts)


def _changed_environments(survey: Survey) -> Iterator[Break]:
    gone: dict[tuple[Path, str], list[Filed]] = defaultdict(list)
    pins = cache(environments_in)
    for filed in survey.made:
        digest = filed.record.environment
        if digest is not None and filed.intact:
            own = filed.root / ENVIRONMENTS_FOLDER
            if digest not in pins(own if own.is_dir() else Path.cwd() / ENVIRONMENTS_FOLDER):
                gone[own, digest].append(filed)
    for (folder, digest), readers in gone.items():
        rules = ", ".join(sorted({filed.record.rule for filed in readers}))
        now = [f"{name} {other[:12]}" for other, name in pins(folder).items()]
        yield _break(
            BreakKind.ENVIRONMENT_CHANGED,
            folder,
            f"environment {digest[:12]} of {rules}",
            ", ".join(now) or "no environment file",
            figures_of(survey, readers),
        )


def _beside(filed: Filed, path: str, at: Path) -> bool:
    return filed.locate(path).is_relative_to(at.parent)


def _found(archive: Archive, path: Path, sha256: str) -> str:
    if not path.is_file():
        return "no such file"
    now = archive.sha256(path)
    return "the file as recorded" if now == sha256 else f"sha256 {now[:12]}"


def _tag(path: Path) -> str | None:
    return read_recipe(path) if is_figure(path) else None


def _tag_state(figure: Path, recipe: str) -> str:
    tag = read_recipe(figure)
    if tag is None:
        return "recipe id gone"
    return "recipe id kept" if tag == recipe else f"recipe id of another job, {tag[:12]}"


def _break(
    kind: BreakKind, file: Path, recorded: str, found: str, figures: Iterable[Path]
) -> Break:
    return Break(kind, file, recorded, found, tuple(sorted(figures)))


def _cannot_audit(path: str | Path, found: str) -> BadInputError:
    return BadInputError(
        path,
        "audit",
        found=found,
        expected="a figure that carries a recipe id, or a results folder with records",
        remedy="Check the path; records are written by the jobs of the workflow.",
    )
