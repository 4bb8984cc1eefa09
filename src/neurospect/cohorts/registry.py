"""The cohorts by name: each is one module with `raw_files` and `load`, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from neurospect.cohorts import freesurfer, mnist, sinusoid
from neurospect.cohorts.cohort import Cohort
from neurospect.errors import BadInputError


class CohortModule(Protocol):
    """What a module must offer to be a cohort."""

    def raw_files(self, settings: Mapping[str, Any], /) -> list[Path]:
        """Return the files that the cohort is made from."""

    def load(self, settings: Mapping[str, Any], /) -> Cohort:
        """Read or make the cohort."""


COHORTS: dict[str, CohortModule] = {
    "freesurfer": freesurfer,
    "mnist": mnist,
    "sinusoid": sinusoid,
}


def raw_files(name: str, settings: Mapping[str, Any]) -> list[Path]:
    """Return the files that a cohort is made from; none for a cohort that is made.

    Parameters
    ----------
    name
        A key of `COHORTS`.
    settings
        The settings of that cohort.

    Raises
    ------
    BadInputError
        If no cohort has that name, or its settings or files are not usable.
    """
    return _module(name).raw_files(settings)


def load_cohort(name: str, settings: Mapping[str, Any]) -> Cohort:
    """Read or make a cohort.

    Parameters
    ----------
    name
        A key of `COHORTS`.
    settings
        The settings of that cohort.

    Raises
    ------
    BadInputError
        If no cohort has that name, or its settings or files are not usable.
    """
    return _module(name).load(settings)


def _module(name: str) -> CohortModule:
    if name not in COHORTS:
        raise BadInputError(
            "settings",
            "cohort",
            found=repr(name),
            expected=f"one of {', '.join(sorted(COHORTS))}",
            remedy="Choose a known cohort, or add a module and a line to COHORTS.",
        )
    return COHORTS[name]
