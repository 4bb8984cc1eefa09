"""Which files belong to which participant's run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One functional run of one participant, as files.

    Parameters
    ----------
    participant_id
        As in the participants table, such as `sub-001`.
    image
        The 4-D NIfTI, shape (x, y, z, volumes).
    mask
        A 3-D NIfTI, nonzero inside the brain.
    confounds
        fMRIPrep's table of confounds, or None.
    session
        The session's label, such as `01`, or None where the cohort has none.
    sidecar
        The JSON file beside the image, which may say the repetition time, or None.
    """

    participant_id: str
    image: Path
    mask: Path
    confounds: Path | None = None
    session: str | None = None
    sidecar: Path | None = None
