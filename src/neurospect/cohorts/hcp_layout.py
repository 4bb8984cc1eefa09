"""Task maps in the layout of HCP1200, found by their names; no image is opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurospect.arrays.exclusions import Exclusion
from neurospect.arrays.task_map_files import TaskMapFiles
from neurospect.cohorts.hcp_contrasts import (
    TASK_CONTRASTS,
    contrast_label,
    cope_numbers,
    opposite,
)
from neurospect.errors import BadInputError

STAGE = "task maps"
SMOOTHING = "s4"
STATISTIC = "zstat1"


def task_folder(folder: str | Path, subject: str, task: str, smoothing: str = SMOOTHING) -> Path:
    """Return the FEAT folder of a task's second level."""
    results = Path(folder) / subject / "MNINonLinear" / "Results" / f"tfMRI_{task}"
    return results / f"tfMRI_{task}_hp200_{smoothing}_level2vol.feat"


def cope_map(analysis: Path, cope: int, statistic: str = STATISTIC) -> Path:
    """Return the map of one contrast in a FEAT folder."""
    return analysis / f"cope{cope}.feat" / "stats" / f"{statistic}.nii.gz"


def cohort_folder(path: Path) -> Path:
    """Return the cohort's folder that a map, as `cope_map` names it, lies in."""
    return path.parents[7]


def find_task_maps(
    folder: str | Path,
    subjects: Sequence[str],
    *,
    smoothing: str = SMOOTHING,
    statistic: str = STATISTIC,
) -> tuple[list[TaskMapFiles], list[Exclusion]]:
    """Find the files of every subject's seven tasks.

    Contrasts are found by name (see `cope_numbers`). Where a contrast is there with the
    opposite sign only, in the list of contrasts or on the disk, the example is marked as
    negated.

    Parameters
    ----------
    folder
        The folder with one folder per subject.
    subjects
        Which ones.
    smoothing
        Smoothing in the names of the FEAT folders.
    statistic
        Which map of each contrast.

    Returns
    -------
    list of TaskMapFiles
        By subject, then by task in the order of `TASK_CONTRASTS`.
    list of Exclusion
        Every task that cannot be read, as `task MOTOR`, and every subject without any.

    Raises
    ------
    BadInputError
        If the folder is missing, or a subject is no plain folder name.
    """
    root = _root(folder)
    examples: list[TaskMapFiles] = []
    exclusions: list[Exclusion] = []
    for subject in subjects:
        _check_subject(subject)
        if not (root / subject).is_dir():
            exclusions.append(_without_any(root, subject, "no such folder"))
            continue
        found, faults = _tasks_of(root, subject, smoothing, statistic)
        examples += found
        exclusions += faults
        if not found:
            nothing = f"none of the {len(TASK_CONTRASTS)} tasks"
            exclusions.append(_without_any(root, subject, nothing))
    return examples, exclusions


def unlisted_subjects(folder: str | Path, subjects: Sequence[str]) -> list[Exclusion]:
    """List the subjects that have a folder, named by digits alone, and are not in the table.

    Raises
    ------
    BadInputError
        If the folder is missing.
    """
    root = _root(folder)
    known = set(subjects)
    names = sorted(each.name for each in root.iterdir() if each.is_dir() and each.name.isdigit())
    return [
        _left_out(
            name,
            BadInputError(
                root / name,
                "folder",
                found="a subject who is not in the participants table",
                expected="a row of the table for every folder",
                remedy="Give the CSV that holds this subject, or leave it out knowingly.",
            ),
        )
        for name in names
        if name not in known
    ]


def _tasks_of(
    root: Path, subject: str, smoothing: str, statistic: str
) -> tuple[list[TaskMapFiles], list[Exclusion]]:
    examples: list[TaskMapFiles] = []
    exclusions: list[Exclusion] = []
    for task in TASK_CONTRASTS:
        try:
            found = _files_of(task_folder(root, subject, task, smoothing), task, statistic)
        except BadInputError as fault:
            exclusions.append(_left_out(subject, fault, f"task {task}"))
        else:
            examples.append(TaskMapFiles(subject, task, contrast_label(task), *found))
    return examples, exclusions


def _files_of(
    analysis: Path, task: str, statistic: str
) -> tuple[tuple[Path, ...], bool, Path | None]:
    """Return the files of a task's contrasts, whether they hold the opposite ones, who says so."""
    if not analysis.is_dir():
        raise BadInputError(
            analysis,
            "folder",
            found="no such folder",
            expected=f"the FEAT folder of {task}",
            remedy="Fetch it, or check the smoothing in the settings; else the task stays out.",
        )
    numbers, source = cope_numbers(analysis, task)
    names = TASK_CONTRASTS[task]
    missing: list[Path] = []
    for negated, wanted in ((False, names), (True, tuple(map(opposite, names)))):
        if all(name in numbers for name in wanted):
            files = tuple(cope_map(analysis, numbers[name], statistic) for name in wanted)
            absent = [path for path in files if not path.is_file()]
            if not absent:
                return files, negated, source
            missing += absent
    if missing:
        raise BadInputError(
            missing[0],
            "file",
            found="no such file",
            expected=f"the map of {contrast_label(task)}, or of its opposite",
            remedy="Fetch it, or check the statistic in the settings; else the task stays out.",
        )
    raise BadInputError(
        source or analysis,
        "contrasts",
        found=", ".join(numbers) or "no names",
        expected=" and ".join(names) + ", or their opposites",
        remedy="Run the analysis with these contrasts; else the task stays out.",
    )


def _without_any(root: Path, subject: str, found: str) -> Exclusion:
    fault = BadInputError(
        root / subject,
        "task maps",
        found=found,
        expected=f"at least one of {', '.join(TASK_CONTRASTS)}",
        remedy="Fetch the subject's task analyses; else the subject stays out.",
    )
    return _left_out(subject, fault)


def _left_out(subject: str, fault: BadInputError, what: str = "participant") -> Exclusion:
    return Exclusion(subject, STAGE, fault, what)


def _root(folder: str | Path) -> Path:
    root = Path(folder)
    if not root.is_dir():
        raise BadInputError(
            root,
            "folder",
            found="no such folder",
            expected="the folder with one folder per subject",
            remedy="Correct the folder in the settings of the cohort.",
        )
    return root


def _check_subject(subject: str) -> None:
    if not (subject.isascii() and subject.isalnum()):
        raise BadInputError(
            "subjects",
            "participant_id",
            found=repr(subject),
            expected="letters and digits alone, such as 100307",
            remedy="A subject is named by its folder; correct the table.",
        )
