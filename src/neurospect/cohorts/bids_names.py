"""File names as BIDS writes them: entities, a suffix and an extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LABEL = re.compile(r"[A-Za-z0-9]+")
VALUE = re.compile(r"[A-Za-z0-9+]+")  # BIDS joins two labels in one value by a plus
PREFIX = "sub-"
# What names of folders hold elsewhere; nothing that a shell, a path or an option would read.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")


@dataclass(frozen=True)
class BidsFile:
    """A file whose name follows BIDS, taken apart.

    Parameters
    ----------
    path
        The file.
    entities
        Keys and values of the name, such as `task` and `rest`.
    suffix
        What the file holds, such as `bold`.
    extension
        With its dots, such as `.nii.gz`.
    """

    path: Path
    entities: Mapping[str, str]
    suffix: str
    extension: str


def bids_file(path: Path) -> BidsFile | None:
    """Take the name of a file apart; None if it does not follow BIDS.

    Entities may stand in any order, but none of them twice.
    """
    stem, dot, extension = path.name.partition(".")
    *pairs, suffix = stem.split("_")
    parts = [pair.partition("-") for pair in pairs]
    entities = {key: value for key, _, value in parts}
    named = all(map(LABEL.fullmatch, [suffix, *entities]))
    if len(entities) < len(pairs) or not named or not all(map(VALUE.fullmatch, entities.values())):
        return None
    return BidsFile(path, entities, suffix, dot + extension)


def is_participant_label(participant: str) -> bool:
    """Say whether a text is `sub-` and a label of letters and digits."""
    return participant.startswith(PREFIX) and bool(LABEL.fullmatch(participant[len(PREFIX) :]))


def is_plain_name(name: str) -> bool:
    """Say whether a text is letters, digits and ``. _ + @ -``, the first a letter or digit."""
    return bool(PLAIN.fullmatch(name))
