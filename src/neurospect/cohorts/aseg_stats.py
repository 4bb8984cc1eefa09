"""Volumes as FreeSurfer reports them: one subject's aseg.stats, or a table of many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neurospect.arrays.head_size import ETIV
from neurospect.arrays.tables import read_table
from neurospect.errors import BadInputError

OLD_ETIV = "IntraCranialVol"  # the same measure, as FreeSurfer up to 5.1 calls it
ID_COLUMN = "Measure:volume"
# asegstats2table writes these beside the volumes: ratios and counts
NOT_VOLUMES = (
    "BrainSegVol-to-eTIV",
    "MaskVol-to-eTIV",
    "lhSurfaceHoles",
    "rhSurfaceHoles",
    "SurfaceHoles",
)


def read_aseg_stats(path: str | Path) -> pd.Series[float]:
    """Read one subject's aseg.stats, as FreeSurfer's mri_segstats writes it.

    Parameters
    ----------
    path
        The file, `<subject>/stats/aseg.stats`.

    Returns
    -------
    pandas.Series
        Volumes in mm³, float64. Index `structure`: the segmented structures in the order of the
        file, then the summary volumes of the header under the names that asegstats2table
        gives them, with `EstimatedTotalIntraCranialVol` among them. Ratios and counts of the
        header are left out. Named by the file's `subjectname`, or None where it has none.

    Raises
    ------
    BadInputError
        If the file cannot be read, is cut short, holds no estimated total intracranial volume,
        or a volume in it stands twice, is no number or is negative.
    """
    final = Path(path)
    text = _read_text(final)
    header = [line[1:].strip() for line in text.splitlines() if line.startswith("#")]
    rows = [
        (number, line.split())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    columns = _entry(header, "ColHeaders")
    if columns is None:
        raise _cut_short(final, "no line of column names", "a line `# ColHeaders`")
    names = columns.split()
    _check_whole(final, names, rows, _entry(header, "NRows"), text.endswith("\n"))
    structures = [
        (cells[names.index("StructName")], cells[names.index("Volume_mm3")], f"line {number}")
        for number, cells in rows
    ]
    measures = _measures(header)
    volumes: dict[str, float] = {}
    for name, cell, where in structures + measures:
        if name in volumes:
            raise BadInputError(
                final,
                where,
                found=f"{name} once more",
                expected="every volume once",
                remedy="Keep one of the two, or run mri_segstats again.",
            )
        volumes[name] = _volume(final, f"{where}, {name}", cell)
    if ETIV not in volumes:
        raise _no_etiv(final, "header")
    if volumes[ETIV] == 0:
        raise _no_head(final, "header")
    index = pd.Index(list(volumes), name="structure")
    return pd.Series(
        list(volumes.values()), index=index, name=_entry(header, "subjectname"), dtype=np.float64
    )


def read_aseg_table(path: str | Path) -> pd.DataFrame:
    """Read the table of many subjects that asegstats2table writes (tab-separated, volumes).

    Parameters
    ----------
    path
        The table: first column `Measure:volume` with the participants, then one column per
        structure or summary volume.

    Returns
    -------
    pandas.DataFrame
        Volumes in mm³, float64, shape (participants, volumes), index `participant_id` as text,
        in the order of the file. Ratios and counts are left out; FreeSurfer 5.1's
        `IntraCranialVol` is called `EstimatedTotalIntraCranialVol`. Cells that are empty or n/a
        are missing (NaN).

    Raises
    ------
    BadInputError
        If the file cannot be read, is of another kind, a row is cut short, a participant stands
        twice, a cell is no number or negative, or there is no estimated total intracranial
        volume.
    """
    volumes, faults = read_aseg_rows(path)
    for fault in faults.values():
        raise fault
    return volumes


def read_aseg_rows(path: str | Path) -> tuple[pd.DataFrame, dict[str, BadInputError]]:
    """Read the table of asegstats2table, and set aside rows whose cells are no volumes.

    Parameters
    ----------
    path
        As for `read_aseg_table`.

    Returns
    -------
    pandas.DataFrame
        As `read_aseg_table` gives it, without the rows set aside.
    dict of str to BadInputError
        The first fault of each row set aside: a cell that is no number, negative or infinite,
        or a head size of zero.

    Raises
    ------
    BadInputError
        As `read_aseg_table`, for what is wrong with the table as a whole.
    """
    final = Path(path)
    frame = read_table(final, text=[ID_COLUMN])
    if frame.columns[0] != ID_COLUMN:
        raise BadInputError(
            final,
            "first column",
            found=repr(str(frame.columns[0])[:60]),
            expected=ID_COLUMN,
            remedy="Make the table with: asegstats2table --meas volume --delimiter tab.",
        )
    participants = _participants(final, frame[ID_COLUMN])
    frame = frame.drop(columns=[ID_COLUMN, *(name for name in NOT_VOLUMES if name in frame)])
    frame.index = pd.Index(participants, name="participant_id", dtype=str)
    if ETIV not in frame:
        frame = frame.rename(columns={OLD_ETIV: ETIV})
    if ETIV not in frame:
        raise _no_etiv(final, "columns")
    faults: dict[str, BadInputError] = {}
    cells = {name: _numbers(final, frame[name], faults) for name in frame.columns}
    volumes = pd.DataFrame(cells, index=frame.index)
    # a missing one is refused where it is used; zero is no head
    for participant in volumes.index[volumes[ETIV] == 0]:
        faults.setdefault(participant, _no_head(final, f"{participant}, {ETIV}"))
    return volumes.drop(index=list(faults)), faults


def _read_text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(
            path,
            "file",
            found=getattr(error, "strerror", None) or "bytes that are no text",
            expected="a readable aseg.stats",
            remedy="Check the path; FreeSurfer writes it as <subject>/stats/aseg.stats.",
        ) from None
    return text


def _entry(header: list[str], key: str) -> str | None:
    """Return what follows `key` in the header, if it is there."""
    found = [line.split(maxsplit=1)[1:] for line in header if line.split(maxsplit=1)[:1] == [key]]
    return found[-1][0].strip() if found and found[-1] else None


def _check_whole(
    path: Path,
    names: list[str],
    rows: list[tuple[int, list[str]]],
    declared: str | None,
    ends_a_line: bool,
) -> None:
    absent = [name for name in ("StructName", "Volume_mm3") if name not in names]
    if absent:
        raise BadInputError(
            path,
            "ColHeaders",
            found=" ".join(names),
            expected="the columns of a volume segmentation, with StructName and Volume_mm3",
            remedy="Give the aseg.stats of the subject, not the statistics of a surface.",
        )
    for number, cells in rows:
        if len(cells) != len(names):
            raise _cut_short(path, f"{len(cells)} cells in line {number}", f"{len(names)} cells")
    # the header counts the rows; a file without the count must at least end its last line
    if declared is None and not (rows and ends_a_line):
        raise _cut_short(path, f"{len(rows)} rows, the last without an end", "whole rows")
    if declared is not None and declared != str(len(rows)):
        raise _cut_short(path, f"{len(rows)} rows", f"{declared}, as its line NRows says")


def _cut_short(path: Path, found: str, expected: str) -> BadInputError:
    return BadInputError(
        path,
        "rows",
        found=found,
        expected=expected,
        remedy="The file is cut short or edited: copy it again, or run mri_segstats again.",
    )


def _measures(header: list[str]) -> list[tuple[str, str, str]]:
    """List the header's volumes: name, cell, where it stands."""
    found: dict[str, tuple[str, str, str]] = {}
    for line in header:
        if not line.startswith("Measure "):
            continue
        fields = [field.strip() for field in line.removeprefix("Measure ").split(",")]
        # long name, short name, description, value, unit
        if len(fields) < 5 or fields[-1] != "mm^3" or fields[1] in NOT_VOLUMES:
            continue
        name = fields[0] if fields[0] in (ETIV, OLD_ETIV) else fields[1]
        found[name] = (name, fields[-2], "header")
    if ETIV not in found and OLD_ETIV in found:
        _, cell, where = found.pop(OLD_ETIV)
        found[ETIV] = (ETIV, cell, where)
    return list(found.values())


