"""Tables as BIDS writes them: tab-separated, with a JSON sidecar that describes each column."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurospect.arrays.atomic import write_text
from neurospect.errors import BadInputError

MISSING = "n/a"
WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf|nan", re.IGNORECASE)


def write_table(path: str | Path, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Write a table as TSV, and beside it the JSON sidecar that says what its columns hold.

    The same frame always gives the same bytes. Missing values are written as `n/a`, numbers in
    the fewest digits that read back as the same number of their own dtype, truth values as
    `true` and `false`. The frame's index is not written.

    Parameters
    ----------
    path
        Final name, ending in `.tsv`; the sidecar has the same name with `.json`.
    frame
        The table, shape (rows, columns). Column names are unique texts.
    columns
        What each column holds, and its unit where it has one. May describe more columns than
        the frame has; only those of the frame are written.

    Raises
    ------
    BadInputError
        If a column is not described, a column name stands twice, a cell holds a tab or a line
        break (which a TSV cannot), or a cell holds something that is no text and no number.
    """
    final = Path(path)
    _check_writable(final, frame, columns)
    cells = [
        [_cell(value, final, name, row) for row, value in enumerate(frame[name].array)]
        for name in frame.columns
    ]
    lines = ["\t".join(frame.columns), *("\t".join(row) for row in zip(*cells, strict=True))]
    sidecar = {name: {"Description": columns[name]} for name in frame.columns}
    # The sidecar first: where the table stands, its description stands too.
    write_text(final.with_suffix(".json"), json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n")
    write_text(final, "\n".join(lines) + "\n")


def read_table(
    path: str | Path,
    required: Sequence[str] = (),
    text: Sequence[str] = (),
    *,
    may_be_empty: bool = False,
) -> pd.DataFrame:
    """Read a TSV table.

    `n/a` and empty cells are missing; every other cell is kept as it stands. Columns that hold
    only numbers become numbers (unless they are whole and too long to keep all digits), those
    that hold only truth values become bool.

    Parameters
    ----------
    path
        The table; UTF-8, tab-separated, one header line.
    required
        Columns that must be there.
    text
        Columns to read as text exactly, so that an id `007` stays `007`. Those that the table
        does not have are passed over.
    may_be_empty
        Whether a header without rows is a table, too.

    Returns
    -------
    pandas.DataFrame
        Shape (rows, columns), in the order of the file.

    Raises
    ------
    BadInputError
        If the file is missing, empty, not UTF-8, has a duplicate or missing column, or a row
        with more or fewer cells than the header.
    """
    final = Path(path)
    lines = _read_lines(final)
    header = lines[0].split("\t")
    _check_header(final, header, required)
    for number, line in enumerate(lines[1:], start=2):
        found = len(line.split("\t")) if line else 0
        if found != len(header):
            raise BadInputError(
                final,
                f"line {number}",
                found=f"{found} cells",
                expected=f"{len(header)}, as in the header",
                remedy="Separate cells by one tab each, and write n/a where a value is missing.",
            )
    if len(lines) == 1 and not may_be_empty:
        raise BadInputError(
            final,
            "rows",
            found="a header and no rows",
            expected="at least one row",
            remedy="Check the step that wrote this table.",
        )
    rows = [line.split("\t") for line in lines[1:]]
    cells = zip(*rows, strict=True) if rows else ([] for _ in header)
    return pd.DataFrame(
        {
            name: _column(
                [None if cell in ("", MISSING) else cell for cell in column], name in text
            )
            for name, column in zip(header, cells, strict=True)
        }
    )


def _column(cells: list[str | None], as_text: bool) -> pd.Series:
    """Turn cells into numbers or truth values if all of them are; None is missing."""
    present = [cell for cell in cells if cell is not None]
    missing = len(present) < len(cells)
    if as_text or not (present or cells):
        return pd.Series(cells, dtype=str)
    if all(map(WHOLE.fullmatch, present)) and present:
        # beyond this, a number would not keep all digits
        if any(abs(int(cell)) >= (2**53 if missing else 2**63) for cell in present):
            return pd.Series(cells, dtype=str)
        if not missing:
            return pd.Series([int(cell) for cell in present], dtype=np.int64)
    if all(map(NUMBER.fullmatch, present)):
        numbers = [math.nan if cell is None else float(cell) for cell in cells]
        return pd.Series(numbers, dtype=np.float64)
    if all(cell.lower() in ("true", "false") for cell in present):
        flags = [None if cell is None else cell.lower() == "true" for cell in cells]
        return pd.Series(flags, dtype="boolean" if missing else bool)
    return pd.Series(cells, dtype=str)


def _check_writable(path: Path, frame: pd.DataFrame, columns: Mapping[str, str]) -> None:
    if path.suffix != ".tsv":
        raise BadInputError(
            path,
            "file name",
            found=path.name,
            expected="a name that ends in .tsv",
            remedy="Tables are written as TSV with a JSON sidecar of the same name.",
        )
    names = list(frame.columns)
    unusable = [name for name in names if not isinstance(name, str) or not name.strip()]
    unusable += [name for name in names if isinstance(name, str) and _breaks_a_cell(name)]
    if not names or unusable:
        raise BadInputError(
            path,
            "columns",
            found=f"{unusable!r}" if names else "none",
            expected="column names that are texts without tabs and line breaks",
            remedy="Name every column.",
        )
    _refuse_duplicates(path, names)
    undescribed = [name for name in names if not columns.get(name, "").strip()]
    if undescribed:
        raise BadInputError(
            path,
            "columns",
            found=f"no description of {', '.join(undescribed)}",
            expected="a description of every column",
            remedy="Say what each column holds, and in which unit; it goes into the sidecar.",
        )


def _cell(value: object, path: Path, column: str, row: int) -> str:
    """Write one value so that it reads back as the same value."""
    match value:
        case None:
            return MISSING
        case bool() | np.bool_():
            return "true" if value else "false"
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            # str of a numpy scalar is the shortest text that round-trips in its own dtype
            return MISSING if np.isnan(value) else str(value)
        case str() if not _breaks_a_cell(value):
            return value or MISSING
    if value is pd.NA or value is pd.NaT:
        return MISSING
    raise BadInputError(
        path,
        f"column {column}, row {row}",
        found=repr(value),
        expected="a number, a truth value, or a text without tabs and line breaks",
        remedy="A TSV cell can hold nothing else; turn the value into one of these.",
    )


def _breaks_a_cell(text: str) -> bool:
    return any(mark in text for mark in "\t\n\r")


def _read_lines(path: Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(
            path,
            "file",
            found=error.strerror or str(error),
            expected="a readable TSV table",
            remedy="Check the path, or run the step that makes this table.",
        ) from None
    except UnicodeDecodeError as error:
        raise BadInputError(
            path,
            f"byte {error.start}",
            found="bytes that are not UTF-8",
            expected="a UTF-8 text table",
            remedy="Save the table as UTF-8, tab-separated.",
        ) from None
    lines = content.rstrip("\n").split("\n")
    if not lines[0].strip():
        raise BadInputError(
            path,
            "line 1",
            found="an empty file" if not content.strip() else "an empty line",
            expected="a header of column names",
            remedy="Check the step that wrote this table.",
        )
    return lines


def _check_header(path: Path, header: list[str], required: Sequence[str]) -> None:
    _refuse_duplicates(path, header)
    absent = [name for name in required if name not in header]
    if absent:
        raise BadInputError(
            path,
            "columns",
            found=", ".join(header),
            expected=", ".join(required),
            remedy=f"Add the missing: {', '.join(absent)}. Columns are separated by tabs.",
        )


def _refuse_duplicates(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInputError(
            path,
            "columns",
            found=f"{', '.join(twice)} more than once",
            expected="every column name once",
            remedy="Rename or remove the duplicates.",
        )
