"""FreeSurfer's volumes as a cohort: from aseg.stats of every subject, or from one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurospect.arrays.exclusions import Exclusion, exclusion_table
from neurospect.arrays.head_size import ETIV
from neurospect.arrays.tables import read_table
from neurospect.cohorts.aseg_stats import read_aseg_rows, read_aseg_stats
from neurospect.cohorts.bids_names import is_plain_name
from neurospect.cohorts.cohort import Cohort, describe
from neurospect.cohorts.cohort_checks import PARTICIPANT
from neurospect.cohorts.diagnosed_participants import (
    CLASSES,
    diagnosed_participants,
    sidecar_of,
)
from neurospect.cohorts.shared_features import common_features, reasons_to_drop
from neurospect.errors import BadInputError

STAGE = "volumes"
SETTINGS = "settings of the cohort freesurfer"
OF_FILES = ("participants", "folder", "table")
OF_CONTENT = ("diagnosis_column", "diagnoses", "covariates")
# what happens to the volumes later, inside the training split
OF_FEATURES = ("head_size", "categorical")


def freesurfer_cohort(
    participants: str | Path,
    *,
    folder: str | Path | None = None,
    table: str | Path | None = None,
    diagnosis_column: str = "diagnosis",
    diagnoses: Mapping[str, str] | None = None,
    covariates: Sequence[str] = ("age", "sex"),
    most_missing_volumes: float = 0.1,
) -> tuple[Cohort, list[Exclusion]]:
    """Read the volumes of a cohort.

    Who lacks too many volumes is left out; a volume that anybody else lacks, or that is the
    same in all, is dropped. Head size is one of the volumes. Nothing is divided or regressed
    here, which needs the training split.

    Parameters
    ----------
    participants
        `participants.tsv`, with a participant_id as in `folder` or `table`. Columns `age` and
        `sex` are read where they are there.
    folder
        Folder of `<participant_id>/stats/aseg.stats`; None where there is a table.
    table
        Table that asegstats2table wrote; None where there is a folder.
    diagnosis_column, diagnoses
        As for `diagnosed_participants`.
    covariates
        Columns of participants.tsv that will be regressed out; who has no entry is left out.
    most_missing_volumes
        Largest share of missing volumes with which a participant is kept.

    Returns
    -------
    Cohort
        Array of shape (participants, volumes), float32, mm³, whose columns the description
        names (`Features`), and those that were dropped, with the reason (`DroppedFeatures`).
    list of Exclusion
        Everybody else in participants.tsv, in the table, or in the folder with an aseg.stats.

    Raises
    ------
    BadInputError
        If folder and table are both given or both missing, a file cannot be used, or no
        participant or no volume is left.
    """
    _check_source(folder, table)
    _check_share(most_missing_volumes)
    names = read_table(participants).columns
    people, columns, exclusions = diagnosed_participants(
        participants,
        diagnosis_column=diagnosis_column,
        diagnoses=diagnoses,
        sex_column="sex" if "sex" in names else None,
        age_column="age" if "age" in names else None,
        keep=covariates,
        complete=covariates,
        bids_labels=False,
    )
    asked = people[PARTICIPANT].to_list()
    unusable = {each.participant_id for each in exclusions}
    if table is not None:
        found, others = _rows_of_table(Path(table), asked)
    else:
        found, others = _files_of_folder(Path(str(folder)), asked)
    exclusions += [each for each in others if each.participant_id not in unusable]
    where = Path(str(folder if table is None else table))
    if found.empty:
        raise _nobody(where, asked, exclusions)
    volumes, dropped, incomplete = _complete(where, found, most_missing_volumes)
    exclusions += incomplete
    if volumes.empty:
        raise _nobody(where, asked, exclusions)
    _check_volumes(where, volumes, dropped)
    kept = people.set_index(PARTICIPANT).loc[volumes.index].reset_index()
    description = _description(columns, volumes.columns.to_list(), dropped)
    cohort = Cohort(kept, volumes.to_numpy(dtype=np.float32), description)
    return cohort, exclusions


def _description(
    columns: Mapping[str, str], features: list[str], dropped: Mapping[str, str]
) -> dict[str, Any]:
    return describe(
        "FreeSurfer volumes",
        sources=[],
        license_name="That of the scans",
        preparation=[
            "Read the volumes of aseg.stats, in mm³; ratios and counts were left out.",
            "Dropped those that are missing in anybody or the same in all (DroppedFeatures).",
        ],
        columns=columns,
        class_columns=[name for name in CLASSES if name in columns],
        Features=features,
        DroppedFeatures=dict(dropped),
        Arrays={"array": "float32, shape (participants, volumes), mm³"},
    )


def aseg_stats_file(folder: str | Path, participant: str) -> Path:
    """Return where FreeSurfer writes the volumes of a participant."""
    return Path(folder) / participant / "stats" / "aseg.stats"


def raw_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return the table of participants, then the table of volumes or every aseg.stats.

    Last comes the JSON file beside the table of participants, where there is one.

    Raises
    ------
    BadInputError
        If the settings are not usable, or the folder holds no aseg.stats.
    """
    _check_settings(settings)
    if settings.get("table") is not None:
        volumes = [Path(settings["table"])]
    else:
        folder = Path(settings["folder"])
        names = filter(is_plain_name, _subjects(folder))
        volumes = [aseg_stats_file(folder, name) for name in names]
    participants = Path(settings["participants"])
    sidecar = sidecar_of(participants)
    return [participants, *volumes, *([sidecar] if sidecar.is_file() else [])]


