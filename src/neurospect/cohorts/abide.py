"""ABIDE I, preprocessed: series of an atlas's regions as a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.cohorts.abide_layout import (
    Atlas,
    Pipeline,
    abide_roi_files,
    derivatives_folder,
    not_fetched,
    roi_files,
    strategy,
)
from neurospect.cohorts.abide_participants import CLASSES, COLUMNS, abide_participants
from neurospect.cohorts.cohort import Cohort, describe
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.roi_series import STAGE, GatheredSeries, gather_roi_series
from neurospect.errors import BadInputError

ABIDE_SOURCE = {"URL": "http://preprocessed-connectomes-project.org/abide/"}
ABIDE_LICENSE = "CC-BY-NC-SA-3.0"
OF_FILES = ("atlas", "pipeline", "band_pass", "global_signal", "sites")
OF_SERIES = {
    "volumes": "Volumes of the series",
    "length": "Volumes of it in the array; padding with zeros follows",
}


def abide_roi_cohort(
    folder: str | Path,
    *,
    atlas: Atlas = "ho",
    pipeline: Pipeline = "cpac",
    band_pass: bool = True,
    global_signal: bool = False,
    sites: Sequence[str] | None = None,
    length: int | None = None,
    most_bad_regions: float = 0.1,
) -> tuple[Cohort, list[Exclusion]]:
    """Read series of regions, which can stand in for time courses of components.

    Parameters
    ----------
    folder, pipeline, band_pass, global_signal, sites
        As for `abide_runs`.
    atlas
        Whose regions.
    length, most_bad_regions
        As for `gather_roi_series`.

    Returns
    -------
    Cohort
        Array of shape (participants, length, regions), float32, z-scored per region; regions
        are named in the description (`Features`), and those that were dropped, with the reason
        (`DroppedFeatures`). The table has the columns of `COLUMNS` and `OF_SERIES`.
    list of Exclusion
        Everybody else of these sites.

    Raises
    ------
    BadInputError
        If the folder, its phenotypic CSV or a setting cannot be used, or nobody is left.
    """
    table, exclusions = abide_participants(folder, sites=sites)
    home = derivatives_folder(folder, pipeline, band_pass, global_signal)
    paths = roi_files(home, table, atlas)
    there = [path.is_file() for path in paths]
    exclusions += [
        Exclusion(who, STAGE, not_fetched(path))
        for who, path, is_there in zip(table[PARTICIPANT], paths, there, strict=True)
        if not is_there
    ]
    if not any(there):
        raise BadInputError(
            home,
            f"rois_{atlas}",
            found=f"no file *_rois_{atlas}.1D of {len(paths)} participants",
            expected="the series of at least one participant",
            remedy=f"Fetch the derivative rois_{atlas}, or choose the atlas that was fetched.",
        )
    people = table[there].reset_index(drop=True)
    gathered = gather_roi_series(
        people[PARTICIPANT].to_list(),
        [path for path, is_there in zip(paths, there, strict=True) if is_there],
        length=length,
        most_bad_regions=most_bad_regions,
    )
    kept = people.iloc[gathered.rows].assign(volumes=gathered.volumes, length=gathered.lengths)
    facts = {
        "Atlas": atlas,
        "Pipeline": pipeline,
        "Strategy": strategy(band_pass, global_signal),
        "Sites": sorted(kept["site"].unique()),
    }
    cohort = Cohort(kept, gathered.array, _description(gathered, facts))
    return cohort, [*exclusions, *gathered.exclusions]


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return the phenotypic CSV, then every series of regions that is there.

    Raises
    ------
    BadInputError
        If the folder, its CSV or a setting cannot be used.
    """
    return abide_roi_files(settings["folder"], **_chosen(settings, OF_FILES))


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say in the words of the settings where files lie that `raw_files` returned."""
    return {"folder": str(Path(files[0]).parent)}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Read the series of regions that the settings ask for, as `abide_roi_cohort`.

    Returns
    -------
    Cohort
        Who was left out stands in its description (`Excluded`).

    Raises
    ------
    BadInputError
        If the settings or the files are not usable.
    """
    chosen = _chosen(settings, (*OF_FILES, "length"))
    cohort, exclusions = abide_roi_cohort(settings["folder"], **chosen)
    excluded = exclusion_table(exclusions).to_dict("records")
    return replace(cohort, description={**cohort.description, "Excluded": excluded})


def _chosen(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}


def _description(gathered: GatheredSeries, facts: dict[str, Any]) -> dict[str, Any]:
    return describe(
        f"ABIDE I, regions of the atlas {facts['Atlas']}",
        sources=[ABIDE_SOURCE],
        license_name=ABIDE_LICENSE,
        preparation=[
            "Took the mean series of regions, preprocessed as Pipeline and Strategy say.",
            f"Cut or filled up with zeros to {gathered.array.shape[1]} volumes. Sites scanned at "
            "different repetition times, from 1.5 to 3 s; the series were not resampled.",
            "Dropped the regions that are constant or missing in anybody (DroppedFeatures).",
            "Z-scored each region over the volumes of the participant.",
        ],
        columns={**COLUMNS, **OF_SERIES},
        class_columns=CLASSES,
        Features=gathered.regions,
        DroppedFeatures=gathered.dropped,
        Arrays={"array": "float32, shape (participants, volumes, regions)"},
        **facts,
    )
