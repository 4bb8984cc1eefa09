"""Tables as databases export them: comma-separated, one header line, every cell text."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurospect.errors import BadInputError


def read_csv_table(path: str | Path, required: Sequence[str], *, remedy: str) -> pd.DataFrame:
    """Read a CSV, every cell as text, stripped; blank cells are empty texts.

    Parameters
    ----------
    path
        The table; UTF-8. Empty lines are passed over.
    required
        Columns that must be there.
    remedy
        What to do about a file that cannot be used.

    Returns
    -------
    pandas.DataFrame
        Shape (rows, columns), at least one row, in the order of the file.

    Raises
    ------
    BadInputError
        If the file cannot be read, has no rows, lacks a column, or a row has more or fewer cells
        than the header.
    """
    final = Path(path)
    header, *rows = _lines(final, remedy)
    absent = [name for name in required if name not in header]
    if absent:
        raise BadInputError(
            final,
            "columns",
            found=f"{len(header)} columns, and no {', '.join(absent)}",
            expected=", ".join(required),
            remedy=remedy,
        )
    return pd.DataFrame(rows, columns=header, dtype=str)


def _lines(path: Path, remedy: str) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(
            path,
            "file",
            found=getattr(error, "strerror", None) or str(error),
            expected="a readable CSV",
            remedy=remedy,
        ) from None
    uneven = [number for number, row in enumerate(lines, 1) if len(row) != len(lines[0])]
    if uneven or len(lines) < 2:
        raise BadInputError(
            path,
            f"row {uneven[0]}" if uneven else "rows",
            found=f"{len(lines[uneven[0] - 1])} cells" if uneven else "nobody",
            expected=f"{len(lines[0])}, as in the header" if uneven else "a header and rows",
            remedy=f"The file was cut short or edited. {remedy}",
        )
    return lines
