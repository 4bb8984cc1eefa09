"""The numbers that a page of panels draws, as two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from neurospect.figures.panels import read_panel
from neurospect.figures.trajectory_table import TRAJECTORY_COLUMNS, trajectory_table

PANEL = {"panel": "letter of the panel"}
PAGE_TRAJECTORY_COLUMNS = PANEL | TRAJECTORY_COLUMNS


def page_trajectories(panels: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the lines that a page draws: of the weights and the group that each panel shows.

    Parameters
    ----------
    panels
        As in `figure_page`.

    Returns
    -------
    pandas.DataFrame
        With `PAGE_TRAJECTORY_COLUMNS`, one row per panel, weight, step and rank; none where no
        panel shows trajectories.

    Raises
    ------
    BadInputError
        If a panel lacks a field, or its data are of another kind.
    """
    frames = [pd.DataFrame(columns=list(PAGE_TRAJECTORY_COLUMNS))]
    for place, fields in enumerate(panels):
        panel = read_panel(fields, place)
        if panel.table is None:
            rows = trajectory_table(fields["data"], words=fields.get("words"))
            shown = rows["weight"].isin(panel.weights) & (rows["group"] == panel.group)
            frames.append(rows[shown].assign(panel=panel.name))
    drawn = pd.concat(frames[1:] or frames, ignore_index=True)
    return drawn[list(PAGE_TRAJECTORY_COLUMNS)]


def page_differences(panels: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the cells that a page draws: of the weights that each panel of differences shows.

    Parameters
    ----------
    panels
        As in `figure_page`.

    Returns
    -------
    pandas.DataFrame
        The columns of the permutation test, a panel before them; none where no panel shows
        differences.

    Raises
    ------
    BadInputError
        As in `page_trajectories`.
    """
    frames = []
    for place, fields in enumerate(panels):
        panel = read_panel(fields, place)
        if panel.table is not None:
            shown = panel.table[panel.table["weight"].astype(str).isin(panel.weights)]
            frames.append(shown.assign(panel=panel.name))
    if not frames:
        return pd.DataFrame(columns=list(PANEL))
    drawn = pd.concat(frames, ignore_index=True)
    return drawn[["panel", *(name for name in drawn.columns if name != "panel")]]
