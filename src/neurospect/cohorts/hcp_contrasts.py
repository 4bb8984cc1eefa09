"""The contrasts of the HCP's tasks: which ones are read, and where an analysis keeps them.

The order of the published contrasts is that of the first-level design files in the HCP's own
pipelines. It only counts where an analysis does not name its contrasts itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from neurospect.errors import BadInputError

# Where an analysis lists its contrasts, one name a line, in the order of the copes.
CONTRASTS = "Contrasts.txt"
# The class of each example is its task; what is read of each is its contrast, or their mean.
TASK_CONTRASTS = {
    "WM": ("2BK-0BK",),
    "GAMBLING": ("REWARD", "PUNISH"),
    "MOTOR": ("LF", "LH", "RF", "RH", "T"),
    "LANGUAGE": ("MATH-STORY",),
    "SOCIAL": ("TOM-RANDOM",),
    "RELATIONAL": ("REL-MATCH",),
    "EMOTION": ("FACES-SHAPES",),
}


def _with_opposites(*names: str) -> tuple[str, ...]:
    return (*names, *map(opposite, names))


def opposite(name: str) -> str:
    """Name the same contrast with the other sign, as the HCP does: B-A for A-B, neg_A for A."""
    if name.startswith("neg_"):
        return name.removeprefix("neg_")
    first, dash, second = name.partition("-")
    return f"{second}-{first}" if dash else f"neg_{name}"


_PLACES = ("BODY", "FACE", "PLACE", "TOOL")
_MOVEMENTS = ("CUE", "LF", "LH", "RF", "RH", "T")
# Name number n, counted from 1, is cope n.
PUBLISHED_ORDER = {
    "WM": (
        *(f"{load}_{kind}" for load in ("2BK", "0BK") for kind in _PLACES),
        *_with_opposites("2BK", "0BK", "2BK-0BK"),
        *_with_opposites(*_PLACES, *(f"{kind}-AVG" for kind in _PLACES)),
    ),
    "GAMBLING": _with_opposites("PUNISH", "REWARD", "PUNISH-REWARD"),
    "MOTOR": _with_opposites(*_MOVEMENTS, "AVG", *(f"{part}-AVG" for part in _MOVEMENTS)),
    "LANGUAGE": ("MATH", "STORY", "MATH-STORY", "STORY-MATH", "neg_MATH", "neg_STORY"),
    "SOCIAL": _with_opposites("RANDOM", "TOM", "RANDOM-TOM"),
    "RELATIONAL": ("MATCH", "REL", "MATCH-REL", "REL-MATCH", "neg_MATCH", "neg_REL"),
    "EMOTION": _with_opposites("FACES", "SHAPES", "FACES-SHAPES"),
}

_DESIGN_LINE = re.compile(r"/ContrastName(\d+)[ \t]+(.+?)\s*")


def contrast_label(task: str) -> str:
    """Say in words what is read of a task, such as `mean of REWARD and PUNISH`."""
    *names, last = TASK_CONTRASTS[task]
    return f"mean of {', '.join(names)} and {last}" if names else last


def cope_numbers(analysis: str | Path, task: str) -> tuple[dict[str, int], Path | None]:
    """Find the number of each contrast of one analysis.

    Parameters
    ----------
    analysis
        The FEAT folder of the second level.
    task
        A key of `TASK_CONTRASTS`.

    Returns
    -------
    dict, pathlib.Path or None
        Contrast name to cope number, and the file that says so: `Contrasts.txt` (one name a
        line, in the order of the copes), else `design.con`, else None: the published order. A
        `design.con` counts only if it names a contrast of the task; that of the second level
        names none, but only their mean over runs.

    Raises
    ------
    BadInputError
        If the file that counts cannot be read, or gives one name two numbers.
    """
    published = {name: number for number, name in enumerate(PUBLISHED_ORDER[task], start=1)}
    listed = Path(analysis) / CONTRASTS
    if listed.is_file():
        lines = _text(listed).splitlines()
        return _numbered(listed, [(n, line.strip()) for n, line in enumerate(lines, 1)]), listed
    design = Path(analysis) / "design.con"
    if design.is_file():
        found = [match for line in _text(design).splitlines() if (match := _design_line(line))]
        if any(name in published for _, name in found):
            return _numbered(design, found), design
    return published, None


def _design_line(line: str) -> tuple[int, str] | None:
    match = _DESIGN_LINE.fullmatch(line)
    return (int(match[1]), match[2]) if match else None


def _numbered(path: Path, contrasts: Sequence[tuple[int, str]]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, name in contrasts:
        if name and numbers.setdefault(name, number) != number:
            raise BadInputError(
                path,
                f"contrast {name}",
                found=f"numbers {numbers[name]} and {number}",
                expected="one number for each name",
                remedy="Name each contrast once.",
            )
    return numbers


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            path,
            "content",
            found=str(error),
            expected="names of contrasts, as text",
            remedy="Copy the file again; without it, the published order of contrasts counts.",
        ) from None
