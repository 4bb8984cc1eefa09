"""Fetches ABIDE I from where the Preprocessed Connectomes Project published it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import get_args

from neurospect.cohorts.abide_layout import Atlas, Pipeline, strategy
from neurospect.cohorts.abide_participants import PHENOTYPES, abide_participants
from neurospect.cohorts.roi_series import read_roi_series
from neurospect.errors import BadInputError

# nilearn fetches into a folder that is named by an MD5, and moves what is whole out of it.
_WHILE_FETCHING = re.compile("[0-9a-f]{32}")
# The project's names, as nilearn knows them.
_DERIVATIVES = (
    *(f"rois_{atlas}" for atlas in get_args(Atlas)),
    *("func_preproc", "func_mask", "func_mean", "alff", "falff", "reho", "lfcd", "vmhc"),
    *("degree_binarize", "degree_weighted", "eigenvector_binarize", "eigenvector_weighted"),
    "dual_regression",
)


def fetch_abide(
    folder: str | Path,
    *,
    derivatives: Sequence[str] = ("rois_ho",),
    n_subjects: int | None = None,
    pipeline: Pipeline = "cpac",
    band_pass: bool = True,
    global_signal: bool = False,
    quality_checked: bool = True,
    url: str | None = None,
    verbose: int = 1,
) -> list[Path]:
    """Fetch ABIDE I through nilearn, into `ABIDE_pcp` in a folder.

    Files that lie there already are kept, so that an interrupted call goes on where it stopped.

    Parameters
    ----------
    folder
        Where to; made if missing. May be the folder `ABIDE_pcp` itself.
    derivatives
        What to fetch, under the project's names: `rois_ho` and the other atlases for
        `abide_roi_cohort`; `func_preproc` and `func_mask` for `abide_runs`.
    n_subjects
        The first so many participants; None for all.
    pipeline, band_pass, global_signal
        As for `abide_runs`.
    quality_checked
        Whether only participants whose scans all raters found good are fetched.
    url
        Another place that holds the same tree; None for where it was published.
    verbose
        Of nilearn: 0 is silent, 1 names every file.

    Returns
    -------
    list of pathlib.Path
        The phenotypic CSV, then the files, derivative by derivative.

    Raises
    ------
    BadInputError
        If a setting makes no sense, something could not be fetched, or what lies there is damaged.
    """
    # imported here, since nilearn takes seconds to import and only this needs it
    from nilearn.datasets import fetch_abide_pcp

    _check_settings(derivatives, n_subjects, pipeline)
    home = Path(folder)
    root = home if home.name == "ABIDE_pcp" else home / "ABIDE_pcp"
    lies_in = root / pipeline / strategy(band_pass, global_signal)
    try:
        fetched = fetch_abide_pcp(
            data_dir=str(root.parent),
            n_subjects=n_subjects,
            pipeline=pipeline,
            band_pass_filtering=band_pass,
            global_signal_regression=global_signal,
            derivatives=list(derivatives),
            quality_checked=quality_checked,
            url=url,
            verbose=verbose,
        )
    # nilearn passes on what requests, pandas and numpy raise
    except (OSError, ValueError, KeyError) as error:
        _remove_empty(root, lies_in)
        if not isinstance(error, OSError):
            _check_fetched(root, lies_in, derivatives)
        raise BadInputError(
            home,
            f"fetching {', '.join(derivatives)} of ABIDE",
            found=f"{type(error).__name__}: {error}",
            expected="files as the project published them",
            remedy="Check the connection and the names; what was fetched stays, so run it again.",
        ) from None
    names = fetched.phenotypic["FILE_ID"]
    files = [
        lies_in / f"{name}_{each}{'.1D' if each.startswith('rois') else '.nii.gz'}"
        for each in derivatives
        for name in names
    ]
    return [root / PHENOTYPES, *files]


def _remove_empty(*homes: Path) -> None:
    """Remove the folders that nilearn leaves where it could not fetch a byte."""
    for folder in (each for home in homes for each in home.glob("*")):
        if _WHILE_FETCHING.fullmatch(folder.name) and folder.is_dir():
            with suppress(OSError):
                folder.rmdir()


def _check_fetched(root: Path, lies_in: Path, derivatives: Sequence[str]) -> None:
    """Name the first file that is damaged: nilearn does not, and never fetches it anew."""
    if (root / PHENOTYPES).is_file():
        abide_participants(root)
    for each in derivatives:
        for path in sorted(lies_in.glob(f"*_{each}.1D")):
            read_roi_series(path)


def _check_settings(derivatives: Sequence[str], n_subjects: int | None, pipeline: str) -> None:
    is_list = not isinstance(derivatives, str) and len(derivatives) > 0
    unknown = [name for name in derivatives if name not in _DERIVATIVES] if is_list else []
    faults = [
        ("derivatives", derivatives, is_list, "a list of names, such as rois_ho"),
        ("derivatives", ", ".join(unknown), not unknown, f"some of {', '.join(_DERIVATIVES)}"),
        ("n_subjects", n_subjects, n_subjects is None or n_subjects > 0, "at least 1"),
        ("pipeline", pipeline, pipeline in get_args(Pipeline), ", ".join(get_args(Pipeline))),
    ]
    for field, found, is_good, expected in faults:
        if not is_good:
            raise BadInputError(
                "fetching ABIDE",
                field,
                found=repr(found),
                expected=expected,
                remedy="Correct the argument.",
            )
