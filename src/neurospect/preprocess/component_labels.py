"""Which component belongs to which domain, and what it is called."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neurospect.arrays.tables import read_table
from neurospect.errors import BadInputError

LABEL_COLUMNS = {
    "component": "Number of the component, from 1, in the order of the template",
    "domain": "Functional domain",
    "label": "Name of the component",
}


def read_component_labels(path: str | Path) -> pd.DataFrame:
    """Read the table that names the components of a template.

    Parameters
    ----------
    path
        TSV with the columns component (1 to K, in the template's order), domain and label.

    Returns
    -------
    pandas.DataFrame
        These three columns, shape (K, 3).

    Raises
    ------
    BadInputError
        If the table cannot be read, lacks a column, or does not count its components from 1.
    """
    columns = list(LABEL_COLUMNS)
    table = read_table(path, required=columns, text=["domain", "label"])[columns]
    if table["component"].to_list() != list(range(1, len(table) + 1)):
        raise BadInputError(
            path,
            "component",
            found=", ".join(map(str, table["component"].head(5))) + " ...",
            expected=f"1 to {len(table)}, in this order",
            remedy="Give one row for each map of the template, in its order.",
        )
    return table


def numbered_components(count: int) -> pd.DataFrame:
    """Name components by their numbers alone, where no table of labels is given."""
    numbers = range(1, count + 1)
    labels = [f"component {number}" for number in numbers]
    return pd.DataFrame({"component": numbers, "domain": "not given", "label": labels})
