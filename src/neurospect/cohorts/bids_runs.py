"""Runs in a folder of BIDS derivatives, found by their names; no image is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.runs import Run
from neurospect.cohorts.bids_names import PREFIX, BidsFile, bids_file, is_participant_label
from neurospect.cohorts.found_runs import FoundRuns
from neurospect.errors import BadInputError

STAGE = "runs"
IMAGES = (".nii.gz", ".nii")
# Entities that tell runs apart, and the settings that choose among them.
CHOICES = {"ses": "session", "run": "run", "space": "space"}
# Confounds belong to a run in whatever space it was written, so their names lack these.
OF_SPACE = ("space", "cohort", "res", "den")
# fMRIPrep called confounds `regressors` up to version 20.1.
CONFOUNDS = ("timeseries", "regressors")


def find_bids_runs(
    folder: str | Path,
    *,
    task: str = "rest",
    space: str | None = None,
    session: str | None = None,
    run: str | None = None,
    description: str = "preproc",
    participants: Sequence[str] | None = None,
) -> FoundRuns:
    """Find one preprocessed run of every participant.

    A run is `sub-*/[ses-*/]func/*_bold.nii.gz` (or `.nii`) with the entities asked for; its mask
    has the same entities, but `desc-brain` and the suffix `mask` (`res` may be absent); its
    confounds lie beside it as `desc-confounds_timeseries.tsv`, or `desc-confounds_regressors.tsv`
    as older fMRIPrep calls them. Links are followed. Names are compared letter by letter.

    Parameters
    ----------
    folder
        The folder with one folder `sub-*` per participant.
    task, description
        Entities `task` and `desc` of the run.
    space, session, run
        Entities `space`, `ses` and `run`; None where names have one value only.
    participants
        Who takes part, as in `sub-01`; None for every folder.

    Returns
    -------
    FoundRuns
        Runs in the order of `participants`, or of the folders' names. Excluded are participants
        with no run, with several that these settings do not tell apart, or with no mask; those
        without a folder, or with one that may not be read; folders of nobody in `participants`,
        or with a name that is not BIDS.

    Raises
    ------
    BadInputError
        If the folder is missing or holds no folder `sub-*`, or a participant is not `sub-` and
        a label of letters and digits.
    """
    root = Path(folder)
    folders = _participant_folders(root)
    listed = [name for name in folders if is_participant_label(name)]
    wanted = listed if participants is None else list(participants)
    _check_labels(wanted)
    asked = {"task": task, "desc": description, "space": space, "ses": session, "run": run}
    entities = {key: value for key, value in asked.items() if value is not None}
    runs: list[Run] = []
    exclusions: list[Exclusion] = []
    for participant in wanted:
        try:
            runs.append(_run_of(root / participant, entities))
        except BadInputError as fault:
            exclusions.append(Exclusion(participant, STAGE, fault))
        except OSError as error:
            exclusions.append(Exclusion(participant, STAGE, _unreadable(root / participant, error)))
    known = set(wanted)
    exclusions += [_stranger(root, name) for name in folders if name not in known]
    return FoundRuns(runs, exclusions)


def _participant_folders(root: Path) -> list[str]:
    if not root.is_dir():
        raise BadInputError(
            root,
            "folder",
            found="no such folder",
            expected="the folder with one folder sub-* per participant",
            remedy="Correct the folder in the settings of the cohort.",
        )
    names = [each.name for each in root.iterdir() if each.name.startswith(PREFIX) and each.is_dir()]
    if not names:
        raise BadInputError(
            root,
            "folder",
            found="no folder whose name starts with sub-",
            expected="one folder sub-* per participant",
            remedy="Give the folder of the derivatives itself, such as derivatives/fmriprep.",
        )
    return sorted(names)


def _check_labels(participants: Iterable[str]) -> None:
    for participant in participants:
        if not is_participant_label(participant):
            raise BadInputError(
                "participants",
                "participant_id",
                found=repr(participant),
                expected="sub- and letters and digits alone, such as sub-01",
                remedy="A participant is named by the folder; correct the table.",
            )


def _run_of(home: Path, entities: dict[str, str]) -> Run:
    if not home.is_dir():
        raise BadInputError(
            home,
            "folder",
            found="no such folder",
            expected="a folder for every participant of the table",
            remedy="Preprocess or fetch this participant; else the participant stays out.",
        )
    files = _files(home)
    wanted = {"sub": home.name.removeprefix(PREFIX), **entities}
    images = [each for each in files if each.suffix == "bold" and each.extension in IMAGES]
    image = _only([each for each in images if wanted.items() <= each.entities.items()], home)
    if image is None:
        raise BadInputError(
            home,
            "runs",
            found=_names(images, home) or "no file *_bold.nii.gz in func",
            expected=_pattern(wanted),
            remedy="Check task, space, session and run in the settings, or fetch the run.",
        )
    beside = [each for each in files if each.path.parent == image.path.parent]
    mask, confounds = _mask(image, beside), _confounds(image, beside)
    for path in (image.path, mask, confounds):
        if path is not None:
            _check_there(path)
    sidecar = image.path.with_name(image.path.name.removesuffix(image.extension) + ".json")
    return Run(
        home.name,
        image.path,
        mask,
        confounds,
        image.entities.get("ses"),
        sidecar if sidecar.is_file() else None,
    )


def _unreadable(home: Path, error: OSError) -> BadInputError:
    return BadInputError(
        error.filename or home,
        "folder",
        found=error.strerror or str(error),
        expected="a folder that may be read",
        remedy="Ask its owner for the right to read it; else the participant stays out.",
    )


def _files(home: Path) -> list[BidsFile]:
    """List what lies in `func` of a participant, and of the sessions."""
    sessions = sorted(each for each in home.iterdir() if each.name.startswith("ses-"))
    folders = [each / "func" for each in (home, *sessions)]
    paths = [path for each in folders if each.is_dir() for path in sorted(each.iterdir())]
    return [file for path in paths if (file := bids_file(path)) is not None]


def _only(matches: list[BidsFile], home: Path) -> BidsFile | None:
    if len(matches) < 2:
        return next(iter(matches), None)
    keys = dict.fromkeys(key for each in matches for key in each.entities)
    differing = [key for key in keys if len({each.entities.get(key) for each in matches}) > 1]
    settings = [CHOICES[key] for key in differing if key in CHOICES]
    if settings:
        remedy = f"Set {' and '.join(settings)} in the settings of the cohort to choose one."
    else:
        remedy = f"They differ in {', '.join(differing) or 'nothing'}: keep one in the folder."
    raise BadInputError(
        home, "runs", found=_names(matches, home), expected="one run per participant", remedy=remedy
    )


def _mask(image: BidsFile, beside: list[BidsFile]) -> Path:
    same = {**image.entities, "desc": "brain"}
    without = {key: value for key, value in same.items() if key != "res"}
    masks = [each for each in beside if each.suffix == "mask" and each.extension in IMAGES]
    for entities in (same, without):
        for each in masks:
            if each.entities == entities:
                return each.path
    name = "_".join(f"{key}-{value}" for key, value in same.items())
    raise BadInputError(
        image.path,
        "mask",
        found=_names(masks, image.path.parent) or "no file *_mask.nii.gz beside it",
        expected=f"{name}_mask.nii.gz",
        remedy="Write the brain mask of this run beside it; else the participant stays out.",
    )


def _confounds(image: BidsFile, beside: list[BidsFile]) -> Path | None:
    same = {key: value for key, value in image.entities.items() if key not in OF_SPACE}
    tables = [
        each
        for each in beside
        if each.entities == {**same, "desc": "confounds"} and each.extension == ".tsv"
    ]
    found = {each.suffix: each.path for each in tables}
    return next((found[suffix] for suffix in CONFOUNDS if suffix in found), None)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise BadInputError(
            path,
            "file",
            found="a link to nothing" if path.is_symlink() else "no file",
            expected="a file",
            remedy="Fetch the content of the link, for example with: datalad get.",
        )


def _stranger(root: Path, name: str) -> Exclusion:
    if is_participant_label(name):
        found, expected = "somebody who is not in participants.tsv", "a row for every folder"
        remedy = "Add the participant to participants.tsv, or leave out the folder knowingly."
    else:
        found, expected = repr(name), "sub- and letters and digits alone, such as sub-01"
        remedy = "Rename the folder and the files in it as BIDS asks; else it stays out."
    # escaped, since the name of a folder may hold what no table can
    label = repr(name)[1:-1]
    fault = BadInputError(root / label, "folder", found=found, expected=expected, remedy=remedy)
    return Exclusion(label, STAGE, fault)


def _names(files: list[BidsFile], home: Path, most: int = 4) -> str:
    names = [each.path.relative_to(home).as_posix() for each in files]
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join(names[:most] + more)


def _pattern(entities: dict[str, str]) -> str:
    stated = "_".join(f"{key}-{value}" for key, value in entities.items())
    return f"a run with {stated} in its name, suffix bold"
