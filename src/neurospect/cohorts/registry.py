"""Cohorts that are arrays from the start, by name: a module each, and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from neurospect.cohorts import (
    abide,
    block_digits,
    freesurfer,
    mnist,
    simulated_freesurfer,
    sinusoid,
    synthetic_tasks,
)
from neurospect.cohorts.cohort import Cohort
from neurospect.errors import BadInputError


class CohortModule(Protocol):
    """What a module must offer to be a cohort."""

    def raw_files(self, settings: Mapping[str, Any], /) -> list[Path]:
        """Return the files that the cohort is made from."""

    def places(self, files: Sequence[str | Path], /) -> dict[str, str]:
        """Say in the words of the settings where files lie that `raw_files` returned."""

    def load(self, settings: Mapping[str, Any], /) -> Cohort:
        """Read or make the cohort."""


COHORTS: dict[str, CohortModule] = {
    "abide": abide,
    "block-digits": block_digits,
    "freesurfer": freesurfer,
    "mnist": mnist,
    "simulated-freesurfer": simulated_freesurfer,
    "sinusoid": sinusoid,
    "synthetic-tasks": synthetic_tasks,
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


def load_cohort(name: str, settings: Mapping[str, Any], files: Sequence[str | Path] = ()) -> Cohort:
    """Read or make a cohort.

    Parameters
    ----------
    name
        A key of `COHORTS`.
    settings
        The settings of that cohort; where its files lie may be left out, if they are given.
    files
        The files, as `raw_files` returned them.

    Returns
    -------
    Cohort
        Whoever was left out stands in its description under `Excluded`: a list of mappings with
        the keys of `EXCLUSION_COLUMNS`.

    Raises
    ------
    BadInputError
        If no cohort has that name, or its settings or files are not usable.
    """
    module = _module(name)
    return module.load({**settings, **module.places(files)} if files else settings)


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
