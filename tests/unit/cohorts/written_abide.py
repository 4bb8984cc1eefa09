"""ABIDE as nilearn leaves it in a folder, small and made up."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurospect.cohorts.abide_participants import PHENOTYPES

# As in the published CSV: a first column without a name, blanks or -9999 where nothing is known,
# notes with commas in quotation marks.
HEADER = (
    ",Unnamed: 0,SUB_ID,X,subject,SITE_ID,FILE_ID,DX_GROUP,DSM_IV_TR,AGE_AT_SCAN,SEX,"
    "HANDEDNESS_CATEGORY,func_mean_fd,qc_rater_1,qc_notes_rater_1,qc_anat_rater_2,"
    "qc_func_rater_2,qc_anat_rater_3,qc_func_rater_3,SUB_IN_SMP"
)
PEOPLE = [
    "0,1,50002,1,50002,PITT,no_filename,1,1,16.77,1,Ambi,0.1,fail,,OK,fail,OK,fail,1",
    "1,2,50003,2,50003,PITT,Pitt_0050003,1,1,24.45,1,R,0.3220915328,OK,,OK,OK,OK,OK,1",
    '2,3,50030,3,50030,PITT,Pitt_0050030,2,0,25.12,1,-9999,,fail,"ghost, strong",OK,fail,OK,OK,1',
    "3,4,50952,4,50952,NYU,NYU_0050952,1,1,8.74,2,R,0.0325,OK,,maybe,OK,OK,OK,1",
    "4,5,50954,5,50954,NYU,NYU_0050954,2,-9999,-9999,2,L,-9999,OK,,OK,maybe,OK,OK,0",
    "5,6,50955,6,50955,NYU,NYU_0050955,2,0,14.75,1,R,0.08,OK,,OK,OK,OK,OK,1",
]
FILES = ["Pitt_0050003", "Pitt_0050030", "NYU_0050952", "NYU_0050954", "NYU_0050955"]
GOOD = ["Pitt_0050003", "NYU_0050952", "NYU_0050954", "NYU_0050955"]
REGIONS = ["2001", "2002", "2101", "2102"]
VOLUMES = [40, 30, 40, 40, 50]


def series(volumes: int, seed: int, regions: int = len(REGIONS)) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(3e3, 20, (volumes, regions))


def put_series(path: Path, values: NDArray[np.float64], regions: list[str] | None = None) -> None:
    """Write a file as C-PAC does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "\t".join(f"#{label}" for label in regions or REGIONS)
    np.savetxt(path, values, fmt="%.6f", delimiter="\t", header=header, comments="")


def put_phenotypes(folder: Path, people: list[str] = PEOPLE, header: str = HEADER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PHENOTYPES
    path.write_text("\n".join([header, *people]) + "\n", encoding="utf-8")
    return path


def put_abide(folder: Path) -> None:
    """Write series of five participants, and runs of four."""
    root = folder / "ABIDE_pcp"
    put_phenotypes(root)
    home = root / "cpac" / "filt_noglobal"
    for seed, (name, volumes) in enumerate(zip(FILES, VOLUMES, strict=True)):
        put_series(home / f"{name}_rois_ho.1D", series(volumes, seed))
        for each in ("preproc", "mask"):
            (home / f"{name}_func_{each}.nii.gz").touch()
    (home / "NYU_0050955_func_mask.nii.gz").unlink()
