"""Where the files of ABIDE I lie once nilearn has fetched them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run
from neurospect.cohorts.abide_participants import PHENOTYPES, abide_folder, abide_participants
from neurospect.cohorts.bids_runs import STAGE
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.found_runs import FoundRuns
from neurospect.errors import BadInputError

Pipeline = Literal["cpac", "ccs", "dparsf", "niak"]
Atlas = Literal["aal", "cc200", "cc400", "dosenbach160", "ez", "ho", "tt"]


def abide_runs(
    folder: str | Path,
    *,
    pipeline: Pipeline = "cpac",
    band_pass: bool = True,
    global_signal: bool = False,
    sites: Sequence[str] | None = None,
) -> FoundRuns:
    """Find the preprocessed 4-D run of every participant, and its mask; no image is opened.

    Parameters
    ----------
    folder
        The folder with `ABIDE_pcp` in it, or that folder itself.
    pipeline
        Which pipeline preprocessed the runs.
    band_pass, global_signal
        Whether they were band-pass filtered, and the global signal regressed out of them.
    sites
        As for `abide_participants`.

    Returns
    -------
    FoundRuns
        Runs in the order of the phenotypic CSV, and everybody else of these sites.

    Raises
    ------
    BadInputError
        If the phenotypic CSV cannot be used, or nothing lies in the folder of these derivatives.
    """
    table, exclusions = abide_participants(folder, sites=sites)
    home = derivatives_folder(folder, pipeline, band_pass, global_signal)
    runs = []
    for participant, file_id in zip(table[PARTICIPANT], table["file_id"], strict=True):
        image, mask = (home / f"{file_id}_func_{each}.nii.gz" for each in ("preproc", "mask"))
        absent = [path for path in (image, mask) if not path.is_file()]
        if absent:
            exclusions.append(Exclusion(participant, STAGE, not_fetched(absent[0])))
        else:
            runs.append(Run(participant, image, mask))
    return FoundRuns(runs, exclusions)


def abide_roi_files(
    folder: str | Path,
    *,
    atlas: Atlas = "ho",
    pipeline: Pipeline = "cpac",
    band_pass: bool = True,
    global_signal: bool = False,
    sites: Sequence[str] | None = None,
) -> list[Path]:
    """List the files that a cohort of regions is made from: the CSV, then the series there are.

    Parameters and errors are those of `abide_runs`, and `atlas`: whose regions.
    """
    home = derivatives_folder(folder, pipeline, band_pass, global_signal)
    table, _ = abide_participants(folder, sites=sites)
    series = roi_files(home, table, atlas)
    return [abide_folder(folder) / PHENOTYPES, *(each for each in series if each.is_file())]


def roi_files(home: Path, participants: pd.DataFrame, atlas: str) -> list[Path]:
    """Name the series of every participant, there or not."""
    if atlas not in get_args(Atlas):
        raise _unknown("atlas", atlas, get_args(Atlas))
    return [home / f"{file_id}_rois_{atlas}.1D" for file_id in participants["file_id"]]


def derivatives_folder(
    folder: str | Path, pipeline: str, band_pass: bool, global_signal: bool
) -> Path:
    """Return the folder in which the derivatives of one pipeline lie.

    Raises
    ------
    BadInputError
        If there is no such pipeline, or nothing was fetched of it.
    """
    if pipeline not in get_args(Pipeline):
        raise _unknown("pipeline", pipeline, get_args(Pipeline))
    root = abide_folder(folder)
    home = root / pipeline / strategy(band_pass, global_signal)
    if not home.is_dir():
        there = sorted(each.relative_to(root).as_posix() for each in root.glob("*/*filt_*global"))
        raise BadInputError(
            home,
            "folder",
            found=", ".join(there) or "no derivatives of any pipeline",
            expected=home.relative_to(root).as_posix(),
            remedy="Fetch these derivatives, or set pipeline, band_pass and global_signal to those "
            "that are there.",
        )
    return home


def strategy(band_pass: bool, global_signal: bool) -> str:
    """Name the folder of runs that were filtered, or had the global signal removed, or not."""
    return f"{'' if band_pass else 'no'}filt_{'' if global_signal else 'no'}global"


def not_fetched(path: Path) -> BadInputError:
    """Say that a file of a participant is not there."""
    return BadInputError(
        path,
        "file",
        found="no such file",
        expected="a file of this participant",
        remedy="Fetch it; else the participant stays out.",
    )


def _unknown(field: str, found: str, known: Sequence[str]) -> BadInputError:
    return BadInputError(
        "settings of the cohort abide",
        field,
        found=repr(found),
        expected=f"one of {', '.join(known)}",
        remedy="Choose one that the project published.",
    )
