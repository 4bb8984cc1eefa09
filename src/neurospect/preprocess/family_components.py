"""Families as the units of a split: who is joined to whom through a parent or a family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurospect.errors import BadInputError

NO_ID = frozenset({"", "n/a", "na", "nan", "none", "null", "."})


def family_components(
    participants: pd.DataFrame,
    columns: Sequence[str] = ("Mother_ID", "Father_ID", "Family_ID"),
) -> pd.Series[str]:
    """Find the connected components of the graph participant - mother - father - family.

    Two participants that share an id in one of the columns are joined, and so is everyone
    joined to either: half-siblings through their one parent, their other siblings too. An id
    that is missing (empty, blank, n/a, na, nan, none, null, or a dot) joins nobody. Ids are
    compared within a column only; a participant who is another's parent is joined through
    a Family_ID.

    Parameters
    ----------
    participants
        One row per participant, with `participant_id` and the id columns, numbers or texts.
    columns
        The id columns.

    Returns
    -------
    pandas.Series
        Name `component`, index `participant_id`, in the order of the table: `family-0001` and
        so on, numbered by the first participant_id in each. Neither the names nor who is with
        whom depends on the order of the rows.

    Raises
    ------
    BadInputError
        If a column is missing, or a participant_id is missing or stands twice.
    """
    _check_columns(participants, columns)
    ids = participants["participant_id"].astype(str).to_list()
    edges = [
        (row, (column, parent))
        for column in columns
        for row, parent in enumerate(map(_plain_id, participants[column]))
        if parent is not None
    ]
    nodes = {node: len(ids) + k for k, node in enumerate(dict.fromkeys(node for _, node in edges))}
    rows = [row for row, _ in edges]
    parents = [nodes[node] for _, node in edges]
    size = len(ids) + len(nodes)
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (rows, parents)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    numbers: dict[int, int] = {}
    for _, label in sorted(zip(ids, labels[: len(ids)], strict=True)):
        numbers.setdefault(label, len(numbers) + 1)
    width = max(4, len(str(len(numbers))))
    names = [f"family-{numbers[label]:0{width}d}" for label in labels[: len(ids)]]
    index = pd.Index(ids, name="participant_id")
    return pd.Series(names, index=index, name="component", dtype=str)


def _plain_id(value: object) -> str | None:
    """Return the id as text; a number that pandas made a float counts as the whole number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return None if value is pd.NA or text.lower() in NO_ID else text


def _check_columns(participants: pd.DataFrame, columns: Sequence[str]) -> None:
    absent = [name for name in ("participant_id", *columns) if name not in participants]
    if absent:
        raise BadInputError(
            "participants",
            "columns",
            found=", ".join(map(str, participants.columns)),
            expected=", ".join(("participant_id", *columns)),
            remedy=f"Add {', '.join(absent)}, or say which columns hold the families.",
        )
    ids = participants["participant_id"]
    faulty = ids[ids.isna() | ids.duplicated()]
    if len(faulty):
        raise BadInputError(
            "participants",
            "participant_id",
            found=f"{faulty.iloc[0]!r} missing or twice, and {len(faulty)} such rows in all",
            expected="every participant once",
            remedy="Give each participant one row.",
        )
