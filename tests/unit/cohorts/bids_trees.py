"""Folders as fMRIPrep lays out its derivatives; the files are empty, since nothing opens them."""

from pathlib import Path

SPACE = "MNI152NLin2009cAsym"


def put(folder: Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def put_run(
    folder: Path,
    participant: str,
    entities: str = "task-rest",
    *,
    spaces: tuple[str, ...] = (f"space-{SPACE}_res-2",),
    session: str | None = None,
) -> Path:
    """Make the files of one run, in one space or several; return the folder that they lie in."""
    home = folder / participant
    start = participant
    if session is not None:
        home, start = home / f"ses-{session}", f"{start}_ses-{session}"
    run = f"{start}_{entities}"
    put(
        home / "func",
        f"{run}_desc-confounds_timeseries.tsv",
        f"{run}_desc-confounds_timeseries.json",
    )
    for space in spaces:
        put(
            home / "func",
            f"{run}_{space}_desc-preproc_bold.nii.gz",
            f"{run}_{space}_desc-preproc_bold.json",
            f"{run}_{space}_desc-brain_mask.nii.gz",
            f"{run}_{space}_boldref.nii.gz",
        )
    put(home / "anat", f"{start}_{spaces[0]}_desc-brain_mask.nii.gz")
    return home / "func"
