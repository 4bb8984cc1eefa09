"""Prove, link by link, that figures come from their raw files; name what breaks the proof."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.archive import Archive, find_file, is_figure, open_archive, tag_of
from neurospect.provenance.breaks import Break, BreakKind, broken
from neurospect.provenance.code_breaks import changed_code, changed_environments
from neurospect.provenance.content import absolute, file_sha256
from neurospect.provenance.crate_content import told_by_crate
from neurospect.provenance.places import Filed
from neurospect.provenance.record import OutputFile, recomputed_recipe
from neurospect.provenance.survey import (
    Survey,
    figures_from,
    figures_of,
    misplaced,
    stale_chain_pages,
    survey_of,
)
from neurospect.provenance.tags import read_recipe


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
    left_out
        Files that are not there because a crate of single figures was packed without them.
    archive, survey
        The records, and what was looked at.
    """

    records: int
    files: int
    breaks: tuple[Break, ...]
    unrecorded: tuple[Path, ...]
    left_out: tuple[Path, ...]
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
        if not absolute(path).is_file() and not absolute(path).is_dir():
            there = absolute(path).exists()
            raise _cannot_audit(path, "a device or a pipe" if there else "no such file or folder")
    given = absolute(home)
    true, archive = open_archive(home)
    targets = [_followed(absolute(path), given, true) for path in paths]
    survey = survey_of(archive, targets)
    moved, left_out = set[Path](), set[Path]()
    unreadable = _unreadable_records(archive, survey, targets)
    tagged = any(tag_of(path) for path in survey.lost)
    if not survey.made and not unreadable and not tagged:
        raise _cannot_audit(paths[0], "nothing that a record speaks of")
    archive.hash_ahead(_files_to_hash(survey))
    kinds = list(BreakKind)
    breaks = [
        *unreadable,
        *_edited_records(archive, survey),
        *_deleted_records(archive, survey),
        *_misplaced_records(survey),
        *_changed_outputs(archive, survey, moved, left_out),
        *_changed_raw_inputs(archive, survey),
        *_stale_links(survey),
        *_stale_chain_pages(archive, survey),
        *changed_code(survey),
        *changed_environments(survey),
    ]
    return Examination(
        records=len(survey.made),
        files=archive.files_hashed,
        breaks=tuple(sorted(breaks, key=lambda each: (kinds.index(each.kind), each.file))),
        unrecorded=tuple(path for path in survey.unrecorded if path not in moved),
        left_out=tuple(sorted(left_out)),
        archive=archive,
        survey=survey,
    )


def _followed(path: Path, given: Path, true: Path) -> Path:
    """Where a path leads, if it is or lies in a link that was followed."""
    return true / path.relative_to(given) if path.is_relative_to(given) else path


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
            breaks.append(broken(BreakKind.RECORD_EDITED, at, "a record", found, figures))
    return breaks


