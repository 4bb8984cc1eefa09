"""Outlines of significant clusters of steps and ranks, on maps of group differences."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from neurospect.errors import BadInputError
from neurospect.figures import keys
from neurospect.figures.group_differences import borders, cell_map, grid

COLUMNS = ("cluster", "p", "alpha", "forming", "relabelings", "threshold")
CELL_COLUMNS = ("weight", "step", "rank", "cluster")


def check_clusters(clusters: pd.DataFrame | None, cells: pd.DataFrame | None) -> None:
    """Refuse one table of clusters without the other, or without its columns.

    Raises
    ------
    BadInputError
        Then.
    """
    if (clusters is None) != (cells is None):
        raise BadInputError(
            "clusters",
            "tables",
            found="one of two",
            expected="the clusters, and the cells that are in them",
            remedy="Draw both tables, or none.",
        )
    for table, columns in ((clusters, COLUMNS), (cells, CELL_COLUMNS)):
        missing = [] if table is None else [name for name in columns if name not in table]
        if missing:
            raise BadInputError(
                "clusters",
                "columns",
                found=f"no {', '.join(missing)}",
                expected=", ".join(columns),
                remedy="Draw the tables of the cluster test as they were written.",
            )


def significant_clusters(
    clusters: pd.DataFrame, cells: pd.DataFrame, table: pd.DataFrame, weight: str
) -> list[NDArray[np.bool_]]:
    """Find where each cluster of one weight lies whose p is at most alpha.

    Parameters
    ----------
    clusters, cells
        The two tables of the cluster test (columns `COLUMNS` and `CELL_COLUMNS`), all weights.
    table
        Table of the permutation test, on whose map they are to be drawn.
    weight
        Which weight.

    Returns
    -------
    list
        One map a cluster, shape (ranks, steps), in the order of the clusters' numbers.

    Raises
    ------
    BadInputError
        If a table lacks columns or the weight, or repeats rows.
    """
    check_clusters(clusters, cells)
    shown = grid(table, weight, "tested")
    numbers = cell_map(cells, weight, "cluster", where="cells of clusters").reindex_like(shown)
    chosen = clusters.loc[clusters["p"] <= clusters["alpha"], "cluster"]
    masks = [np.asarray(numbers == number) for number in sorted(chosen)]
    return [mask for mask in masks if mask.any()]


def draw_clusters(
    axes: Axes, clusters: pd.DataFrame, cells: pd.DataFrame, table: pd.DataFrame, weight: str
) -> None:
    """Outline the significant clusters of one weight on its map (see `significant_clusters`).

    The line is thick and green and lies under the thin dark one of single cells, so that where
    both run, both are seen.
    """
    edges = [
        edge
        for mask in significant_clusters(clusters, cells, table, weight)
        for edge in borders(mask)
    ]
    look = {"colors": keys.CLUSTER, "linewidths": keys.CLUSTER_WIDTH, "capstyle": "projecting"}
    axes.add_collection(LineCollection(edges, zorder=2.5, gid="clusters", **look))


def cluster_lines(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say of each table of clusters how they were judged.

    Parameters
    ----------
    tables
        Name of the panel → its table; an empty name is left out.
    """
    return [
        f"{name} {line}" if name else line
        for name, line in ((name, _line(table)) for name, table in tables.items())
    ]


def _line(clusters: pd.DataFrame) -> str:
    if clusters.empty:
        return "clusters: no neighbouring cells differ enough to form one"
    first = clusters.iloc[0]
    level = f"p ≤ {keys.short_number(float(first['alpha']))}"
    relabelings = int(first["relabelings"])
    if isnan(first["threshold"]):
        return f"clusters: {relabelings} relabelings are too few for {level}"
    any_found = bool((clusters["p"] <= clusters["alpha"]).any())
    found = f"clusters in green: {level}" if any_found else f"no cluster has {level}"
    return (
        f"{found}, family-wise, by the mass of neighbouring cells of |z| ≥ {first['forming']:g}; "
        "says nothing of a cell by itself"
    )
