"""Everything that an audit has to look at: what is audited, and all that it was made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neurospect.provenance.archive import (
    CHAIN_PAGE,
    Archive,
    Origin,
    files_under,
    find_figure,
    is_figure,
    is_raw,
    origin,
)
from neurospect.provenance.places import Filed, moved_from
from neurospect.provenance.record import SUFFIX, InputFile, OutputFile

_NOT_RESULTS = (".log", ".benchmark.tsv", SUFFIX)


@dataclass
class Survey:
    """Records, the files that they made, and the links between them.

    Parameters
    ----------
    made
        By record: the outputs to check, and where each lies. Of a record that lies outside what
        is audited, only the outputs that something audited was made from.
    readers
        By record and name of output: the records of the jobs that read it.
    raw
        Raw inputs, with the record that names them.
    orphans
        Inputs that a job made of which no record is left.
    stale
        Inputs that the job that makes them has since made differently.
    lost
        Figures that no record speaks of.
    unrecorded
        Other files that no record speaks of.
    checked
        What is in `made`, to be asked.
    """

    made: dict[Filed, list[tuple[OutputFile, Path]]] = field(default_factory=dict)
    readers: dict[tuple[Filed, str], list[Filed]] = field(default_factory=dict)
    raw: list[tuple[Filed, InputFile]] = field(default_factory=list)
    orphans: list[tuple[Filed, InputFile]] = field(default_factory=list)
    stale: list[tuple[Filed, InputFile, Origin]] = field(default_factory=list)
    lost: list[Path] = field(default_factory=list)
    unrecorded: list[Path] = field(default_factory=list)
    checked: set[tuple[Filed, Path]] = field(default_factory=set)


def survey_of(archive: Archive, targets: Iterable[Path]) -> Survey:
    """Survey figures, or folders, and everything upstream.

    Parameters
    ----------
    archive
        The records, from `open_archive`.
    targets
        Absolute paths of figures or folders.
    """
    survey = Survey()
    for target in targets:
        if target.is_dir():
            _begin_with_folder(survey, archive, target)
        else:
            _begin_with_figure(survey, archive, target)
    _follow(survey, archive)
    return survey


def figures_of(survey: Survey, filed: Iterable[Filed]) -> set[Path]:
    """Figures that records made, and those made from what they made, and so on."""
    figures: set[Path] = set()
    waiting, seen = list(filed), set[Filed]()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for output, place in survey.made.get(current, []):
            if is_figure(place):
                figures.add(place)
            waiting.extend(survey.readers.get((current, output.name), []))
    return figures


def figures_from(survey: Survey, filed: Filed, output: OutputFile, place: Path) -> set[Path]:
    """Figures that depend on one output: itself, and those made from it."""
    own = {place} if is_figure(place) else set[Path]()
    return own | figures_of(survey, survey.readers.get((filed, output.name), []))


def misplaced(survey: Survey) -> dict[tuple[Path, str], list[Filed]]:
    """Collect misplaced records by what was moved: where that lies, and where it was written."""
    moved: dict[tuple[Path, str], list[Filed]] = {}
    for filed in survey.made:
        # Of an edited record, the path may be what was edited.
        if filed.misplaced and filed.intact:
            moved.setdefault(moved_from(filed), []).append(filed)
    return moved


def stale_chain_pages(archive: Archive, survey: Survey) -> Iterator[tuple[Filed, Path, list[str]]]:
    """Yield pages of chains, and the recipes that are in the figure's chain and not on the page.

    A chain that is broken on the way is passed over: that is a fault of its own.
    """
    sources: dict[Filed, set[Filed]] = {}
    for (source, _), readers in survey.readers.items():
        for reader in readers:
            sources.setdefault(reader, set()).add(source)
    broken = {filed for filed, *_ in (*survey.stale, *survey.orphans)}
    for filed, outputs in survey.made.items():
        for output, place in outputs:
            if not place.name.endswith(CHAIN_PAGE) or not place.is_file():
                continue
            chain = _upstream(filed, sources)
            sound = broken.isdisjoint(chain) and all(each.intact for each in chain)
            if sound and archive.sha256(place) == output.sha256:
                text = place.read_text(encoding="utf-8", errors="replace")
                recipes = {each.record.recipe for each in chain - {filed}}
                if unnamed := sorted(recipe for recipe in recipes if recipe not in text):
                    yield filed, place, unnamed


def _upstream(filed: Filed, sources: dict[Filed, set[Filed]]) -> set[Filed]:
    """Collect a job, those that it was made from, those that these were made from, and so on."""
    found, waiting = set[Filed](), [filed]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(sources.get(current, ()))
    return found


def _begin_with_figure(survey: Survey, archive: Archive, figure: Path) -> None:
    claim = archive.by_file.get(figure) or find_figure(archive, figure)
    if claim:
        _check(survey, claim[0], claim[1], figure)
    else:
        survey.lost.append(figure)


def _begin_with_folder(survey: Survey, archive: Archive, folder: Path) -> None:
    known = set(archive.by_file)
    for filed in archive.filed:
        links = filed.record.inputs
        # A result that is a figure is known by its own record alone.
        read = (link.path for link in links if is_raw(filed, link) or not is_figure(link.path))
        known |= set(map(filed.locate, read))
        if filed.at.is_relative_to(folder):
            survey.made.setdefault(filed, [])
            for output in filed.record.outputs:
                if archive.by_file[filed.place(output)][0] is filed:
                    _check(survey, filed, output, filed.place(output))
    for path in files_under(folder):
        if path in known or path.name.endswith(_NOT_RESULTS):
            continue
        figure = is_figure(path) and path.is_file()
        claim = find_figure(archive, path) if figure else None
        if claim:
            # A copy, perhaps edited: it is held to the record of the figure that it copies.
            _check(survey, claim[0], claim[1], path)
        else:
            (survey.lost if figure else survey.unrecorded).append(path)


def _check(survey: Survey, filed: Filed, output: OutputFile, place: Path) -> None:
    checks = survey.made.setdefault(filed, [])
    if (filed, place) not in survey.checked:
        survey.checked.add((filed, place))
        checks.append((output, place))


def _follow(survey: Survey, archive: Archive) -> None:
    """Follow every link upstream from what is in the survey already."""
    waiting, seen = list(survey.made), set[Filed]()
    while waiting:
        filed = waiting.pop()
        if filed in seen:
            continue
        seen.add(filed)
        for link in filed.record.inputs:
            if is_raw(filed, link):
                survey.raw.append((filed, link))
                continue
            source = origin(archive, filed, link)
            if source is None:
                survey.orphans.append((filed, link))
                continue
            if not source.same:
                survey.stale.append((filed, link, source))
            _check(survey, source.filed, source.output, source.filed.place(source.output))
            survey.readers.setdefault((source.filed, source.output.name), []).append(filed)
            waiting.append(source.filed)
