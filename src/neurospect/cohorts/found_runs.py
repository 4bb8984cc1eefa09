"""What a search for runs gives back, whichever layout was searched."""

from __future__ import annotations

from dataclasses import dataclass

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run


@dataclass(frozen=True)
class FoundRuns:
    """The runs of a cohort, and who has none that can be used.

    Parameters
    ----------
    runs
        One for each participant who has one.
    exclusions
        Everybody else.
    """

    runs: list[Run]
    exclusions: list[Exclusion]