def places(files: Sequence[str | Path]) -> dict[str, str]:
    """Say in the words of the settings where files lie that `raw_files` returned."""
    participants, volumes = Path(files[0]), Path(files[1])
    if volumes.parts[-2:] == ("stats", "aseg.stats"):
        return {"participants": str(participants), "folder": str(volumes.parents[2])}
    return {"participants": str(participants), "table": str(volumes)}


def load(settings: Mapping[str, Any]) -> Cohort:
    """Read the volumes that the settings ask for.

    Parameters
    ----------
    settings
        participants, folder or table, diagnosis_column, diagnoses and covariates: as for
        `freesurfer_cohort`, with its defaults. head_size and categorical may be there, and have
        no part in this.

    Returns
    -------
    Cohort
        As `freesurfer_cohort` gives it, with those who were left out in its description
        (`Excluded`: a list of mappings with the keys of `EXCLUSION_COLUMNS`). Files are named
        there from the folder on, so that the description does not depend on where it lies.

    Raises
    ------
    BadInputError
        If the settings or the files are not usable.
    """
    _check_settings(settings)
    folder = settings.get("folder")
    cohort, exclusions = freesurfer_cohort(
        settings["participants"],
        folder=folder,
        table=settings.get("table"),
        **{name: settings[name] for name in OF_CONTENT if name in settings},
    )
    excluded = exclusion_table(exclusions)
    excluded["where"] = [_named_from(folder, Path(where)) for where in excluded["where"]]
    description = {**cohort.description, "Excluded": excluded.to_dict("records")}
    return replace(cohort, description=description)


def _named_from(folder: str | Path | None, path: Path) -> str:
    is_inside = folder is not None and Path(folder) in path.parents
    return path.relative_to(str(folder)).as_posix() if is_inside else path.name


def _rows_of_table(path: Path, asked: Sequence[str]) -> tuple[pd.DataFrame, list[Exclusion]]:
    rows, faults = read_aseg_rows(path)
    exclusions = [Exclusion(who, STAGE, fault) for who, fault in faults.items()]
    exclusions += [
        Exclusion(who, STAGE, _without_volumes(path, who, "no such row"))
        for who in asked
        if who not in rows.index and who not in faults
    ]
    known = set(asked)
    # escaped, as below
    exclusions += [_stranger(path, repr(who)[1:-1]) for who in rows.index if who not in known]
    return rows.loc[[who for who in asked if who in rows.index]], exclusions


def _files_of_folder(folder: Path, asked: Sequence[str]) -> tuple[pd.DataFrame, list[Exclusion]]:
    subjects = _subjects(folder)
    found: dict[str, dict[str, float]] = {}
    exclusions: list[Exclusion] = []
    for who in asked:
        path = aseg_stats_file(folder, who)
        try:
            if who not in subjects:
                raise _without_volumes(path, "file", "no such file")
            found[who] = {str(name): value for name, value in read_aseg_stats(path).items()}
        except BadInputError as fault:
            exclusions.append(Exclusion(who, STAGE, fault))
    known = set(asked)
    # escaped, since the name of a folder may hold what no table can
    others = [repr(name)[1:-1] for name in subjects if name not in known]
    exclusions += [_stranger(aseg_stats_file(folder, name), name) for name in others]
    index = pd.Index(list(found), name=PARTICIPANT, dtype=str)
    return pd.DataFrame(list(found.values()), index=index), exclusions


def _subjects(folder: Path) -> list[str]:
    """List who has an aseg.stats, by names alone; `fsaverage` has none."""
    files = [path for path in folder.glob("*/stats/aseg.stats") if path.is_file()]
    if not files:
        raise BadInputError(
            folder,
            "folder",
            found="nobody's stats/aseg.stats" if folder.is_dir() else "no such folder",
            expected="the folder of <participant_id>/stats/aseg.stats",
            remedy="Correct the folder in the settings of the cohort.",
        )
    return sorted(path.parents[1].name for path in files)