def _volume(path: Path, where: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not 0 <= value < np.inf:
        raise _no_volume(path, where, cell)
    return value


def _no_volume(path: Path, where: str, cell: object) -> BadInputError:
    return BadInputError(
        path,
        where,
        found=cell,
        expected="a volume in mm³, a number not below 0",
        remedy="Check the segmentation of this subject, and write the table again.",
    )


def _numbers(path: Path, column: pd.Series, faults: dict[str, BadInputError]) -> pd.Series[float]:
    """Turn a column into volumes; a missing cell stays missing, a wrong one is a fault."""
    # as text, since a truth value would pass for 0 or 1
    cells = column.astype(str) if pd.api.types.is_bool_dtype(column) else column
    numbers = pd.to_numeric(cells, errors="coerce").astype(np.float64)
    wrong = column.notna() & ~((numbers >= 0) & np.isfinite(numbers))
    for who, cell in cells[wrong].items():
        faults.setdefault(str(who), _no_volume(path, f"{who}, {column.name}", cell))
    return numbers


def _participants(path: Path, column: pd.Series[str]) -> list[str]:
    missing = np.flatnonzero(column.isna())
    twice = column[column.duplicated() & column.notna()]
    if len(missing) or len(twice):
        raise BadInputError(
            path,
            ID_COLUMN,
            found=f"none in row {missing[0] + 1}" if len(missing) else f"{twice.iloc[0]} twice",
            expected="every participant once",
            remedy="Name every row, and keep one row for each participant.",
        )
    return column.to_list()


def _no_head(path: Path, where: str) -> BadInputError:
    return BadInputError(
        path,
        where,
        found=0,
        expected="a volume above 0 mm³",
        remedy="Check this subject's Talairach registration, from which it is estimated.",
    )


def _no_etiv(path: Path, where: str) -> BadInputError:
    return BadInputError(
        path,
        where,
        found=f"no {ETIV}",
        expected=f"{ETIV} (or {OLD_ETIV}, as FreeSurfer 5.1 calls it)",
        remedy="Run mri_segstats with --etiv; in a table, participants are rows (no --transpose).",
    )
