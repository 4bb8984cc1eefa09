"""What a check found, and the table of all checks."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from neurospect.errors import BadInputError, BadInputsError

State = Literal["ok", "warning", "fault"]
STATES: tuple[State, ...] = ("ok", "warning", "fault")
EXPECTED = "  expected"
WIDTH = 100
"""Of a line of the table, characters."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    state
        `ok`; `warning` where work may go on; `fault` where it will fail or cannot be trusted.
    check
        What was looked at, in a few words.
    found
        What is there.
    expected, remedy
        What should be, and what to do about it; empty where all is well.
    """

    state: State
    check: str
    found: str
    expected: str = ""
    remedy: str = ""


def ok(check: str, found: object) -> Finding:
    """Say that all is well."""
    return Finding("ok", check, str(found))


def warning(check: str, found: object, expected: str, remedy: str) -> Finding:
    """Say what may become a fault."""
    return Finding("warning", check, str(found), expected, remedy)


def fault(check: str, found: object, expected: str, remedy: str) -> Finding:
    """Say what will fail."""
    return Finding("fault", check, str(found), expected, remedy)


def faults_of(check: str, refused: BadInputError | BadInputsError) -> list[Finding]:
    """Say what the library refused, in its own words."""
    each = [refused] if isinstance(refused, BadInputError) else refused.faults
    return [
        fault(check, f"{one.where}: {one.field}: {one.found}", one.expected, one.remedy)
        for one in each
    ]


def worst(findings: Sequence[Finding]) -> State:
    """Return the worst state among findings; `ok` where there are none."""
    return max((each.state for each in findings), key=STATES.index, default="ok")


def findings_text(findings: Sequence[Finding]) -> str:
    """Write findings as a table, one check a row; below those that are not ok, what to do."""
    wide = max(len(EXPECTED), *(len(each.check) for each in findings))
    lines = []
    for each in findings:
        lines += _row(each.state, each.check, each.found, wide)
        if each.state != "ok":
            lines += _row("", EXPECTED, each.expected, wide)
            lines += _row("", "  to do", each.remedy, wide)
    counts = {state: sum(each.state == state for each in findings) for state in STATES}
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    return "\n".join([*lines, "", said])


def findings_json(findings: Sequence[Finding]) -> str:
    """Write findings as JSON, with the worst state on top."""
    content = {"worst": worst(findings), "findings": [asdict(each) for each in findings]}
    return json.dumps(content, indent=2)


def _row(state: str, name: str, text: str, wide: int) -> list[str]:
    """Wrap a text inside its column."""
    head = f"{state:<8} {name:<{wide}}  "
    # one long word, such as a path, stays whole, so that it can be copied
    return textwrap.wrap(
        text or "nothing",
        width=max(WIDTH, len(head) + 40),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
