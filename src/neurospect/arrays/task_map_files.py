"""Which files belong to which participant's task map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TaskMapFiles:
    """One task of one participant, as files.

    Parameters
    ----------
    participant_id
        As in the participants table, such as `100307`.
    task
        The task, such as `MOTOR`; the class of the example.
    contrast
        What the map shows, such as `2BK-0BK`, or `mean of REWARD and PUNISH`.
    files
        3-D NIfTIs; the map is their mean.
    negated
        Whether the files hold the opposite contrast, so that their mean changes its sign.
    named_by
        The file by whose names of contrasts `files` and `negated` were chosen; None where no file
        names them.
    """

    participant_id: str
    task: str
    contrast: str
    files: tuple[Path, ...]
    negated: bool = False
    named_by: Path | None = None