def _complete(
    where: Path, found: pd.DataFrame, most_missing: float
) -> tuple[pd.DataFrame, dict[str, str], list[Exclusion]]:
    """Return volumes that nobody lacks, which were dropped, and who lacks too many."""
    without_head = found.index[found[ETIV].isna()]
    exclusions = [_incomplete(where, who, ETIV, "its head size") for who in without_head]
    sized = found.drop(index=without_head)
    there = sized.notna().to_numpy()
    common, dropped = common_features([sized.columns[row].to_list() for row in there])
    missing = sized[common].isna()
    most = int(most_missing * len(common))
    lacks_too_many = missing.sum(axis=1) > most
    exclusions += [
        _incomplete(where, str(who), ", ".join(row.index[row]), f"at most {most} missing volumes")
        for who, row in missing[lacks_too_many].iterrows()
    ]
    kept = sized.loc[~lacks_too_many, common]
    flags = missing.loc[kept.index].to_numpy()
    dropped |= reasons_to_drop(common, dict(zip(kept.index, flags, strict=True)), "missing")
    stored = kept.astype(np.float32)
    constant = [name for name in common if name != ETIV and stored[name].nunique() == 1]
    dropped |= {name: "the same in all" for name in constant if name not in dropped}
    features = [name for name in common if name not in dropped]
    return stored[features], dropped, exclusions


def _check_volumes(where: Path, volumes: pd.DataFrame, dropped: Mapping[str, str]) -> None:
    if volumes.columns.to_list() == [ETIV]:
        raise BadInputError(
            where,
            "volumes",
            found="; ".join(f"{name}: {why}" for name, why in dropped.items()) or "no volume",
            expected=f"a volume beside {ETIV} that all of {len(volumes)} participants have, and "
            "that differs among them",
            remedy="Check the segmentations, or change most_missing_volumes.",
        )


def _check_settings(settings: Mapping[str, Any]) -> None:
    known = (*OF_FILES, *OF_CONTENT, *OF_FEATURES)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise BadInputError(
            SETTINGS,
            ", ".join(unknown),
            found="unknown",
            expected=", ".join(known),
            remedy="Remove what is unknown.",
        )
    _check_source(settings.get("folder"), settings.get("table"))
    if settings.get("participants") is None:
        raise BadInputError(
            SETTINGS,
            "participants",
            found="nothing",
            expected="the table of participants",
            remedy="Say who takes part, and with which diagnosis.",
        )


def _check_source(folder: str | Path | None, table: str | Path | None) -> None:
    if (folder is None) == (table is None):
        raise BadInputError(
            SETTINGS,
            "folder, table",
            found="neither" if folder is None else "both",
            expected="one of the two",
            remedy="Give the folder of <subject>/stats, or the table that asegstats2table wrote.",
        )


def _check_share(most_missing: float) -> None:
    if not 0 <= most_missing <= 1:
        raise BadInputError(
            SETTINGS,
            "most_missing_volumes",
            found=most_missing,
            expected="a share, 0 to 1",
            remedy="Correct the setting.",
        )


def _without_volumes(where: Path, field: str, found: str) -> BadInputError:
    return BadInputError(
        where,
        field,
        found=found,
        expected="the volumes of every participant",
        remedy="Run FreeSurfer's recon-all, or name the participant as it did; else the "
        "participant stays out.",
    )


def _stranger(where: Path, who: str) -> Exclusion:
    fault = BadInputError(
        where,
        who,
        found="somebody who is not in participants.tsv",
        expected="a row of participants.tsv for everybody",
        remedy="Add the participant to participants.tsv, or leave the volumes out knowingly.",
    )
    return Exclusion(who, STAGE, fault)


def _incomplete(where: Path, who: str, missing: str, expected: str) -> Exclusion:
    fault = BadInputError(
        aseg_stats_file(where, who) if where.is_dir() else where,
        who,
        found=f"no {missing}",
        expected=expected,
        remedy="Check this segmentation; else the participant stays out.",
    )
    return Exclusion(who, STAGE, fault)


def _nobody(where: Path, asked: Sequence[str], exclusions: Sequence[Exclusion]) -> BadInputError:
    others = [each.participant_id for each in exclusions if each.participant_id not in asked]
    first = next(each for each in exclusions if each.participant_id == asked[0])
    return BadInputError(
        where,
        "participants",
        found=f"volumes of none of {len(asked)} participants, such as {asked[0]} "
        f"({first.fault.field}: {first.fault.found}); "
        + (f"but of {len(others)} others, such as {others[-1]}" if others else "nor of others"),
        expected="volumes of at least one participant, under the same name",
        remedy="Name them in participants.tsv as FreeSurfer does, and mend what is at fault.",
    )