def _edited_records(archive: Archive, survey: Survey) -> Iterator[Break]:
    for filed, outputs in survey.made.items():
        record = filed.record
        if filed.intact:
            yield from _foreign_tags(archive, survey, filed, outputs)
            continue
        recipe = recomputed_recipe(record)
        found = "content that the checksum does not fit"
        lost = {path for path in survey.lost if tag_of(path) == record.recipe}
        yield broken(
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
            yield broken(
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
        own = {path for path in places if is_figure(path)}
        own |= {path for path in survey.lost if tag_of(path) == job}
        by = f"recipe {job[:12]}" if isinstance(job, str) else "a job, as all results are"
        yield broken(
            BreakKind.RECORD_DELETED,
            first,
            f"made by {by}, sha256 {places[first][:12]}",
            f"no record of that; {_found(archive, first, places[first])}",
            own | figures_of(survey, readers[job]),
        )
    named = {path for places in links.values() for path in places}
    lost = [path for path in survey.lost if path not in named and tag_of(path) not in links]
    yield from _figures_without_record(archive, lost, folders)


def _figures_without_record(
    archive: Archive, lost: Iterable[Path], folders: set[Path]
) -> Iterator[Break]:
    """Yield lost figures, those of one job together, but for those that an edited record lost."""
    figures: dict[str, list[Path]] = defaultdict(list)
    for path in lost:
        tag = tag_of(path)
        edited = any(not filed.intact for filed in archive.by_recipe.get(tag or "", []))
        if is_figure(path) and path.parent not in folders and not edited:
            figures[tag or str(path)].append(path)
    for paths in figures.values():
        tag = tag_of(paths[0])
        carried = f"recipe {tag[:12]}, in the figure" if tag else "nothing"
        found = "no record of this figure"
        yield broken(BreakKind.RECORD_DELETED, min(paths), carried, found, paths)


def _misplaced_records(survey: Survey) -> Iterator[Break]:
    """Yield each folder, or file, that was moved or copied inside the results folder, once."""
    for (here, written), moved in misplaced(survey).items():
        yield broken(
            BreakKind.MISPLACED,
            here,
            f"written as {written}",
            f"{len(moved)} of its records under another name",
            figures_of(survey, moved),
        )


def _changed_outputs(
    archive: Archive, survey: Survey, moved: set[Path], left_out: set[Path]
) -> Iterator[Break]:
    """Yield files that differ from their record.

    Those found elsewhere go into `moved`, those that a crate was packed without into `left_out`.
    """
    told = cache(told_by_crate)
    for filed, outputs in survey.made.items():
        for output, place in outputs if filed.intact else []:
            there = place.is_file()
            if there and archive.sha256(place) == output.sha256:
                continue
            elsewhere = None if there else archive.with_content(output.sha256, output.bytes)
            if elsewhere:
                moved.add(elsewhere)
                continue
            crate = told(filed.results.parent) if filed.results and not there else frozenset()
            # Only a crate that tells of the record can have been packed without the output.
            if crate and output.sha256 not in crate and file_sha256(filed.at) in crate:
                left_out.add(place)
                continue
            kind = BreakKind.FIGURE_EDITED if is_figure(place) else BreakKind.TAMPERED
            found = _found(archive, place, output.sha256)
            if there and is_figure(place):
                found += f", {_tag_state(place, filed.record.recipe)}"
            yield broken(
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
        yield broken(
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
            yield broken(
                BreakKind.STALE,
                made[0] if made else filed.at,
                f"made from {link.path}, sha256 {link.sha256[:12]}",
                f"{source.output.path} made anew, sha256 {source.output.sha256[:12]}",
                figures_of(survey, [filed]),
            )


def _stale_chain_pages(archive: Archive, survey: Survey) -> Iterator[Break]:
    for filed, page, unnamed in stale_chain_pages(archive, survey):
        yield broken(
            BreakKind.STALE,
            page,
            "the chain of its figure",
            f"recipe {', '.join(each[:12] for each in unnamed)} in the chain, not on the page",
            (filed.locate(link.path) for link in filed.record.inputs if is_figure(link.path)),
        )


def _beside(filed: Filed, path: str, at: Path) -> bool:
    return filed.locate(path).is_relative_to(at.parent)


def _found(archive: Archive, path: Path, sha256: str) -> str:
    if not path.is_file():
        return "no such file"
    now = archive.sha256(path)
    return "the file as recorded" if now == sha256 else f"sha256 {now[:12]}"


def _tag_state(figure: Path, recipe: str) -> str:
    tag = read_recipe(figure)
    if tag is None:
        return "recipe id gone"
    return "recipe id kept" if tag == recipe else f"recipe id of another job, {tag[:12]}"


def _cannot_audit(path: str | Path, found: str) -> BadInputError:
    return BadInputError(
        path,
        "audit",
        found=found,
        expected="a figure that carries a recipe id, or a results folder with records",
        remedy="Check the path; records are written by the jobs of the workflow.",
    )
