"""Every participant of a cohort on one page of HTML: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import pandas as pd

from neurospect.arrays.html_page import html_page
from neurospect.errors import BadInputError
from neurospect.figures.participant_quality import METHODS, per_participant

LOW_CORRELATION = 0.3
HIGH_MOTION_MM = 0.5
LOW_COVERAGE = 0.9
LOW_POWER_RATIO = 1.0
UNLIKE_OTHERS = 3.0
"""Scaled median absolute deviations under the median from which a participant is an outlier."""
MISSING = "n/a"

_STYLE = """\
:root { color-scheme: light dark; --line: #8886; --quiet: #6b6b6b; --flag: #a33; --shade: #8881; }
@media (prefers-color-scheme: dark) { :root { --quiet: #a5a5a5; --flag: #ff9d8a; } }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 86rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
caption { text-align: left; color: var(--quiet); padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .9rem .2rem 0; }
thead th { font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; white-space: nowrap; }
tbody tr { border-top: 1px solid var(--line); }
tbody tr:nth-child(even) { background: var(--shade); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.long { overflow-wrap: anywhere; min-width: 12rem; }
.quiet { color: var(--quiet); }
.flag { color: var(--flag); font-weight: 600; }
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { font-size: 8.5pt; max-width: none; margin: 0; }
  .wide { overflow: visible; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
"""

Column = tuple[str, Callable[[pd.Series], str], str]
"""Heading, what a row says (HTML), and `number`, `long` or nothing."""


def quality_html(
    quality: pd.DataFrame,
    runs: pd.DataFrame,
    exclusions: pd.DataFrame,
    *,
    title: str,
    method: str = "constrained_ica",
) -> str:
    """Write the page of a cohort's components: each participant, the worst first.

    Parameters
    ----------
    quality
        One row per participant and component (see
        `neurospect.figures.participant_quality.per_participant`).
    runs
        One row per participant: `participant_id`, and where known `volumes`, `coverage` (0 to
        1), `mean_framewise_displacement` (mm), `principal_components`, `notes`.
    exclusions
        Who was left out, with the columns of `neurospect.arrays.exclusions`.
    title
        Which cohort.
    method
        What made the maps, a key of `neurospect.figures.participant_quality.METHODS`.

    Returns
    -------
    str
        HTML. The same tables give the same text.

    Raises
    ------
    BadInputError
        If a column is missing or the tables do not belong together.
    """
    summary = per_participant(quality, runs)
    summary = summary.assign(flags=flags(summary))
    summary = summary.sort_values(["mean_correlation", "participant_id"], na_position="first")
    body = [
        f"<p>{_count(len(summary), 'participant')} with components. {_left_out(exclusions)} "
        f"Maps by {METHODS[method]}.</p>",
        "<h2>Participants, worst first</h2>",
        f'<p class="quiet">{_explained()}</p>',
        _table(summary, _quality_columns(summary, method)),
        exclusions_section(exclusions),
    ]
    return html_page(title, _STYLE, body)


def task_map_html(examples: pd.DataFrame, exclusions: pd.DataFrame, *, title: str) -> str:
    """Write the page of a cohort's task maps: how many of each task, and what was left out.

    Parameters
    ----------
    examples
        One row per map: `participant_id`, `task`, and where known `contrast` and `negated`.
    exclusions
        What was left out, with the columns of `neurospect.arrays.exclusions`; one task of a
        participant is `task <name>` in its column `what`.
    title
        Which cohort.

    Returns
    -------
    str
        HTML. The same tables give the same text.

    Raises
    ------
    BadInputError
        If a column is missing.
    """
    missing = [name for name in ("participant_id", "task") if name not in examples]
    if missing:
        raise BadInputError(
            "examples",
            "columns",
            found=f"no {', no '.join(missing)}",
            expected="participant_id, task",
            remedy="Give the table that the extraction of task maps wrote.",
        )
    people = examples["participant_id"].nunique()
    each = examples.groupby("participant_id")["task"].nunique()
    complete = int((each == examples["task"].nunique()).sum())
    body = [
        f"<p>{_count(len(examples), 'map')} of {_count(people, 'participant')}; "
        f"{_count(complete, 'participant')} with every task. {_left_out(exclusions)}</p>",
        "<h2>Tasks</h2>",
        _table(_task_counts(examples, exclusions), _task_columns(examples)),
        exclusions_section(exclusions),
    ]
    return html_page(title, _STYLE, body)


def participants_html(
    participants: pd.DataFrame, exclusions: pd.DataFrame, *, classes: Sequence[str], title: str
) -> str:
    """Write the page of a cohort: how many there are of each class, and what was left out.

    Parameters
    ----------
    participants
        One row per participant, with the columns of classes.
    exclusions
        With the columns of `neurospect.arrays.exclusions`; may be empty.
    classes
        Columns of classes; those that the table lacks are passed over.
    title
        Which cohort.

    Returns
    -------
    str
        HTML. The same tables give the same text.
    """
    body = [f"<p>{_count(len(participants), 'participant')}. {_left_out(exclusions)}</p>"]
    for name in classes:
        if name in participants:
            counts = participants[name].value_counts().sort_index()
            table = pd.DataFrame({"level": counts.index.astype(str), "participants": counts})
            columns: list[Column] = [
                (escape(name.replace("_", " ")), _text("level"), ""),
                ("Participants", _text("participants"), "number"),
            ]
            body.append(_table(table, columns))
    return html_page(title, _STYLE, [*body, exclusions_section(exclusions)])


def exclusions_section(exclusions: pd.DataFrame) -> str:
    """List who and what was left out and why, in full, as a section of HTML.

    Parameters
    ----------
    exclusions
        With the columns of `neurospect.arrays.exclusions`; may be empty.
    """
    heading = '<h2 id="left-out">Left out, and why</h2>'
    if exclusions.empty:
        return f"{heading}\n<p>Nothing was left out.</p>"
    columns: list[Column] = [
        ("Participant", _text("participant_id"), ""),
        ("What", _text("what"), ""),
        ("Stage", _text("stage"), ""),
        ("File", _text("where"), "long"),
        ("Field", _text("field"), ""),
        ("Found", _text("found"), "long"),
        ("Expected", _text("expected"), "long"),
        ("What to do", _text("remedy"), "long"),
    ]
    return f"{heading}\n{_table(exclusions, columns)}"


def flags(summary: pd.DataFrame) -> list[str]:
    """Say in words what should be looked at in each participant, separated by `; `.

    Parameters
    ----------
    summary
        From `neurospect.figures.participant_quality.per_participant`.
    """
    mean = summary["mean_correlation"].astype(np.float64)
    middle = float(mean.median())
    spread = 1.4826 * float((mean - middle).abs().median())
    checks = {
        "no correlation": mean.isna(),
        "unlike the others": (mean < middle - UNLIKE_OTHERS * spread) & (spread > 0),
        "a map unlike its reference": summary["minimum_correlation"] < LOW_CORRELATION,
        "much motion": _numbers(summary, "mean_framewise_displacement") > HIGH_MOTION_MM,
        "small coverage": _numbers(summary, "coverage") < LOW_COVERAGE,
        "little slow power": summary["spectral_power_ratio"] < LOW_POWER_RATIO,
        "not all converged": summary["converged_share"] < 1,
    }
    table = pd.DataFrame(checks, index=summary.index)
    return ["; ".join(table.columns[row]) for row in table.to_numpy(dtype=bool)]


def _numbers(table: pd.DataFrame, column: str) -> pd.Series:
    if column not in table:
        return pd.Series(np.nan, index=table.index)
    return pd.to_numeric(table[column]).astype(np.float64)


def _explained() -> str:
    return (
        "r: correlation of a map with its reference over voxels. Words under “look at” are hints; "
        "nobody is left out because of them. Unlike the others: mean r more than "
        f"{UNLIKE_OTHERS:g} scaled median absolute deviations under the cohort's median. A map "
        f"unlike its reference: lowest r under {LOW_CORRELATION:g}. Much motion: mean framewise "
        f"displacement over {HIGH_MOTION_MM:g} mm. Small coverage: under "
        f"{100 * LOW_COVERAGE:g} % of the analysis mask. Little slow power: spectral power ratio "
        f"(below 0.1 Hz over 0.15 to 0.25 Hz, median over components) under {LOW_POWER_RATIO:g}."
    )


def _quality_columns(summary: pd.DataFrame, method: str) -> list[Column]:
    columns: list[tuple[str, Column]] = [
        ("participant_id", ("Participant", _text("participant_id"), "")),
        ("flags", ("Look at", _flagged, "")),
        ("mean_correlation", ("Mean r", _digits("mean_correlation", 3), "number")),
        ("minimum_correlation", ("Lowest r", _digits("minimum_correlation", 3), "number")),
        ("worst_component", ("Component of the lowest r", _text("worst_component"), "")),
        (
            "baseline_correlation",
            ("Mean r, dual regression", _digits("baseline_correlation", 3), "number"),
        ),
        ("volumes", ("Volumes", _digits("volumes", 0), "number")),
        ("coverage", ("Coverage (%)", _digits("coverage", 1, 100), "number")),
        (
            "mean_framewise_displacement",
            ("Motion (mm)", _digits("mean_framewise_displacement", 2), "number"),
        ),
        (
            "principal_components",
            ("Principal components", _digits("principal_components", 0), "number"),
        ),
        (
            "spectral_power_ratio",
            ("Spectral power ratio", _digits("spectral_power_ratio", 2), "number"),
        ),
        ("converged_share", ("Converged (%)", _digits("converged_share", 0, 100), "number")),
        ("notes", ("Notes", _text("notes"), "long")),
    ]
    if method == "dual_regression":
        columns = [(name, column) for name, column in columns if name != "baseline_correlation"]
    return [
        column
        for name, column in columns
        if name in summary and (name != "notes" or summary[name].fillna("").astype(str).any())
    ]


def _task_counts(examples: pd.DataFrame, exclusions: pd.DataFrame) -> pd.DataFrame:
    """Count the maps of each task, and those left out, in order of appearance."""
    lost = exclusions["what"][exclusions["what"].str.startswith("task ")].str.removeprefix("task ")
    tasks = list(dict.fromkeys([*examples["task"], *lost]))
    counts = pd.DataFrame({"task": tasks})
    by_task = examples.groupby("task")
    counts["maps"] = counts["task"].map(by_task.size()).fillna(0)
    counts["lost"] = counts["task"].map(lost.value_counts()).fillna(0)
    if "contrast" in examples:
        said = by_task["contrast"].agg(lambda names: ", ".join(dict.fromkeys(names.astype(str))))
        counts["contrast"] = counts["task"].map(said)
    if "negated" in examples:
        counts["negated"] = counts["task"].map(by_task["negated"].sum()).fillna(0)
    return counts


def _task_columns(examples: pd.DataFrame) -> list[Column]:
    columns: list[Column] = [("Task", _text("task"), "")]
    if "contrast" in examples:
        columns.append(("Contrast", _text("contrast"), ""))
    columns.append(("Maps", _digits("maps", 0), "number"))
    if "negated" in examples:
        columns.append(("Sign changed", _digits("negated", 0), "number"))
    columns.append(("Left out", _digits("lost", 0), "number"))
    return columns


def _text(column: str) -> Callable[[pd.Series], str]:
    def cell(row: pd.Series) -> str:
        value = row[column]
        return MISSING if pd.isna(value) else escape(str(value))

    return cell


def _digits(column: str, digits: int, factor: float = 1.0) -> Callable[[pd.Series], str]:
    def cell(row: pd.Series) -> str:
        value = row[column]
        if pd.isna(value):
            return MISSING
        return f"{float(value) * factor:.{digits}f}".replace("-", "−")

    return cell


def _flagged(row: pd.Series) -> str:
    words = str(row["flags"])
    return f'<span class="flag">{escape(words)}</span>' if words else ""


def _table(rows: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Write a table; the first column names the row."""
    head = "".join(f'<th scope="col"{_kind(kind)}>{name}</th>' for name, _, kind in columns)
    lines = []
    for _, row in rows.iterrows():
        first, *others = ((cell(row), kind) for _, cell, kind in columns)
        cells = "".join(f"<td{_kind(kind)}>{text}</td>" for text, kind in others)
        lines.append(f'<tr><th scope="row">{first[0]}</th>{cells}</tr>')
    body = "\n".join(lines)
    return (
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _left_out(exclusions: pd.DataFrame) -> str:
    people = exclusions["participant_id"][exclusions["what"] == "participant"].nunique()
    examples = int((exclusions["what"] != "participant").sum())
    if not people and not examples:
        return "Nothing was left out."
    parts = [_count(people, "participant")] if people else []
    parts += [_count(examples, "example")] if examples else []
    return f'<a href="#left-out">{" and ".join(parts)} left out</a>.'
