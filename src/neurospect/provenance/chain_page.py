"""The chain of a figure as one page of HTML: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from neurospect.arrays.html_page import html_page
from neurospect.provenance.content import as_utf8, canonical_json
from neurospect.provenance.record import Record

if TYPE_CHECKING:
    from neurospect.provenance.trace import Chain, Source, Step

_STYLE = """\
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --mark: #0a6b8a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
section:target { border-color: var(--mark); }
img { max-width: 100%; background: #fff; }
table { border-collapse: collapse; width: 100%; margin: .3rem 0 .8rem; }
caption { text-align: left; color: var(--quiet); }
th, td { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
th { font-weight: 500; white-space: nowrap; }
td { overflow-wrap: anywhere; }
tr { border-top: 1px solid var(--line); }
code { font-size: .85em; }
.quiet { color: var(--quiet); }
.warning { border-left: .3rem solid #c60; padding-left: .7rem; }
a { color: var(--mark); }
"""


@dataclass(frozen=True)
class Lengths:
    """How much of a chain stands on a page; what does not is counted there.

    Attributes
    ----------
    in_full
        Jobs of one rule with all their facts.
    in_a_line
        Further jobs of that rule, with wildcards and recipe.
    files
        Of those that one job read, and of those that it made.
    """

    in_full: int = 5
    in_a_line: int = 500
    files: int = 100


EVERYTHING = Lengths(sys.maxsize, sys.maxsize, sys.maxsize)


def chain_html(chain: Chain, preview: bytes | None = None, lengths: Lengths = EVERYTHING) -> str:
    """Write a chain as a page that stands alone.

    Parameters
    ----------
    chain
        From `neurospect.provenance.trace.trace`.
    preview
        The figure made small, as WebP, to be shown instead of the figure itself.
    lengths
        How much of it: the chains of large cohorts have a job for each participant, and browsers
        show no page of more than two megabytes inside a report.

    Returns
    -------
    str
        HTML. The same chain gives the same text.
    """
    rules: dict[str, list[Step]] = {}
    for step in chain.steps.values():
        rules.setdefault(step.record.rule, []).append(step)
    most = lengths.in_full + lengths.in_a_line
    shown = [step.record.recipe for steps in rules.values() for step in steps[:most]]
    numbers = {recipe: number for number, recipe in enumerate(shown, start=1)}
    sections = []
    for steps in rules.values():
        sections += [_section(step, numbers, lengths.files) for step in steps[: lengths.in_full]]
        sections += _in_lines(steps[lengths.in_full :], numbers)
    body = [
        f'<p class="quiet">recipe <code>{escape(chain.recipe)}</code><br>',
        f"sha256 <code>{escape(chain.sha256)}</code></p>",
        *_warnings(chain),
        _picture(chain, preview),
        f"<p>{_counted(chain)} The figure's own step comes first.</p>",
        *sections,
    ]
    return as_utf8(html_page(f"Where {chain.figure.name} came from", _STYLE, body))


def _warnings(chain: Chain) -> Iterable[str]:
    if not chain.as_recorded:
        yield '<p class="warning">These are not the bytes that its job wrote.</p>'
    if chain.found_by != "tag":
        yield (
            '<p class="warning">The figure carries no recipe id that is known; '
            f"it was found by its {escape(chain.found_by)}.</p>"
        )


def _picture(chain: Chain, preview: bytes | None) -> str:
    kinds = {".png": "image/png", ".svg": "image/svg+xml"}
    kind = "image/webp" if preview else kinds.get(chain.figure.suffix)
    if kind is None:
        return ""
    data = base64.b64encode(preview or chain.figure.read_bytes()).decode()
    return f'<p><img alt="{escape(chain.figure.name)}" src="data:{kind};base64,{data}"></p>'


def _counted(chain: Chain) -> str:
    raw = {
        source.file.sha256 for step in chain.steps.values() for source in step.sources if source.raw
    }
    jobs = "1 job" if len(chain.steps) == 1 else f"{len(chain.steps)} jobs"
    files = "1 raw file" if len(raw) == 1 else f"{len(raw)} raw files"
    return f"Made by {jobs} from {files}."


def _in_lines(steps: Sequence[Step], numbers: dict[str, int]) -> list[str]:
    """Write the section of further jobs of one rule, a line for each that has a number."""
    if not steps:
        return []
    records = [step.record for step in steps if step.record.recipe in numbers]
    lines = "".join(
        f'<tr id="step-{numbers[record.recipe]}"><td>{numbers[record.recipe]}</td>'
        f"<td>{escape(' '.join(f'{name}={value}' for name, value in record.wildcards.items()))}"
        f"</td><td><code>{escape(record.recipe)}</code></td></tr>\n"
        for record in records
    )
    heading = f"<h2>{escape(steps[0].record.rule)}, {len(steps):,} more</h2>"
    table = f"<table><caption>Number, wildcards and recipe</caption>\n{lines}</table>"
    unnamed = _not_shown(len(steps) - len(records), "jobs")
    return [f"<section>\n{heading}\n{table}{unnamed}\n</section>"]


def _not_shown(count: int, what: str) -> str:
    if count <= 0:
        return ""
    remedy = "neurospect trace FIGURE --html PAGE writes all of them"
    return f'<p class="quiet">and {count:,} more {what}; {remedy}</p>'


def _section(step: Step, numbers: dict[str, int], most: int) -> str:
    record = step.record
    number = numbers[record.recipe]
    made_from = [(_source(source, numbers), source.file.sha256) for source in step.sources]
    made = [(escape(file.path), file.sha256) for file in record.outputs]
    return "\n".join(
        [
            f'<section id="step-{number}">',
            f"<h2>{number}. {escape(record.rule)}</h2>",
            _table("", _facts(record)),
            _table("Wildcards", ((name, value) for name, value in record.wildcards.items())),
            _table(
                "Params",
                (
                    (name, value if isinstance(value, str) else canonical_json(value))
                    for name, value in record.params.items()
                ),
            ),
            _files("Made from", made_from, most),
            _files("Made", made, most),
            "</section>",
        ]
    )


def _facts(record: Record) -> list[tuple[str, str]]:
    run = record.run
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    threads = f"{run.threads} thread(s)" + (f", {run.device}" if run.device else "")
    facts = [
        ("Recipe", record.recipe),
        ("Script", record.script),
        ("Code", record.code),
        ("Environment", record.environment or "not stated"),
        ("Ran", f"{run.started} to {run.ended}, on {run.host}, {threads}"),
        ("With", f"Python {run.python}, {versions}"),
    ]
    if run.slurm_job_id:
        facts.append(("Slurm job", run.slurm_job_id))
    return facts


def _source(source: Source, numbers: dict[str, int]) -> str:
    path = escape(source.file.path)
    if source.raw:
        return f"{path} <strong>raw file</strong>"
    if source.step is None:
        return f"{path} <strong>no record of its job</strong>"
    number = numbers.get(source.step)
    if number is None:
        return f"{path} from recipe <code>{escape(source.step)}</code>"
    return f'{path} <a href="#step-{number}">from step {number}</a>'


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>\n" for name, value in rows
    )
    title = f"<caption>{caption}</caption>" if caption else ""
    return f"<table>{title}\n{body}</table>" if body else ""


def _files(caption: str, rows: Sequence[tuple[str, str]], most: int) -> str:
    """Table of files; the first cell of each row is HTML already."""
    body = "".join(
        f"<tr><td>{cell}</td><td><code>{escape(sha256)}</code></td></tr>\n"
        for cell, sha256 in rows[:most]
    )
    unnamed = _not_shown(len(rows) - most, "files")
    table = f"<table><caption>{caption}, with sha256</caption>\n{body}</table>{unnamed}"
    return table if body else ""
