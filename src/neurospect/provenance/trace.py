"""The chain of jobs from a figure down to raw files: as data, a tree of text, a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurospect.errors import BadInputError
from neurospect.provenance.archive import (
    Archive,
    find_figure,
    is_raw,
    open_archive,
    origin,
)
from neurospect.provenance.breaks import on_one_line, shown_path
from neurospect.provenance.chain_page import chain_html as chain_html
from neurospect.provenance.content import absolute, canonical_json
from neurospect.provenance.places import Filed
from neurospect.provenance.record import InputFile, Record


@dataclass(frozen=True)
class Source:
    """An input of a step; `step` is the recipe of the step that made it.

    `step` is None for a raw file, and for a file of which no record tells; `raw` tells the two
    apart. `step` may differ from ``file.recipe`` where another recipe makes the same bytes.
    """

    file: InputFile
    step: str | None
    raw: bool


@dataclass(frozen=True)
class Step:
    """One job of a chain: its record, and where each of its inputs came from."""

    record: Record
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Chain:
    """How a figure was made.

    Parameters
    ----------
    figure
        The figure.
    sha256
        Of its bytes now.
    as_recorded
        Whether its bytes are those that its job wrote.
    found_by
        ``"tag"``, ``"sha256"`` or ``"place"``: what the figure was known by.
    recipe
        Recipe id of the job that made it.
    steps
        By recipe id; the figure's own first, each step before those that it was made from.
    results
        The results folders that were looked into.
    """

    figure: Path
    sha256: str
    as_recorded: bool
    found_by: str
    recipe: str
    steps: dict[str, Step]
    results: frozenset[Path] = frozenset()


def trace(figure: str | Path) -> Chain:
    """Trace a figure to the raw files that it was made from.

    A figure is known by the recipe id that it carries; where an editor dropped the id, by its own
    bytes; else by its place beside a record.

    Parameters
    ----------
    figure
        A figure, or any other file that a job made.

    Raises
    ------
    BadInputError
        There is no such file, or no record of it.
    """
    if not absolute(figure).is_file():
        raise _cannot_trace(figure, _no_file(absolute(figure)))
    path, archive = open_archive(figure)
    claim = find_figure(archive, path)
    if claim is None:
        raise _cannot_trace(figure, "a file that no record speaks of")
    filed, output, found_by = claim
    return Chain(
        figure=path,
        sha256=archive.sha256(path),
        as_recorded=archive.sha256(path) == output.sha256,
        found_by=found_by,
        recipe=filed.record.recipe,
        steps=_steps(archive, filed),
        results=frozenset(each.results for each in archive.filed if each.results),
    )


def chain_text(chain: Chain, most: int = 8) -> str:
    """Write a chain as a tree, the figure on top and raw files at the leaves.

    Parameters
    ----------
    chain
        From `trace`.
    most
        Of the raw files of one step, at most so many are named.
    """
    lines = [f"{shown_path(chain.figure)}  sha256 {chain.sha256[:12]}"]
    if not chain.as_recorded:
        lines.append("! these are not the bytes that its job wrote; `neurospect audit` says more")
    if chain.found_by != "tag":
        lines.append(f"! it carries no recipe id that is known; found by its {chain.found_by}")
    shown: set[str] = set()
    lines += _branch(chain, chain.recipe, "", most, shown)
    return "\n".join(map(on_one_line, lines))


def params_text(record: Record, width: int = 88) -> str:
    """Write wildcards and params as ``name=value``, cut to a width."""
    values = {**record.wildcards, **record.params}
    text = "  ".join(
        f"{name}={value if isinstance(value, str) else canonical_json(value)}"
        for name, value in values.items()
    )
    return text if len(text) <= width else text[: width - 1] + "…"


def _branch(chain: Chain, recipe: str, margin: str, most: int, shown: set[str]) -> list[str]:
    """Lines of a step and of everything below it, each step spelled out once."""
    step = chain.steps[recipe]
    head = f"{margin}└─ {step.record.rule}  recipe {recipe[:12]}"
    if recipe in shown:
        return [f"{head}  (shown above)"]
    shown.add(recipe)
    inner = margin + "   "
    lines = [head]
    params = params_text(step.record)
    if params:
        lines.append(f"{inner}{params}")
    raw = [source for source in step.sources if source.raw]
    hidden = raw[most:] if len(raw) > most + 1 else []
    for source in step.sources:
        if source in hidden:
            continue
        file = source.file
        lines.append(f"{inner}{file.path}  sha256 {file.sha256[:12]}{_mark(source)}")
        if source.step:
            lines += _branch(chain, source.step, inner, most, shown)
    if hidden:
        lines.append(f"{inner}and {len(hidden)} more raw files")
    return lines


def _mark(source: Source) -> str:
    if source.raw:
        return "  raw file"
    if source.step:
        return ""
    recipe = source.file.recipe
    return f"  no record of recipe {recipe[:12]}" if recipe else "  no record of its job"


def _steps(archive: Archive, top: Filed) -> dict[str, Step]:
    """Collect the steps upstream of a record, each before those that it was made from."""
    after: list[tuple[str, Step]] = []
    seen: set[str] = set()

    def visit(filed: Filed) -> None:
        if filed.record.recipe in seen:
            return
        seen.add(filed.record.recipe)
        sources = []
        for file in filed.record.inputs:
            raw = is_raw(filed, file)
            found = None if raw else origin(archive, filed, file)
            if found:
                visit(found.filed)
            step = found.filed.record.recipe if found else None
            sources.append(Source(file, step, raw))
        after.append((filed.record.recipe, Step(filed.record, tuple(sources))))

    visit(top)
    return dict(reversed(after))


def _no_file(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    return "a device or a pipe" if path.exists() else "no such file"


def _cannot_trace(figure: str | Path, found: str) -> BadInputError:
    return BadInputError(
        figure,
        "trace",
        found=found,
        expected="a figure that carries a recipe id, or a file beside its record",
        remedy="Check the path; a figure keeps its chain only together with the records.",
    )
