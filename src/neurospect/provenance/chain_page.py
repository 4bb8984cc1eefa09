"""The chain of a figure as one page of HTML: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Iterable
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


def chain_html(chain: Chain, preview: bytes | None = None) -> str:
    """Write a chain as a page that stands alone.

    Parameters
    ----------
    chain
        From `neurospect.provenance.trace.trace`.
    preview
        The figure made small, as WebP, to be shown instead of the figure itself.

    Returns
    -------
    str
        HTML. The same chain gives the same text.
    """
    numbers = {recipe: number for number, recipe in enumerate(chain.steps, start=1)}
    sections = [_section(step, numbers[recipe], numbers) for recipe, step in chain.steps.items()]
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


def _section(step: Step, number: int, numbers: dict[str, int]) -> str:
    record = step.record
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
            _files("Made from", ((_source(s, numbers), s.file.sha256) for s in step.sources)),
            _files("Made", ((escape(file.path), file.sha256) for file in record.outputs)),
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
    number = numbers[source.step]
    return f'{path} <a href="#step-{number}">from step {number}</a>'


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>\n" for name, value in rows
    )
    title = f"<caption>{caption}</caption>" if caption else ""
    return f"<table>{title}\n{body}</table>" if body else ""


def _files(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Table of files; the first cell of each row is HTML already."""
    body = "".join(
        f"<tr><td>{cell}</td><td><code>{escape(sha256)}</code></td></tr>\n" for cell, sha256 in rows
    )
    return f"<table><caption>{caption}, with sha256</caption>\n{body}</table>" if body else ""
