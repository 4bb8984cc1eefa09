"""What stands beside a run's values: its repetition time, and how much the head moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurospect.arrays.images import image_stem
from neurospect.arrays.tables import read_table
from neurospect.errors import BadInputError

DISPLACEMENT = "framewise_displacement"
# Headers that name no unit are in seconds by custom.
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
# No run has a longer repetition time: a header that says so means another unit.
LONGEST_S = 100.0


def repetition_time(path: Path, image: Any) -> tuple[float | None, list[str]]:
    """Find the repetition time of a run.

    Parameters
    ----------
    path
        The image's file. `RepetitionTime` of the BIDS sidecar beside it (the same name with
        .json) comes first, then the header's pixdim[4].
    image
        The 4-D NIfTI.

    Returns
    -------
    float or None
        In s; None where neither says it.
    list of str
        Notes: where the two contradict each other, or the header is not to be believed.

    Raises
    ------
    BadInputError
        If the sidecar is no JSON object, or its RepetitionTime is no number above 0.
    """
    header, notes = _of_header(image)
    sidecar = _of_sidecar(path.with_name(f"{image_stem(path)}.json"))
    if sidecar is None:
        return header, notes
    if header is not None and abs(header - sidecar) > 0.01 * sidecar:
        notes = [
            f"Repetition time: {sidecar:g} s by the sidecar, {header:g} s by the header; the "
            "sidecar's was used."
        ]
    return sidecar, notes if header is not None else []


def mean_framewise_displacement(path: Path | None, volumes: int) -> tuple[float | None, list[str]]:
    """Mean framewise displacement of a run, in mm, from fMRIPrep's table of confounds.

    Parameters
    ----------
    path
        The TSV, one row a volume, with the column framewise_displacement; n/a in its first row,
        which has no volume before it, does not count. None where there is no table.
    volumes
        How many volumes the run has.

    Returns
    -------
    float or None
        None without a table, or where the column is n/a throughout.
    list of str
        Notes: where it is n/a throughout.

    Raises
    ------
    BadInputError
        If the table cannot be read, lacks the column, has another number of rows, or holds
        something that is no distance.
    """
    if path is None:
        return None, []
    table = read_table(path, required=[DISPLACEMENT])
    if len(table) != volumes:
        raise BadInputError(
            path,
            "rows",
            found=len(table),
            expected=f"{volumes}, one for each volume of the run",
            remedy="Give the confounds that belong to this run.",
        )
    if table[DISPLACEMENT].isna().all():
        return None, ["The confounds give no framewise displacement."]
    known = table[DISPLACEMENT].dropna()
    distances = pd.to_numeric(known, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~((distances >= 0) & np.isfinite(distances)))
    if len(wrong):
        raise BadInputError(
            path,
            f"{DISPLACEMENT}, row {known.index[wrong[0]] + 1}",
            found=known.iloc[wrong[0]],
            expected="a distance in mm, a number not below 0",
            remedy="Make the confounds again, or give none.",
        )
    return float(distances.mean()), []


def _of_header(image: Any) -> tuple[float | None, list[str]]:
    unit = image.header.get_xyzt_units()[1]
    # rounded to what float32, the header's dtype, can hold
    seconds = round(float(image.header.get_zooms()[3]) * SECONDS.get(unit, 0.0), 6)
    if seconds > LONGEST_S:
        return None, [f"The header's repetition time of {seconds:g} s cannot be; none was used."]
    return (seconds, []) if seconds > 0 else (None, [])


def _of_sidecar(path: Path) -> float | None:
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(
            path,
            "file",
            found=getattr(error, "strerror", None) or f"no JSON: {error}",
            expected="the BIDS sidecar of the run",
            remedy="Mend or remove it.",
        ) from None
    if not isinstance(content, dict):
        raise BadInputError(
            path,
            "content",
            found=type(content).__name__,
            expected="a JSON object",
            remedy="Mend or remove it.",
        )
    seconds = content.get("RepetitionTime")
    if seconds is None:
        return None
    if type(seconds) not in (int, float) or not 0 < seconds <= LONGEST_S:
        raise BadInputError(
            path,
            "RepetitionTime",
            found=repr(seconds),
            expected=f"seconds, above 0 and at most {LONGEST_S:g}",
            remedy="BIDS gives the repetition time in seconds; mend the sidecar.",
        )
    return float(seconds)
